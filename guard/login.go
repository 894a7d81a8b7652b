package guard

import (
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// LoginConfig says how a web app signs support staff in. RedirectURI and Keys
// are required.
type LoginConfig struct {
	// RedirectURI is the app's callback as the broker has it registered, character
	// by character: https, or http on loopback. Login serves its path.
	RedirectURI string
	// Keys seal the cookies: 32 random bytes or more each, the same ones at every
	// instance of the app. The first seals; the others still open what they sealed,
	// so that a key can be changed without ending anybody's work.
	Keys [][]byte

	// ClientID and ClientSecret are those of the client with the RedirectURI and
	// the audience of the guard; default: the guard's own, with its Key. A ClientID
	// with neither ClientSecret nor Key is a public client. Key and KeyID are as in
	// [Config].
	ClientID     string
	ClientSecret string
	Key          crypto.Signer
	KeyID        string
	// PAR pushes the authorization request to the broker, so that a browser can
	// neither read nor change it (RFC 9126). It is for a client with require.par; a
	// broker that takes no other requests is pushed them anyway.
	PAR bool
	// DPoP has the tokens bound to a key that is derived from Keys (RFC 9449): whoever
	// gets hold of one cannot use it. It is for a client with require.dpop, too.
	DPoP bool
	// Scopes are asked for besides openid: everything that the app can do. What was
	// not lent is not given. At least one is required.
	Scopes []string
	// IDTokenAlg is the client's id_token_alg: RS256 (default) or ES256.
	IDTokenAlg string

	StartPath string // begins a sign-in; default /support
	EndPath   string // ends the session, by POST; default /support/end
	Home      string // where an agent goes who came from nowhere; default /
	AfterEnd  string // where an agent goes whose session has ended; default: a page that says so

	// Labels are what the app's scopes let people do, in words for the banner, such
	// as "View documents"; default: the scopes' names.
	Labels map[string]string
	// Page shows what Login has to say to a person, in the app's own design;
	// default: a plain page. It must write Notice.Status.
	Page func(http.ResponseWriter, *http.Request, Notice)
}

// Login signs support staff in to a server-rendered web app, beside the app's
// own login and apart from it: OpenID Connect's code flow with PKCE, and a
// support cookie of its own. It is made by [NewLogin].
type Login struct {
	guard    *Guard
	cfg      LoginConfig
	callback string // the path of the RedirectURI
	client   client
	cookies  *cookies
	former   *cookies // as they were called before their names had a tag
	prover   *prover  // nil: tokens are not bound
	csrf     *http.CrossOriginProtection
	renewals renewals
	compared sync.Once // with what the broker says it has
	style    string    // path of the banner's stylesheet
}

// NewLogin makes the login of a web app. One guard has one login.
func NewLogin(g *Guard, cfg LoginConfig) (*Login, error) {
	l := &Login{guard: g, cfg: cfg, csrf: http.NewCrossOriginProtection()}
	l.defaults()
	to, err := url.Parse(cfg.RedirectURI)
	if err != nil || to.Host == "" || to.RawQuery != "" || to.Fragment != "" || !strings.HasPrefix(to.Path, "/") {
		return nil, fmt.Errorf("guard: RedirectURI %q must be a whole URL with a path and nothing behind it", cfg.RedirectURI)
	}
	insecure := to.Scheme == "http" && loopback(to.Hostname())
	if to.Scheme != "https" && !insecure {
		return nil, fmt.Errorf("guard: RedirectURI %q must be https, or http on 127.0.0.1, [::1] or localhost", cfg.RedirectURI)
	}
	l.callback = to.Path
	// Where a proxy changes the Host, an older browser's own pages are known by this.
	if err := l.csrf.AddTrustedOrigin(strings.TrimSuffix(normal(&url.URL{Scheme: to.Scheme, Host: to.Host}), "/")); err != nil {
		return nil, fmt.Errorf("guard: RedirectURI %q: %w", cfg.RedirectURI, err)
	}
	if err := l.identify(); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if l.cookies, err = newCookies(cfg.Keys, insecure, tagOf(l.cfg.ClientID, cfg.RedirectURI)); err != nil {
		return nil, err
	}
	l.former = l.cookies.untagged()
	l.style = l.cfg.StartPath + "/banner-" + bannerHash[:16] + ".css"
	if err := l.check(); err != nil {
		return nil, err
	}
	if !g.carry(tokenSource{l.carried, l.prover.holds}) {
		return nil, errors.New("guard: this guard has a login already: one guard has one login, so make another guard for another")
	}
	g.cfg.Refuse = l.refuser(g.cfg.Refuse)
	return l, nil
}

func (l *Login) defaults() {
	for value, preset := range map[*string]string{
		&l.cfg.IDTokenAlg: "RS256", &l.cfg.StartPath: "/support", &l.cfg.EndPath: "/support/end", &l.cfg.Home: "/",
	} {
		if *value == "" {
			*value = preset
		}
	}
	if l.cfg.Page == nil {
		l.cfg.Page = plainPage
	}
}

// identify finds who the login is at the broker, and what it binds its tokens to.
func (l *Login) identify() (err error) {
	if l.cfg.ClientID == "" && l.cfg.ClientSecret == "" && l.cfg.Key == nil {
		l.cfg.ClientID, l.client = l.guard.cfg.ClientID, l.guard.app
	} else if l.client, err = newClient(l.cfg.ClientID, l.cfg.ClientSecret, l.cfg.Key, l.cfg.KeyID); err != nil {
		return err
	}
	if l.cfg.DPoP {
		l.prover, err = newProver(l.cfg.Keys)
	}
	return err
}

func (l *Login) check() error {
	if l.cfg.IDTokenAlg != "RS256" && l.cfg.IDTokenAlg != "ES256" {
		return fmt.Errorf("guard: IDTokenAlg %q must be RS256 or ES256, as the client's id_token_alg is", l.cfg.IDTokenAlg)
	}
	if len(l.cfg.Scopes) == 0 {
		return errors.New("guard: Login needs Scopes: everything that the app can do, such as documents.read")
	}
	taken := map[string]string{}
	for name, path := range map[string]string{"StartPath": l.cfg.StartPath, "EndPath": l.cfg.EndPath, "the path of RedirectURI": l.callback} {
		if !isLocal(path) || strings.ContainsAny(path, "?#") {
			return fmt.Errorf("guard: %s %q must be a path of this app", name, path)
		}
		if other := taken[path]; other != "" {
			return fmt.Errorf("guard: %s and %s are both %q", other, name, path)
		}
		taken[path] = name
	}
	for name, path := range map[string]string{"Home": l.cfg.Home, "AfterEnd": l.cfg.AfterEnd} {
		if path != "" && !isLocal(path) {
			return fmt.Errorf("guard: %s %q must be a path of this app", name, path)
		}
	}
	return nil
}

// Wrap is [Guard.Wrap] for an app with this login: it also serves StartPath, the
// callback and EndPath, and finds the support session that a browser carries.
//
// While a browser carries a support cookie its requests are the support
// session's, whatever login of the app's own it has besides: rights are never
// put together from two, and what an agent means to do in a customer's account
// never happens in their own. So a session that has ended is refused, and stays
// so until the agent leaves it or begins another: the request that is refused is
// not tried with the app's own login, which could be allowed to do it.
func (l *Login) Wrap(next http.Handler, ownAuth func(http.Handler) http.Handler) http.Handler {
	wrapped := l.guard.Wrap(next, ownAuth)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case l.cfg.StartPath:
			l.Start(w, r)
		case l.callback:
			l.Callback(w, r)
		case l.cfg.EndPath:
			l.End(w, r)
		case l.style:
			BannerStyle(w, r)
		default:
			l.serve(w, r, wrapped)
		}
	})
}

// isLocal reports whether a browser that is sent to the path stays in the app:
// «//evil» and «/\evil» name other hosts, and browsers drop tabs and line breaks
// before they look, which no URL here may have.
func isLocal(path string) bool {
	if len(path) > maxReturn || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, `\`) {
		return false
	}
	to, err := url.Parse(path)
	return err == nil && to.Scheme == "" && to.Host == "" && to.User == nil
}

// random returns 256 random bits as text.
func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never returns an error
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// wall is the time by which tokens are judged.
func (g *Guard) wall() time.Time { return time.Unix(0, g.clock.latest(g.clock.read())) }
