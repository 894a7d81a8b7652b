package provider_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/signin/signintest"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/scopes"
)

const (
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typePIN       = "urn:valetkey:params:oauth:token-type:support-pin"
	typeAccess    = "urn:ietf:params:oauth:token-type:access_token"
	typeID        = "urn:ietf:params:oauth:token-type:id_token"
	consoleAPI    = "https://console.example/api"
	notesAPI      = "https://notes.example/api"
)

// desk is a world with a support console, whose agents sign in at an issuer of
// their own, and an API of the docs app that calls other apps.
type desk struct {
	*world
	corp *signintest.Issuer
}

func newDesk(t testing.TB, change ...func(*provider.Provider)) *desk {
	t.Helper()
	d := &desk{}
	change = append([]func(*provider.Provider){func(p *provider.Provider) {
		for _, c := range []*provider.Client{
			{ID: "console", Name: "Console", Secret: "console-secret-0123456789", Audience: consoleAPI, Scopes: scopes.Patterns{"documents.*", "billing.*"},
				Grants: []string{grantExchange, "refresh_token"}, Subject: "guest", Claims: []string{"name"}, IDTokenAlg: "ES256", ActorAudience: "console-sso"},
			{ID: "console-2", Name: "Another console of the same staff", Secret: "console-2-secret-0123456789", Audience: consoleAPI, Scopes: scopes.Patterns{"documents.*"},
				Grants: []string{grantExchange}, Subject: "guest", IDTokenAlg: "ES256", ActorAudience: "console-sso"},
			{ID: "docs-back", Name: "Docs back end", Secret: "docs-back-secret-0123456789", Audience: docsAPI, Grants: []string{grantExchange}, Subject: "guest",
				IDTokenAlg: "ES256", Scopes: scopes.Patterns{"*"}},
			{ID: "public", Name: "Public", Public: true, Audience: consoleAPI, Grants: []string{grantExchange}, ActorAudience: "console-sso", IDTokenAlg: "ES256"},
		} {
			p.Clients[c.ID] = c
		}
	}}, change...)
	d.world = newWorld(t, change...)
	d.corp = signintest.NewIssuer(t, d.now)
	oidc := &connectors.OIDC{ID: "corp", Name: "SSO", Issuer: d.corp.URL, ClientID: "valetkey", Now: d.now,
		Allow: []credentials.ClaimRule{{Claim: "groups", Values: []string{"support"}}}}
	d.p.Redeemer = d.redeemer
	d.p.Actor = func(ctx context.Context, audience, token string) (credentials.Agent, error) {
		proof, err := oidc.Actor(ctx, audience, token)
		if errors.Is(err, connectors.ErrIDToken) || errors.Is(err, connectors.ErrNotAllowed) {
			err = fmt.Errorf("%w: %w", provider.ErrActorToken, err)
		}
		return proof.Agent(), err
	}
	return d
}

// actor is an ID token of the person who is signed in at the issuer.
func (d *desk) actor(changes map[string]any) string {
	return d.corp.Token("console-sso", d.now(), changes)
}

// byPIN is an exchange of this PIN.
func (d *desk) byPIN(pin credentials.Minted, pairs ...string) url.Values {
	return d.with(form("grant_type", grantExchange, "subject_token_type", typePIN, "subject_token", "acme 1:"+pin.Secret.Reveal(),
		"actor_token", d.actor(nil), "actor_token_type", typeID, "reason", "ticket 1"), pairs...)
}

// byToken is an exchange of this access token for the notes app.
func (d *desk) byToken(access string, pairs ...string) url.Values {
	return d.with(form("grant_type", grantExchange, "subject_token_type", typeAccess, "subject_token", access, "audience", notesAPI), pairs...)
}

func (d *desk) with(f url.Values, pairs ...string) url.Values {
	for i := 0; i < len(pairs); i += 2 {
		f.Del(pairs[i])
		if pairs[i+1] != "\x00" {
			f.Set(pairs[i], pairs[i+1])
		}
	}
	return f
}

// granted wants tokens.
func (d *desk) granted(client string, f url.Values) reply {
	d.Helper()
	r := d.post("/token", client, f)
	if r.Code != http.StatusOK {
		d.Fatalf("exchange: %d %s", r.Code, r.Body)
	}
	return r
}

// refused wants an error and nothing else.
func (d *desk) refused(what, client string, f url.Values, want string) reply {
	d.Helper()
	r := d.post("/token", client, f)
	if r.text("error") != want || r.text("access_token") != "" || r.Code < 400 || r.Code >= 500 {
		d.Errorf("%s: %d %s, want %s", what, r.Code, r.Body, want)
	}
	return r
}

