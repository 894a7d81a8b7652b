package provider_test

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/provider"
)

// TestACodeIsBoundToItsClientRedirectURIAndVerifier: a wrong presentation is
// invalid_grant and uses nothing up; the right one then works.
func TestACodeIsBoundToItsClientRedirectURIAndVerifier(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	code := w.code("docs", s)
	for name, tc := range map[string]struct {
		client string
		change func(url.Values)
	}{
		"another client":                  {"notes", nil},
		"a public client":                 {"spa", nil},
		"another registered URI":          {"docs", func(f url.Values) { f.Set("redirect_uri", callback+"?tenant=1") }},
		"the URI with a slash":            {"docs", func(f url.Values) { f.Set("redirect_uri", callback+"/") }},
		"the URI in other case":           {"docs", func(f url.Values) { f.Set("redirect_uri", strings.ToUpper(callback)) }},
		"no verifier":                     {"docs", func(f url.Values) { f.Del("code_verifier") }},
		"an empty verifier":               {"docs", func(f url.Values) { f.Set("code_verifier", "") }},
		"another verifier":                {"docs", func(f url.Values) { f.Set("code_verifier", verifier+"x") }},
		"the challenge as verifier":       {"docs", func(f url.Values) { f.Set("code_verifier", challenge(verifier)) }},
		"a verifier with a newline":       {"docs", func(f url.Values) { f.Set("code_verifier", verifier+"\n") }},
		"a code cut short":                {"docs", func(f url.Values) { f.Set("code", code[:len(code)-1]) }},
		"a code with something on":        {"docs", func(f url.Values) { f.Set("code", code+"A") }},
		"a code with a newline":           {"docs", func(f url.Values) { f.Set("code", code[:9]+"\n"+code[9:]) }},
		"a sealed request for a code":     {"docs", func(f url.Values) { f.Set("code", w.asked[0].Sealed) }},
		"something too long to be sealed": {"docs", func(f url.Values) { f.Set("code", strings.Repeat("A", 40<<10)) }},
	} {
		f := w.exchange("docs", code)
		if tc.change != nil {
			tc.change(f)
		}
		if r := w.post("/token", tc.client, f); r.Code != http.StatusBadRequest || r.text("error") != "invalid_grant" {
			t.Errorf("%s: %d %s, want invalid_grant", name, r.Code, r.Body)
		}
	}
	for _, missing := range []string{"redirect_uri", "code"} {
		f := w.exchange("docs", code)
		f.Del(missing)
		if r := w.post("/token", "docs", f); r.Code != http.StatusBadRequest || r.text("error") != "invalid_request" {
			t.Errorf("without %s: %d %s, want invalid_request", missing, r.Code, r.Body)
		}
	}
	if r := w.post("/token", "docs", w.exchange("docs", code)); r.Code != http.StatusOK {
		t.Errorf("after wrong presentations the code is used up: %d %s", r.Code, r.Body)
	}
}

// TestWithoutPKCE is for a client with a secret whose configuration lets it do
// without: what it sends nevertheless is held to, and a verifier for a code that
// had no challenge is refused. Nobody else may do without.
func TestWithoutPKCE(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *provider.Provider) { p.Clients["notes"].NoPKCE, p.Clients["spa"].NoPKCE = true, true })
	s := w.open("login")
	without := []string{"code_challenge", "\x00", "code_challenge_method", "\x00"}
	f := w.exchange("notes", w.code("notes", s, without...))
	if r := w.post("/token", "notes", f); r.text("error") != "invalid_grant" {
		t.Errorf("a verifier without challenge: %d %s", r.Code, r.Body)
	}
	f.Del("code_verifier")
	if r := w.post("/token", "notes", f); r.Code != http.StatusOK {
		t.Errorf("neither: %d %s", r.Code, r.Body)
	}
	f = w.exchange("notes", w.code("notes", s))
	f.Del("code_verifier")
	if r := w.post("/token", "notes", f); r.text("error") != "invalid_grant" {
		t.Errorf("a challenge without verifier: %d %s", r.Code, r.Body)
	}
	w.session = &s
	for client, pairs := range map[string][]string{
		"spa": without, "docs": without, "notes": {"code_challenge", "\x00"},
	} {
		if _, q := w.get("/authorize", w.request(client, pairs...)).location(); q.Get("error") != "invalid_request" {
			t.Errorf("%s with %q: %v", client, pairs, q)
		}
	}
	if _, q := w.get("/authorize", w.request("notes", "code_challenge_method", "plain")).location(); q.Get("error") != "invalid_request" {
		t.Errorf("plain: %v", q)
	}
}

