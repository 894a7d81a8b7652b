package provider_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/scopes"
)

// TestExchangeOfAnAccessToken: a back end that was handed one gets another for
// another app, for the same session, with no more and for no longer.
func TestExchangeOfAnAccessToken(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s := d.open("login", "documents.read", "documents.write") // of which that app may have the first
	from := d.tokens("docs", s, "scope", "openid email documents.read documents.write").text("access_token")
	d.pass(2 * time.Minute)
	r := d.granted("docs-back", d.byToken(from))
	if r.text("issued_token_type") != typeAccess || r.text("scope") != "documents.read" || r.text("refresh_token") != "" || r.text("id_token") != "" {
		t.Errorf("the answer: %s", r.Body)
	}
	was, is := d.claims(from, keys.ForAccess, keys.TypAccess), d.claims(r.text("access_token"), keys.ForAccess, keys.TypAccess)
	if is["sid"] != s.ID || is["aud"] != notesAPI || is["client_id"] != "docs-back" || is["exp"] != was["exp"] || is["jti"] == was["jti"] {
		t.Errorf("%v became %v", was, is)
	}
	// The app sees whom it always sees: by its own settings, in the token and when it asks.
	act, _ := is["act"].(map[string]any)
	if is["sub"] != "owner:olivia" || act["email"] != "sam@corp.example" || act["sub"] != "sam" {
		t.Errorf("the app sees %v", is)
	}
	if told := d.introspect("notes", r.text("access_token")); !strings.Contains(told, `"sub":"owner:olivia"`) || !strings.Contains(told, `"client_id":"docs-back"`) {
		t.Errorf("introspection: %s", told)
	}
	if told := d.introspect("docs", r.text("access_token")); told != inactive {
		t.Errorf("another app's introspection: %s", told)
	}
	if u := d.userinfo(r.text("access_token")); u.Code != http.StatusForbidden {
		t.Errorf("userinfo: %d %s", u.Code, u.Body)
	}
	if e := d.issuedEntries(); len(e) != 2 || e[1]["client"] != "notes" || e[1]["through"] != "docs-back" || e[1]["audience"] != notesAPI || e[1]["grant"] != grantExchange {
		t.Errorf("the record: %v", e)
	}
	// The app can act, and is told of the end.
	ctx := context.Background()
	acted, err := d.store.Act(ctx, credentials.Action{ID: "a", SID: s.ID, Client: "notes", Audience: notesAPI, Name: "View", Scope: "documents.read"})
	if err != nil || acted.Err != nil {
		t.Errorf("an action of the app: %v %v", acted.Err, err)
	}
	d.granted("docs-back", d.byToken(from)) // a second token is no second app
	if err := d.p.Sessions.End(ctx, s.ID, credentials.CauseRevoked, credentials.Mark{Who: "owner"}); err != nil {
		t.Fatal(err)
	}
	told, err := d.store.Receipts(ctx, "acme", []string{s.ID})
	must(t, err)
	var apps []string
	for _, receipt := range told[s.ID] {
		apps = append(apps, receipt.Client+" for "+receipt.Audience)
	}
	if !slices.Equal(apps, []string{"docs for " + docsAPI, "notes for " + notesAPI}) {
		t.Errorf("told of the end: %v", apps)
	}
	if d.introspect("notes", r.text("access_token")) != inactive {
		t.Error("the exchanged token outlives the session")
	}
	d.refused("after the end", "docs-back", d.byToken(from), "invalid_request")
}

func TestExchangeOfAnAccessTokenIsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s := d.open("login")
	good := d.tokens("docs", s)
	access := good.text("access_token")
	for what, change := range map[string][]string{
		"no audience":             {"audience", "\x00", "invalid_target"},
		"its own audience":        {"audience", docsAPI, "invalid_target"},
		"an audience nobody has":  {"audience", "https://evil.example", "invalid_target"},
		"the management API":      {"audience", issuer + "/api", "invalid_target"},
		"a second, other target":  {"resource", consoleAPI, "invalid_target"},
		"the id of a client":      {"audience", "notes", "invalid_target"},
		"more than the token has": {"scope", "settings.write", "invalid_scope"},
		"never lent":              {"scope", "billing.read", "invalid_scope"},
		"OpenID's own":            {"scope", "openid email", "invalid_scope"},
		"with an actor":           {"actor_token", "a.b.c", "invalid_request"},
		"typed as an ID token":    {"subject_token_type", typeID, "invalid_request"},
		"a refresh token wanted":  {"requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token", "invalid_request"},
	} {
		d.refused(what, "docs-back", d.byToken(access, change[0], change[1]), change[2])
	}
	for what, token := range d.wrongTokens(t, good, d.code("docs", s)) {
		d.refused(what, "docs-back", d.byToken(token), "invalid_request")
	}
	// A client that the token was not handed to, even the one it was issued to by a grant it has.
	d.refused("another app's token", "console", d.byToken(access), "invalid_request")
	d.refused("a client without the grant", "docs", d.byToken(access), "unauthorized_client")
	// An exchanged token goes no further than its own audience's clients.
	exchanged := d.granted("docs-back", d.byToken(access)).text("access_token")
	d.refused("exchanged on by somebody else", "docs-back", d.byToken(exchanged, "audience", consoleAPI), "invalid_request")
	// What the app of the old token may have no more is not handed on either.
	was := d.p.Clients["docs"].Scopes
	d.p.Clients["docs"].Scopes = scopes.Patterns{"documents.write"}
	d.refused("taken from the app that it was issued to", "docs-back", d.byToken(access), "invalid_scope")
	d.p.Clients["docs"].Scopes = was
	d.pass(6 * time.Minute)
	d.refused("expired", "docs-back", d.byToken(access), "invalid_request")
	if !d.alive(s.ID) {
		t.Error("a refused exchange ended the session")
	}
}