func (d *desk) sessions() []credentials.Session {
	d.Helper()
	all, err := d.store.Sessions(context.Background(), "acme", credentials.Page{Limit: 100})
	must(d, err)
	return all
}

func (d *desk) issuedEntries() (out []map[string]string) {
	d.Helper()
	all, err := d.store.Record(context.Background(), "acme", credentials.RecordPage{Forward: true, Limit: 500})
	must(d, err)
	for _, e := range all {
		if e.Kind == credentials.RecordToken {
			out = append(out, e.Facts)
		}
	}
	return out
}

// TestExchangeOfAPIN: the token says what one from the pages says, and the record
// too.
func TestExchangeOfAPIN(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	pin := d.mint("pin", "documents.read", "documents.write", "settings.write")
	r := d.granted("console", d.byPIN(pin))
	if r.text("issued_token_type") != typeAccess || r.text("token_type") != "Bearer" || r.text("scope") != "documents.read documents.write" ||
		r.text("refresh_token") == "" || r.text("id_token") != "" || r.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("the answer: %s", r.Body)
	}
	claims := d.claims(r.text("access_token"), keys.ForAccess, keys.TypAccess)
	s := d.sessions()
	act, _ := claims["act"].(map[string]any)
	account, _ := claims["account"].(map[string]any)
	if len(s) != 1 || claims["sid"] != s[0].ID || claims["aud"] != consoleAPI || claims["client_id"] != "console" || account["id"] != "acme" ||
		act["sub"] != "sam" || act["iss"] != d.corp.URL || act["name"] != "Sam Rivera" || claims["acr"] != "urn:valetkey:acr:agent+pin" ||
		!strings.HasPrefix(claims["sub"].(string), "guest:") || s[0].Reason != "ticket 1" || s[0].Agent.Connector != "corp" {
		t.Errorf("the token says %v of %+v", claims, s)
	}
	if e := d.issuedEntries(); len(e) != 1 || e[0]["grant"] != grantExchange || e[0]["client"] != "console" || e[0]["audience"] != consoleAPI ||
		e[0]["jti"] != claims["jti"] || e[0]["through"] != "" {
		t.Errorf("the record: %v", e)
	}
	if again := d.post("/token", "console", form("grant_type", "refresh_token", "refresh_token", r.text("refresh_token"))); again.Code != http.StatusOK {
		t.Errorf("refresh: %d %s", again.Code, again.Body)
	}
	if acted, err := d.store.Act(context.Background(), credentials.Action{ID: "a", SID: s[0].ID, Client: "console", Audience: consoleAPI, Name: "View", Scope: "documents.read"}); err != nil || acted.Err != nil {
		t.Errorf("an action of the console: %v %v", acted.Err, err)
	}
}

func TestExchangeOfAPINNarrows(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	mint := func() credentials.Minted { return d.mint("pin", "documents.read", "documents.write") }
	for asked, want := range map[string]string{
		"documents.read": "documents.read", "documents.read billing.read documents.delete keys.write nonsense": "documents.read",
		"settings.write documents.write": "documents.write",
	} {
		if got := d.granted("console", d.byPIN(mint(), "scope", asked)); got.text("scope") != want || got.text("id_token") != "" {
			t.Errorf("%q: %s, want %q", asked, got.Body, want)
		}
	}
	got := d.granted("console", d.byPIN(mint(), "scope", "openid documents.read"))
	id := d.claims(got.text("id_token"), keys.ForID, keys.TypID)
	if id["aud"] != "console" || id["sid"] != d.claims(got.text("access_token"), keys.ForAccess, keys.TypAccess)["sid"] {
		t.Errorf("the ID token says %v", id)
	}
	// What can come to nothing uses nothing up; what the customer did not lend does.
	pin := mint()
	d.refused("never lent", "console", d.byPIN(pin, "scope", "billing.read documents.delete"), "invalid_scope")
	before := len(d.sessions())
	d.refused("not lent by the customer", "console", d.with(d.byPIN(d.mint("pin", "settings.write"))), "invalid_scope")
	if n := len(d.sessions()); n != before+1 {
		t.Errorf("%d sessions, want one that nothing was granted of", n-before)
	}
}

