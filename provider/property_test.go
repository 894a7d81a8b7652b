package provider_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/scopes"
)

var mark = credentials.Mark{Who: "owner", ID: "olivia"}

// TestNoTokenHasMoreThanWasLentOrOutlivesItsSession is invariant I5 over random
// policies, lent scopes, requests, clients, subjects, agents and lifetimes, for
// tokens of a code and of a refresh.
func TestNoTokenHasMoreThanWasLentOrOutlivesItsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		c := w.drawClient(rt)
		s := w.drawSession(rt, runs)
		w.p.Access = time.Duration(rapid.Int64Range(1, 7200).Draw(rt, "access seconds")) * time.Second
		requested := append(slices.Clone(rapid.SliceOfN(rapid.SampledFrom(everyName), 0, 8).Draw(rt, "requested")), "profile")
		w.pass(time.Duration(rapid.Int64Range(0, int64(max(0, s.EndsAt.Sub(w.now())-time.Second))).Draw(rt, "later")))
		w.session = &s
		_, q := w.get("/authorize", w.request(c.ID, "scope", strings.Join(requested, " "))).location()
		got := w.post("/token", c.ID, w.exchange(c.ID, q.Get("code")))
		if got.Code != http.StatusOK {
			if w.now().Add(2 * time.Second).Before(s.EndsAt) {
				rt.Fatalf("no token: %v %d %s", q, got.Code, got.Body)
			}
			return
		}
		w.judge(rt, c, s, requested, got)
		w.judgeExchanged(rt, c, s, got)
		if refresh := got.text("refresh_token"); refresh != "" {
			next := w.post("/token", c.ID, form("grant_type", "refresh_token", "refresh_token", refresh))
			if next.Code == http.StatusOK {
				w.judge(rt, c, s, requested, next)
			}
		}
	})
}

var everyName = []string{
	"openid", "email", "offline_access", "documents.read", "documents.write", "documents.delete", "documents.export",
	"settings.write", "billing.read", "keys.write", "people.invite", "documents.*", "*", "nobody.knows", "Documents.read",
}

func (w *world) drawClient(rt *rapid.T) *provider.Client {
	c := &provider.Client{
		ID: "drawn", Name: "Drawn", Secret: "drawn-secret-0123456789", RedirectURIs: []string{"https://drawn.example/cb"}, IDTokenAlg: "ES256",
		Audience: rapid.SampledFrom([]string{"https://drawn.example/api", docsAPI, "drawn"}).Draw(rt, "audience"),
		Scopes:   scopes.Patterns(rapid.SliceOfN(rapid.SampledFrom([]string{"*", "documents.*", "*.read", "billing.*", "settings.write", ""}), 0, 3).Draw(rt, "client scopes")),
		Subject:  rapid.SampledFrom([]string{"guest", "account", "owner"}).Draw(rt, "subject"),
		Claims:   rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"name", "email"}), 0, 2, rapid.ID).Draw(rt, "claims"),
		Grants:   []string{"authorization_code"},
	}
	if rapid.Bool().Draw(rt, "refresh") {
		c.Grants = append(c.Grants, "refresh_token")
	}
	w.p.Clients["drawn"] = c
	return c
}

// drawSession mints and redeems for an account of its own.
func (w *world) drawSession(rt *rapid.T, n int) credentials.Session {
	ctx := context.Background()
	length := time.Duration(rapid.Int64Range(2, 7200).Draw(rt, "session seconds")) * time.Second
	policy := credentials.Policy{
		ID: "drawn", Kind: credentials.Password, EmailDomain: "support.example", Session: length, Idle: 3 * time.Hour,
		RedeemWithin: []time.Duration{time.Hour}, RedeemDefault: time.Hour, Holder: rapid.Bool().Draw(rt, "holder"),
		Scopes: rapid.SliceOfNDistinct(rapid.SampledFrom(everyName[3:]), 0, 6, rapid.ID).Draw(rt, "policy scopes"),
	}
	policy.Scopes = append(policy.Scopes, "documents.read")
	m, err := (&credentials.Minter{Store: w.store, Hasher: w.minter.Hasher, Catalogue: w.minter.Catalogue, Policies: []credentials.Policy{policy}}).Mint(ctx, credentials.MintRequest{
		Account: credentials.Account{ID: fmt.Sprintf("acct-%d", n), Connector: "customers", Name: "Acme", Handle: fmt.Sprintf("H-%d", n)}, Policy: "drawn",
		Scopes: lendable(w.minter.Catalogue, policy.Scopes), Owner: credentials.Owner{Issuer: "https://id.example", Subject: "olivia"}, By: mark,
	})
	must(rt, err)
	agent := sam(w.now())
	agent.Subject = rapid.SampledFrom([]string{"sam", "kim", "local:sam"}).Draw(rt, "agent")
	who := &agent
	if policy.Holder {
		who = nil
	}
	s, err := w.redeemer.Password(ctx, credentials.NewID(), who, m.Email, m.Secret, "why")
	must(rt, err)
	return s
}

func lendable(c *scopes.Catalogue, names []string) (out []string) {
	for _, name := range names {
		if c.Lendable(name) {
			out = append(out, name)
		}
	}
	return out
}

