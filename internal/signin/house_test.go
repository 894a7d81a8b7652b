package signin_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/keys/keystest"
	"github.com/valetkey/valetkey/internal/signin"
	"github.com/valetkey/valetkey/internal/signin/signintest"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/internal/testkit"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/templates"
)

func TestMain(m *testing.M) { os.Exit(storetest.Migrated(m, store.Migrate)) }

// Where the two populations sign in.
const (
	agentsPath = "/sign-in"
	ownersPath = templates.OwnerPath + "/sign-in"
)

// errand is what a request of these tests is: what somebody signs in for, as it
// travels sealed.
type errand struct {
	Name   string
	Again  bool
	MaxAge *int64
	Fill   string // makes it long
}

// house is a broker that has nothing but its two doors.
type house struct {
	t      *testing.T
	clock  *signintest.Clock
	log    *testkit.Log
	tape   signintest.Tape
	issuer *signintest.Issuer
	server *httptest.Server
	keys   *keys.Secrets
	agents *population
	owners *population
}

// population is a door with a page behind it.
type population struct {
	*signin.Door
	house     *house
	requests  *keys.Sealer
	arrived   atomic.Int64
	unrenewed atomic.Int64
	holder    bool        // there is a form for holders on the page
	closed    atomic.Bool // no request is good any more
	plain     bool        // requests say nothing, and are good in every browser
}

// newHouse has an issuer that both populations sign in at, by the connectors
// "corp" of agents and "customers" of owners.
func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, clock: signintest.NewClock(), log: &testkit.Log{}, keys: keystest.Secrets(t)}
	h.issuer = signintest.NewIssuer(t, h.clock.Now)
	h.server = httptest.NewUnstartedServer(nil)
	set, err := templates.New(templates.Brand{Product: "Northwind Docs"})
	if err != nil {
		t.Fatal(err)
	}
	h.agents = h.population("agent", agentsPath, set)
	h.owners = h.population("owner", ownersPath, set.Owners())
	h.agents.Connectors = []connectors.Connector{h.oidc("corp", agentsPath)}
	customers := h.oidc("customers", ownersPath)
	customers.Account = connectors.AccountClaims{ID: "account_id"}
	h.owners.Connectors = []connectors.Connector{customers}
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for _, p := range []*population{h.agents, h.owners} {
		p.Mount(r, p.Pages.OwnSite(h.url("")))
		r.HandleFunc(p.Path, p.page)
	}
	h.server.Config.Handler = h.agents.Pages.Visitor(nil, r)
	h.server.Start()
	t.Cleanup(h.server.Close)
	return h
}

func (h *house) url(path string) string { return "http://" + h.server.Listener.Addr().String() + path }

// oidc is how people sign in at the house's issuer.
func (h *house) oidc(id, at string) *connectors.OIDC {
	return &connectors.OIDC{ID: id, Name: "Northwind SSO", Issuer: h.issuer.URL, ClientID: "valetkey", ClientSecret: credentials.NewSecret("x"),
		Scopes: []string{"openid"}, RedirectURI: h.url(signin.ReturnPath(at, id)), MaxAge: 15 * time.Minute, Now: h.clock.Now,
		Allow: []credentials.ClaimRule{{Claim: "groups", Values: []string{"support"}}}}
}

func (h *house) population(name, path string, set *templates.Set) *population {
	p := &population{house: h, requests: h.keys.Sealer(name + " request")}
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	pages := &web.Pages{Set: set, Log: log}
	p.Door = &signin.Door{
		Cookie: name, Path: path, Life: 8 * time.Hour, Refused: "You are none of those.", Pages: pages, Now: h.clock.Now, Log: log,
		Cookies: &web.Cookies{Sealer: h.keys.Sealer("cookie"), Insecure: true},
		Proofs:  h.keys.Sealer(name + " sign-in proof"), Trips: h.keys.Sealer(name + " sign-in trip"),
		Open: p.open, Arrive: p.arrive, Unrenewed: p.goOn, Dress: p.dress,
	}
	return p
}

// begin is the address of a request that this browser begins.
func (p *population) begin(b *signintest.Browser, e errand) string {
	if b.Cookies()["browser"] == "" {
		b.Get(p.Path)
	}
	return p.Path + "?r=" + url.QueryEscape(p.requests.SealJSON(e, b.Cookies()["browser"]))
}