// TestAShortVerifierIsRefused even when its hash is the challenge (RFC 7636
// section 4.1: 43 characters at least).
func TestAShortVerifierIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	for _, v := range []string{strings.Repeat("a", 42), strings.Repeat("a", 129), strings.Repeat("a", 42) + "!", strings.Repeat("a", 42) + "é"} {
		f := w.exchange("docs", w.code("docs", s, "code_challenge", challenge(v)))
		f.Set("code_verifier", v)
		if r := w.post("/token", "docs", f); r.text("error") != "invalid_grant" {
			t.Errorf("a verifier of %d bytes: %d %s", len(v), r.Code, r.Body)
		}
	}
	for _, v := range []string{strings.Repeat("a", 43), strings.Repeat("~", 128)} {
		f := w.exchange("docs", w.code("docs", s, "code_challenge", challenge(v)))
		f.Set("code_verifier", v)
		if r := w.post("/token", "docs", f); r.Code != http.StatusOK {
			t.Errorf("a verifier of %d bytes: %d %s", len(v), r.Code, r.Body)
		}
	}
}

func TestACodeLivesAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	young, old := w.code("docs", s), w.code("docs", s)
	w.pass(55 * time.Second)
	if r := w.post("/token", "docs", w.exchange("docs", young)); r.Code != http.StatusOK {
		t.Errorf("after 55 s: %d %s", r.Code, r.Body)
	}
	w.pass(6 * time.Second)
	if r := w.post("/token", "docs", w.exchange("docs", old)); r.text("error") != "invalid_grant" {
		t.Errorf("after 61 s: %d %s", r.Code, r.Body)
	}
	if !w.alive(s.ID) {
		t.Error("a code that is too old ended the session")
	}
	w.pass(time.Minute)
	ahead := w.code("docs", s)
	w.pass(-time.Minute)
	if r := w.post("/token", "docs", w.exchange("docs", ahead)); r.text("error") != "invalid_grant" {
		t.Errorf("a code from a minute ahead: %d %s", r.Code, r.Body)
	}
}

// TestASecondUseOfACodeEndsTheSession and takes back what the first one gave.
func TestASecondUseOfACodeEndsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	code := w.code("docs", s)
	first := w.post("/token", "docs", w.exchange("docs", code))
	if r := w.post("/token", "docs", w.exchange("docs", code)); r.Code != http.StatusBadRequest || r.text("error") != "invalid_grant" {
		t.Errorf("second use: %d %s", r.Code, r.Body)
	}
	w.allDead(first, s.ID)
}

// allDead checks that nothing of a token response works any more (I2).
func (w *world) allDead(r reply, sid string) {
	w.Helper()
	if w.alive(sid) {
		w.Error("the session lives")
	}
	if got := w.userinfo(r.text("access_token")); got.Code != http.StatusUnauthorized {
		w.Errorf("userinfo: %d %s, want 401", got.Code, got.Body)
	}
	for _, token := range []string{r.text("access_token"), r.text("refresh_token")} {
		if got := w.introspect("docs", token); got != inactive {
			w.Errorf("introspection: %s, want %s", got, inactive)
		}
	}
	f := form("grant_type", "refresh_token", "refresh_token", r.text("refresh_token"))
	if got := w.post("/token", "docs", f); got.Code != http.StatusBadRequest || got.text("error") != "invalid_grant" {
		w.Errorf("refresh: %d %s, want invalid_grant", got.Code, got.Body)
	}
}