// judge checks one token response against what was lent.
func (w *world) judge(rt *rapid.T, c *provider.Client, s credentials.Session, requested []string, got reply) {
	access := w.claims(got.text("access_token"), keys.ForAccess, keys.TypAccess)
	all := []map[string]any{access}
	if id := got.text("id_token"); id != "" {
		all = append(all, w.claims(id, keys.ForID, keys.TypID))
		if all[1]["aud"] != c.ID {
			rt.Errorf("aud of the ID token is %v", all[1]["aud"])
		}
	}
	if access["aud"] != c.Audience || access["client_id"] != c.ID {
		rt.Errorf("aud %v client_id %v", access["aud"], access["client_id"])
	}
	for _, name := range strings.Fields(access["scope"].(string)) {
		lent := slices.Contains(s.Scopes, name) && w.p.Catalogue.Lendable(name) && c.Scopes.Match(name)
		if !slices.Contains(requested, name) || !scopes.Standard(name) && !lent {
			rt.Errorf("scope %q was not lent, requested or the client's", name)
		}
		if name == "offline_access" && len(c.Grants) == 1 {
			rt.Errorf("offline_access without refresh tokens")
		}
	}
	for _, claims := range all {
		if exp := int64(claims["exp"].(float64)); exp > s.EndsAt.Unix() || exp > w.now().Add(w.p.Access).Unix() || exp <= int64(claims["iat"].(float64)) {
			rt.Errorf("exp %d, session's end %d, iat %v", exp, s.EndsAt.Unix(), claims["iat"])
		}
		if claims["sid"] != s.ID || claims["iss"] != issuer {
			rt.Errorf("sid %v iss %v", claims["sid"], claims["iss"])
		}
		w.judgePeople(rt, c, s, claims)
	}
	if n := got.body["expires_in"].(float64); n < 1 || n > w.p.Access.Seconds() {
		rt.Errorf("expires_in is %v", n)
	}
}

// judgeExchanged exchanges an access token for one of the notes app and checks
// that against the first.
func (w *world) judgeExchanged(rt *rapid.T, c *provider.Client, s credentials.Session, got reply) {
	w.p.Clients["drawn-back"] = &provider.Client{ID: "drawn-back", Secret: "drawn-secret-0123456789", Audience: c.Audience, Grants: []string{grantExchange}}
	defer delete(w.p.Clients, "drawn-back")
	app := w.p.Clients["notes"]
	r := w.post("/token", "drawn-back", form("grant_type", grantExchange, "subject_token_type", typeAccess, "subject_token", got.text("access_token"),
		"audience", app.Audience))
	if r.Code != http.StatusOK {
		return
	}
	was, is := w.claims(got.text("access_token"), keys.ForAccess, keys.TypAccess), w.claims(r.text("access_token"), keys.ForAccess, keys.TypAccess)
	for _, name := range strings.Fields(is["scope"].(string)) {
		if !slices.Contains(strings.Fields(was["scope"].(string)), name) || !slices.Contains(s.Scopes, name) || !w.p.Catalogue.Lendable(name) || !app.Scopes.Match(name) {
			rt.Errorf("scope %q was added by an exchange", name)
		}
	}
	if is["sid"] != was["sid"] || is["aud"] != app.Audience || is["exp"].(float64) > was["exp"].(float64) {
		rt.Errorf("%v became %v", was, is)
	}
	w.judgePeople(rt, app, s, is)
}

// judgePeople checks who the token says it is about.
func (w *world) judgePeople(rt *rapid.T, c *provider.Client, s credentials.Session, claims map[string]any) {
	sub, _ := claims["sub"].(string)
	want := map[string]string{"account": "account:" + s.Account.ID, "owner": "owner:olivia"}[c.Subject]
	if want != "" && sub != want || want == "" && (!strings.HasPrefix(sub, "guest:") || len(sub) != len("guest:")+22) {
		rt.Errorf("sub %q for %s", sub, c.Subject)
	}
	act, _ := claims["act"].(map[string]any)
	if (act == nil) != (s.Agent == nil) {
		rt.Fatalf("act is %v for agent %v", act, s.Agent)
	}
	if act == nil {
		return
	}
	if act["sub"] != s.Agent.Subject || act["iss"] != s.Agent.Issuer {
		rt.Errorf("act is %v", act)
	}
	for name, value := range map[string]string{"name": s.Agent.Name, "email": s.Agent.Email} {
		if has := act[name] == value; has != slices.Contains(c.Claims, name) {
			rt.Errorf("act has %s: %v, claims of the client %v", name, has, c.Claims)
		}
	}
}

// TestAGuestIsTheSameAtEveryAppAndAnotherForEachCredentialAndAgent.
func TestAGuestIsTheSameAtEveryAppAndAnotherForEachCredentialAndAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *provider.Provider) { p.Clients["notes"].Subject = "guest" })
	sub := func(client string, s credentials.Session) string {
		return w.claims(w.tokens(client, s).text("access_token"), keys.ForAccess, keys.TypAccess)["sub"].(string)
	}
	minted, kim := w.mint("login"), sam(w.now())
	kim.Subject = "kim"
	first := w.redeem(minted, sam(w.now()))
	guest := sub("docs", first)
	if again := sub("docs", w.redeem(minted, sam(w.now()))); again != guest {
		t.Errorf("another sign-in is %q, the first %q", again, guest)
	}
	if other := sub("notes", first); other != guest {
		t.Errorf("another app sees %q, the first %q", other, guest)
	}
	if next := sub("docs", w.open("login")); next == guest {
		t.Error("another credential has the same guest")
	}
	if next := sub("docs", w.redeem(minted, kim)); next == guest {
		t.Error("another agent is the same guest")
	}
}