func (p *population) open(r *http.Request, request string) (signin.Errand, error) {
	var e errand
	browser := p.Cookies.BrowserOf(r)
	switch {
	case p.closed.Load():
		return signin.Errand{}, keys.ErrSealed
	case p.plain && browser != "":
		return signin.Errand{Browser: browser}, nil
	}
	if err := p.requests.OpenJSON(request, browser, &e); err != nil {
		return signin.Errand{}, err
	}
	return signin.Errand{Request: request, Browser: browser, Again: e.Again, MaxAge: e.MaxAge}, nil
}

// page says who is signed in, or asks: anew with ask, silently with renew. A
// request it was not begun with gives the browser its secret, and no more.
func (p *population) page(w http.ResponseWriter, r *http.Request) {
	p.Cookies.Browser(w, r)
	q := r.URL.Query()
	e, err := p.open(r, q.Get("r"))
	if err != nil {
		p.Pages.Fail(w, r, http.StatusBadRequest, "There is no request.")
		return
	}
	who := p.Who(r, e.Browser)
	switch {
	case who == nil || q.Has("ask"):
		p.Ask(w, r, http.StatusOK, e, q.Get("connector"), templates.SignIn{Problem: templates.Problem{Text: q.Get("problem")}})
	case q.Has("renew") && p.Renew(w, r, e, *who):
	default:
		if q.Has("saw") {
			p.Saw(w, e.Browser, *who)
		}
		var told errand
		_ = p.requests.OpenJSON(e.Request, e.Browser, &told)
		_, _ = fmt.Fprintf(w, "%s for %q by %s, proof of %d, proved %d", who.Subject, told.Name, who.Connector,
			who.AuthTime.UnixMicro(), who.ProvedAt.UnixMicro())
	}
}

func (p *population) arrive(w http.ResponseWriter, r *http.Request, e signin.Errand, proof connectors.Proof) {
	p.arrived.Add(1)
	p.Remember(w, e.Browser, proof)
	http.Redirect(w, r, p.Path+"?r="+url.QueryEscape(e.Request), http.StatusSeeOther)
}

func (p *population) goOn(w http.ResponseWriter, r *http.Request, e signin.Errand) {
	p.unrenewed.Add(1)
	http.Redirect(w, r, p.Path+"?r="+url.QueryEscape(e.Request), http.StatusSeeOther)
}

func (p *population) dress(_ signin.Errand, page *templates.SignIn) {
	if p.holder {
		page.Holder = &templates.LoginForm{Request: page.Request, Form: "f"}
	}
}

// browser follows to the issuer and back.
func (h *house) browser() *signintest.Browser {
	h.t.Helper()
	return signintest.NewBrowser(h.t, h.url(""), &h.tape, h.issuer.URL)
}

// waiting is a browser that stops where it leaves for the issuer.
func (h *house) waiting() *signintest.Browser {
	h.t.Helper()
	return signintest.NewBrowser(h.t, h.url(""), &h.tape)
}

// proof is when the person that the page speaks of showed their proof, and when
// that was confirmed.
func (h *house) proof(b *signintest.Browser) (shown, proved time.Time) {
	h.t.Helper()
	var who, for1, by string
	var s, p int64
	if _, err := fmt.Sscanf(b.Page.Body, "%s for %q by %s proof of %d, proved %d", &who, &for1, &by, &s, &p); err != nil {
		h.t.Fatalf("nobody is signed in: %d %s", b.Page.Status, b.Page.Text())
	}
	return time.UnixMicro(s), time.UnixMicro(p)
}

// signedIn fails unless the page speaks of this person.
func (h *house) signedIn(b *signintest.Browser, who, request string) {
	h.t.Helper()
	if want := fmt.Sprintf("%s for %q ", who, request); b.Page.Status != http.StatusOK || !b.Page.Says(want) {
		h.t.Fatalf("want %q: %d %s", want, b.Page.Status, b.Page.Text())
	}
}

// lost fails unless the way back is refused, and nobody was signed in by it.
func (h *house) lost(b *signintest.Browser, what string) {
	h.t.Helper()
	if b.Page.Status != http.StatusBadRequest || !b.Page.Says("took too long or was begun in another browser") {
		h.t.Errorf("%s: %d %s", what, b.Page.Status, b.Page.Text())
	}
	if n := h.agents.arrived.Load() + h.owners.arrived.Load(); n != 0 {
		h.t.Errorf("%s: %d people arrived", what, n)
	}
	if c := b.Cookies(); c["agent"] != "" || c["owner"] != "" {
		h.t.Errorf("%s: the browser keeps %v", what, c)
	}
}