// TestExchangeSentAgain: the same PIN with the same ID token is one use and one
// session, at once or one after the other; with another ID token it is spent.
func TestExchangeSentAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	f := d.byPIN(d.mint("pin"))
	sids := make(chan any, 8)
	for range cap(sids) {
		go func() {
			r := d.post("/token", "console", maps.Clone(f))
			if r.Code != http.StatusOK {
				t.Errorf("sent again: %d %s", r.Code, r.Body)
				sids <- nil
				return
			}
			sids <- d.claims(r.text("access_token"), keys.ForAccess, keys.TypAccess)["sid"]
		}()
	}
	first := <-sids
	for range cap(sids) - 1 {
		if sid := <-sids; sid != first {
			t.Errorf("sessions %v and %v", first, sid)
		}
	}
	if n := len(d.sessions()); n != 1 {
		t.Errorf("%d sessions", n)
	}
	d.refused("with another PIN", "console", d.with(maps.Clone(f), "subject_token", "acme 1:000000"), "invalid_grant")
	d.refused("for another account", "console", d.with(maps.Clone(f), "subject_token", strings.Replace(f.Get("subject_token"), "acme 1", "acme 2", 1)), "invalid_grant")
	d.refused("with another ID token", "console", d.with(maps.Clone(f), "actor_token", d.actor(map[string]any{"jti": "other"})), "invalid_grant")
	d.refused("by another client", "console-2", maps.Clone(f), "invalid_grant") // of one actor_audience, with all that the first one sent
	err := d.p.Sessions.End(context.Background(), first.(string), credentials.CauseRevoked, credentials.Mark{Who: "owner"})
	must(t, err)
	d.refused("after the end", "console", f, "invalid_grant")
}

// TestExchangeRefusesAlike: before a right PIN every cause has one answer, and
// each counts against the agent as on the pages.
func TestExchangeRefusesAlike(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	pin := d.mint("pin")
	wrong := string('0'+(pin.Secret.Reveal()[0]-'0'+1)%10) + pin.Secret.Reveal()[1:]
	said := map[string]string{}
	for left, subject := range []string{"nobody:123456", "ACME-1:" + wrong, "ACME-1:" + wrong + "7", "nobody-2:" + wrong} {
		r := d.refused(subject, "console", d.byPIN(pin, "subject_token", subject), "invalid_grant")
		if want := fmt.Sprintf("%d tr", 4-left); !strings.Contains(r.text("error_description"), want) {
			t.Errorf("%q does not say %q", r.Body, want)
		}
		said[strings.NewReplacer("4 tries", "n", "3 tries", "n", "2 tries", "n", "1 try", "n").Replace(r.Body.String())] = subject
		if r.Code != http.StatusBadRequest || strings.Contains(r.Body.String(), wrong) {
			t.Errorf("%d %s", r.Code, r.Body)
		}
	}
	if len(said) != 1 {
		t.Errorf("answers differ: %v", said)
	}
	last := d.refused("the fifth", "console", d.byPIN(pin, "subject_token", "ACME-1:"+wrong), "invalid_grant")
	if !strings.Contains(last.text("error_description"), "15-minute pause") {
		t.Errorf("%s", last.Body)
	}
	paused := d.refused("in the pause, with the right PIN", "console", d.byPIN(pin), "invalid_grant")
	if !strings.Contains(paused.text("error_description"), "used up for now") {
		t.Errorf("%s", paused.Body)
	}
	if n := len(d.sessions()); n != 0 {
		t.Errorf("%d sessions", n)
	}
	d.pass(16 * time.Minute)
	must(t, d.store.Suspend(context.Background(), credentials.Person(d.corp.URL, "sam"), true, credentials.Mark{Who: "operator"}))
	suspended := d.refused("suspended", "console", d.byPIN(d.mint("pin")), "invalid_grant")
	if !strings.Contains(suspended.text("error_description"), "suspended") {
		t.Errorf("%s", suspended.Body)
	}
	all, err := d.store.Record(context.Background(), "acme", credentials.RecordPage{Forward: true, Limit: 100})
	must(t, err)
	if !slices.ContainsFunc(all, func(e audit.Entry) bool {
		return e.Kind == credentials.RecordRefusedTry && e.Facts["client"] == "console"
	}) {
		t.Error("the record does not say through whom it was tried")
	}
}

func TestExchangeOfAPINIsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	pin := d.mint("pin")
	otto := map[string]any{"sub": "otto", "groups": []string{"sales"}}
	long := strings.Repeat("1", 300)
	for what, change := range map[string][]string{
		"no actor_token":                   {"actor_token", "\x00", "invalid_request"},
		"no actor_token_type":              {"actor_token_type", "\x00", "invalid_request"},
		"an access token as actor":         {"actor_token_type", typeAccess, "invalid_request"},
		"an actor token of another client": {"actor_token", d.corp.Token("valetkey", d.now(), nil), "invalid_request"},
		"an actor who may not":             {"actor_token", d.actor(otto), "invalid_request"},
		"an actor token that is too old":   {"actor_token", d.corp.Token("console-sso", d.now().Add(-6*time.Minute), nil), "invalid_request"},
		"an actor token that is none":      {"actor_token", "x.y.z", "invalid_request"},
		"no subject_token":                 {"subject_token", "\x00", "invalid_request"},
		"a subject_token without a PIN":    {"subject_token", "ACME-1", "invalid_request"},
		"a subject_token without account":  {"subject_token", ":123456", "invalid_request"},
		"an empty PIN":                     {"subject_token", "ACME-1:", "invalid_request"},
		"a long PIN":                       {"subject_token", "ACME-1:" + long, "invalid_request"},
		"a long handle":                    {"subject_token", long + ":123456", "invalid_request"},
		"another audience":                 {"audience", notesAPI, "invalid_target"},
		"another resource":                 {"resource", notesAPI, "invalid_target"},
		"another type wanted":              {"requested_token_type", typeID, "invalid_request"},
		"an unknown type wanted":           {"requested_token_type", "x", "invalid_request"},
		"an unknown subject type":          {"subject_token_type", "urn:x", "invalid_request"},
		"an ID token type of subject":      {"subject_token_type", typeID, "invalid_request"},
		"scopes that nobody lends":         {"scope", "billing.read", "invalid_scope"},
	} {
		d.refused(what, "console", d.byPIN(pin, change[0], change[1]), change[2])
	}
	d.refused("a client without the grant", "docs", d.byPIN(pin), "unauthorized_client")
	d.refused("a client without actor_audience", "docs-back", d.byPIN(pin), "unauthorized_client")
	d.refused("a public client", "public", d.byPIN(pin), "invalid_client")
	if r := d.serve(plainPost("/token", d.byPIN(pin))); r.Code != http.StatusUnauthorized {
		t.Errorf("nobody: %d %s", r.Code, r.Body)
	}
	// None of that has used the PIN up or counted as a try.
	d.granted("console", d.byPIN(pin, "audience", consoleAPI))
}

// TestExchangeNamesTheTicket that the customer gave, which costs nothing to miss.
func TestExchangeNamesTheTicket(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	pin, err := d.minter.Mint(context.Background(), credentials.MintRequest{
		Account: credentials.Account{ID: "acme", Connector: "customers", Name: "Acme", Handle: "ACME-1"}, Policy: "pin", Ticket: "4711",
		Owner: credentials.Owner{Issuer: "https://id.example", Subject: "olivia", Name: "Olivia"}, By: credentials.Mark{Who: "owner"},
	})
	must(t, err)
	if r := d.refused("no ticket", "console", d.byPIN(pin), "invalid_grant"); !strings.Contains(r.text("error_description"), "ticket") {
		t.Errorf("%s", r.Body)
	}
	d.granted("console", d.byPIN(pin, "reason", "about 4711"))
}

// TestExchangeWhenTheIssuerIsDown decides nothing, and tells nothing of it.
func TestExchangeWhenTheIssuerIsDown(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	pin := d.mint("pin")
	f := d.byPIN(pin)
	d.corp.Set(func(b *signintest.Behaviour) { b.Down = true })
	r := d.post("/token", "console", f)
	if r.Code != http.StatusServiceUnavailable || strings.Contains(r.Body.String(), signintest.Marker) || r.text("error") != "temporarily_unavailable" {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	d.corp.Set(func(b *signintest.Behaviour) { b.Down = false })
	d.granted("console", f)
}

func (f *failing) Reserve(ctx context.Context, t credentials.Try) (credentials.Reservation, error) {
	if err := f.fail("Reserve"); err != nil {
		return credentials.Reservation{}, err
	}
	return f.Store.Reserve(ctx, t)
}

func (f *failing) Settle(ctx context.Context, s credentials.Settlement) (credentials.Outcome, error) {
	if err := f.fail("Settle"); err != nil {
		return credentials.Outcome{}, err
	}
	return f.Store.Settle(ctx, s)
}

// TestExchangeWhenTheStoreFails: 503 without its text, and no token.
func TestExchangeWhenTheStoreFails(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	broken := &failing{Store: d.store}
	d.through(broken)
	d.p.Redeemer = &credentials.Redeemer{Store: broken, Hasher: d.redeemer.Hasher}
	access := d.tokens("docs", d.open("login")).text("access_token")
	for _, verb := range []string{"Reserve", "Settle", "Issue"} {
		f := d.byPIN(d.mint("pin"))
		broken.verb = verb
		d.check503("a PIN, "+verb, d.post("/token", "console", f))
		if verb == "Issue" {
			d.check503("an access token", d.post("/token", "docs-back", d.byToken(access)))
		}
		broken.verb = ""
	}
	d.granted("docs-back", d.byToken(access))
}

// TestExchangeInDiscovery: it is listed where some client has it.
func TestExchangeInDiscovery(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if got := d.list(d.get("/.well-known/openid-configuration", nil), "grant_types_supported"); !slices.Contains(got, grantExchange) {
		t.Errorf("the grants are %v", got)
	}
}