func TestOfFiftyParallelUsesOfACodeAtMostOneGetsTokensAndNoneStayAlive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	f := w.exchange("docs", w.code("docs", s)).Encode()
	var won, other atomic.Int64
	var winner atomic.Pointer[reply]
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			values, _ := url.ParseQuery(f)
			switch r := w.post("/token", "docs", values); {
			case r.Code == http.StatusOK:
				won.Add(1)
				winner.Store(&r)
			case r.Code != http.StatusBadRequest || r.text("error") != "invalid_grant":
				other.Add(1)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 || other.Load() != 0 {
		t.Fatalf("%d got tokens, %d got neither tokens nor invalid_grant", won.Load(), other.Load())
	}
	w.allDead(*winner.Load(), s.ID)
}

// TestNothingIsIssuedAfterTheEnd: whatever ended the session, a code made
// before it is worth nothing (I2).
func TestNothingIsIssuedAfterTheEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world, string){
		"idle":     func(w *world, _ string) { w.pass(61 * time.Minute) },
		"revoked":  func(w *world, cred string) { must(w, w.minter.Revoke(t.Context(), "acme", cred, mark)) },
		"all gone": func(w *world, _ string) { must(w, w.minter.Revoke(t.Context(), "acme", "", mark)) },
		"suspended": func(w *world, _ string) {
			agent := sam(w.now())
			must(w, w.store.Suspend(t.Context(), agent.Key(), true, mark))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(p *provider.Provider) { p.Code = 10 * time.Hour })
			s := w.open("login")
			code, have := w.code("docs", s), w.tokens("docs", s)
			end(w, s.Credential)
			if r := w.post("/token", "docs", w.exchange("docs", code)); r.text("error") != "invalid_grant" {
				t.Errorf("code: %d %s", r.Code, r.Body)
			}
			w.allDead(have, s.ID)
		})
	}
}

// TestOnlyAccessTokensSayWhereTheirStatusIs: with the session's place, and
// nothing where it has none.
func TestOnlyAccessTokensSayWhereTheirStatusIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	got := w.tokens("docs", s)
	access := w.claims(got.text("access_token"), keys.ForAccess, keys.TypAccess)
	want := map[string]any{"status_list": map[string]any{"idx": float64(s.StatusIndex), "uri": issuer + "/status/1"}}
	if s.StatusIndex == 0 || !reflect.DeepEqual(access["status"], want) {
		t.Errorf("status is %v, want %v", access["status"], want)
	}
	if id := w.claims(got.text("id_token"), keys.ForID, keys.TypID); id["status"] != nil {
		t.Errorf("the ID token has one: %v", id["status"])
	}
	for index, want := range map[int64]string{1: "1 /status/1", 1<<20 + 5: "5 /status/2", 8<<20 - 1: "1048575 /status/8"} {
		list, place := credentials.StatusList(index)
		if got := fmt.Sprint(place, " ", credentials.StatusURI("", list)); got != want {
			t.Errorf("%d is %s, want %s", index, got, want)
		}
	}
}

// TestTheSubOfASessionElsewhere is the one that every app of the audience sees, or
// none.
func TestTheSubOfASessionElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	mine := w.claims(w.tokens("docs", s).text("access_token"), keys.ForAccess, keys.TypAccess)["sub"]
	notes := w.p.Clients["notes"].Audience
	erased := s
	erased.OwnerSub = ""
	for what, c := range map[string]struct{ got, want any }{
		"beside a client of the API": {w.p.SubjectAt(s, docsAPI), mine},
		"an owner":                   {w.p.SubjectAt(s, notes), "owner:olivia"},
		"an owner who was erased":    {w.p.SubjectAt(erased, notes), ""},
		"nobody's audience":          {w.p.SubjectAt(s, "https://nobody.example"), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		}
	}
	other := *w.p.Clients["notes"]
	other.ID, other.Audience = "other", docsAPI
	w.p.Clients["other"] = &other
	if got := w.p.SubjectAt(s, docsAPI); got != "" {
		t.Errorf("where two apps see different ones it is %s", got)
	}
}
