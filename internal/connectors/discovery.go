package connectors

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
)

// Bounds of what is asked of an issuer, and of what it answers.
const (
	upstreamTimeout = 5 * time.Second
	maxAnswer       = 1 << 20  // bytes of a body
	maxHeaders      = 64 << 10 // bytes
)

// discoveryLife is how long a discovery document is believed, and the keys that
// were found by it: one that the issuer has withdrawn is refused after that.
const discoveryLife = time.Hour

// upstreamClient follows no redirects: outbound URLs come from the
// configuration and from what the issuer's own discovery says, nowhere else.
var upstreamClient = &http.Client{
	Timeout:       upstreamTimeout,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport:     newBounded(),
}

// bounded cuts off what an issuer sends too much of.
type bounded struct{ *http.Transport }

func newBounded() bounded {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxResponseHeaderBytes = maxHeaders
	return bounded{t}
}

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.Transport.RoundTrip(r)
	if err == nil {
		answer.Body = http.MaxBytesReader(nil, answer.Body, maxAnswer)
	}
	return answer, err
}

// discovery is what an issuer says of itself, asked for once it is needed.
type discovery struct {
	asking singleflight.Group // however many wait, the issuer is asked once
	mu     sync.Mutex
	found  *upstream
	until  time.Time
}

// upstream is an issuer that answered.
type upstream struct {
	provider *oidc.Provider
	keys     oidc.KeySet
	said     metadata
}

// metadata is what a sign-in needs of a discovery document (OpenID Connect
// Discovery 1.0, section 3; RFC 9207, section 3).
type metadata struct {
	Auth       string   `json:"authorization_endpoint"`
	Token      string   `json:"token_endpoint"`
	JWKS       string   `json:"jwks_uri"`
	UserInfo   string   `json:"userinfo_endpoint"`
	Methods    []string `json:"token_endpoint_auth_methods_supported"`
	Algorithms []string `json:"id_token_signing_alg_values_supported"`
	Iss        bool     `json:"authorization_response_iss_parameter_supported"`
}

// discover returns what the issuer says of itself; a failure is not kept.
func (o *OIDC) discover(ctx context.Context) (*upstream, error) {
	d := &o.issuer
	d.mu.Lock()
	found, until := d.found, d.until
	d.mu.Unlock()
	if found != nil && o.Now().Before(until) {
		return found, nil
	}
	answer := d.asking.DoChan("", func() (any, error) {
		found, err := o.ask(context.WithoutCancel(ctx))
		if err != nil {
			return nil, fmt.Errorf("%w: the issuer %s cannot be discovered: %s", ErrUpstream, o.Issuer, cut(err.Error()))
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.found, d.until = found, o.Now().Add(discoveryLife)
		return found, nil
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUpstream, ctx.Err())
	case got := <-answer:
		if got.Err != nil {
			return nil, got.Err
		}
		return got.Val.(*upstream), nil
	}
}

func (o *OIDC) ask(ctx context.Context) (*upstream, error) {
	ctx = oidc.ClientContext(ctx, upstreamClient)
	found, err := oidc.NewProvider(ctx, o.Issuer)
	if err != nil {
		return nil, err
	}
	u := &upstream{provider: found}
	if err := found.Claims(&u.said); err != nil {
		return nil, err
	}
	u.keys = oidc.NewRemoteKeySet(ctx, u.said.JWKS)
	return u, o.usable(u.said)
}

// usable refuses an issuer that a sign-in could not be carried out with, and
// one that would have the broker leave https behind.
func (o *OIDC) usable(said metadata) error {
	endpoints := map[string]string{"authorization_endpoint": said.Auth, "token_endpoint": said.Token, "jwks_uri": said.JWKS}
	if o.UserInfo {
		endpoints["userinfo_endpoint"] = said.UserInfo
	}
	for name, at := range endpoints {
		to, err := url.Parse(at)
		if err != nil || to.Host == "" || to.Scheme != "https" && (to.Scheme != "http" || strings.HasPrefix(o.Issuer, "https:")) {
			return fmt.Errorf("its %s is %q, which is no URL to go to", name, at)
		}
	}
	_, err := o.style(said)
	return err
}

// style is how the broker authenticates at the token endpoint (RFC 8414,
// section 2: client_secret_basic where nothing is said).
func (o *OIDC) style(said metadata) (oauth2.AuthStyle, error) {
	switch {
	case o.ClientSecret.Reveal() == "":
		return oauth2.AuthStyleInParams, nil // client_id alone, and PKCE
	case len(said.Methods) == 0, slices.Contains(said.Methods, "client_secret_basic"):
		return oauth2.AuthStyleInHeader, nil
	case slices.Contains(said.Methods, "client_secret_post"):
		return oauth2.AuthStyleInParams, nil
	}
	return 0, errors.New("it takes a client secret neither as client_secret_basic nor as client_secret_post")
}

// maxSaid bounds what is kept of an issuer's own words, in bytes. They go into
// the log, and may be a whole page.
const maxSaid = 300

func cut(said string) string {
	if len(said) <= maxSaid {
		return said
	}
	return strings.ToValidUTF8(said[:maxSaid], "") + "…"
}
