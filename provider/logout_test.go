package provider_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/provider"
)

// leave asks to sign out by a GET, and returns what reached the pages.
func (w *world) leave(pairs ...string) (provider.Logout, reply) {
	w.Helper()
	before := len(w.leaving)
	r := w.get("/logout", form(pairs...))
	if len(w.leaving) != before+1 {
		w.Fatalf("%v does not reach the pages: %d %s", pairs, r.Code, r.Body)
	}
	return w.leaving[before], r
}

// TestAHintNamesTheSession, however old it is, and the app.
func TestAHintNamesTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	hint := w.tokens("docs", s).text("id_token")
	for _, later := range []time.Duration{0, 6 * time.Minute, 9 * time.Hour, 1000 * time.Hour} {
		w.pass(later)
		got, r := w.leave("id_token_hint", hint, "client_id", "docs", "post_logout_redirect_uri", bye, "state", "s 1",
			"ui_locales", "de", "logout_hint", "sam", "unknown", "x")
		to, q := r.location()
		if got.SID != s.ID || got.Client != "docs" || r.Code != http.StatusSeeOther || to != bye || !maps.EqualFunc(q, form("state", "s 1"), slices.Equal) {
			t.Errorf("after %v: %+v, %d to %s %v", later, got, r.Code, to, q)
		}
		w.pass(-later)
	}
	if got, _ := w.leave(); got.SID != "" || got.Client != "" || got.Astray || got.Refused != "" {
		t.Errorf("without parameters: %+v", got)
	}
}

// TestNothingElseIsAHint: no other token of ours or of anybody's says whose
// session it is, nor whose app; the request is then not believed to be one's.
func TestNothingElseIsAHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	good, code := w.tokens("docs", s), w.code("docs", s)
	list := w.wrongTokens(t, good, code)
	delete(list, "an ID token")
	list["an access token"] = good.text("access_token")
	payload := payloadOf(t, good.text("id_token"))
	mutate := func(from, to string) string {
		raw, err := w.p.Ring.Sign(keys.ForID, "ES256", keys.TypID, []byte(strings.Replace(payload, from, to, 1)))
		must(t, err)
		return raw
	}
	list["another issuer's ID token"] = mutate(issuer, "https://evil.example")
	list["an ID token for nobody we know"] = mutate(`"aud":"docs"`, `"aud":"gone"`)
	list["an ID token from the future"] = mutate(`"iat":`, `"iat":99999999999,"was":`)
	list["an ID token without a session"] = mutate(`"sid":`, `"was":`)
	list["an ID token typed as an access token"] = func() string {
		raw, err := w.p.Ring.Sign(keys.ForID, "ES256", keys.TypAccess, []byte(payload))
		must(t, err)
		return raw
	}()
	split := strings.Split(good.text("id_token"), ".")
	list["its claims with alg none"] = part(`{"alg":"none","typ":"JWT"}`) + "." + split[1] + "."
	for name, hint := range list {
		if len(hint) > 12<<10 {
			continue // refused for its size
		}
		got, r := w.leave("id_token_hint", hint, "client_id", "docs", "post_logout_redirect_uri", bye)
		if got.SID != "" || got.Client != "" || got.ReturnTo != "" || !got.Astray || r.Header().Get("Location") != "" {
			t.Errorf("%s is a hint: %+v, to %q", name, got, r.Header().Get("Location"))
		}
	}
}

// TestNoUnregisteredURIIsReturnedTo: two hundred that look like registered ones,
// with a good hint and without.
func TestNoUnregisteredURIIsReturnedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hint := w.tokens("docs", w.open("login")).text("id_token")
	list := map[string]bool{callback: true, "https://spa.example/cb": true}
	for _, uri := range append(variants(bye), variants(byeTenant)...) {
		list[uri] = true
	}
	for _, registered := range []string{bye, byeTenant, ""} {
		delete(list, registered)
	}
	if len(list) < 200 {
		t.Fatalf("only %d", len(list))
	}
	for uri := range list {
		for _, who := range []string{"id_token_hint", "client_id"} {
			value := map[string]string{"id_token_hint": hint, "client_id": "docs"}[who]
			got, r := w.leave(who, value, "post_logout_redirect_uri", uri, "state", "s")
			if !got.Astray || got.ReturnTo != "" || r.Header().Get("Location") != "" {
				t.Errorf("%q by %s: to %q, %+v", uri, who, r.Header().Get("Location"), got)
			}
		}
	}
	for _, pairs := range [][]string{{}, {"client_id", "gone"}, {"client_id", "spa"}, {"client_id", "DOCS"}, {"client_id", ""}} {
		if got, r := w.leave(append(pairs, "post_logout_redirect_uri", bye)...); !got.Astray || r.Header().Get("Location") != "" {
			t.Errorf("%v: to %q", pairs, r.Header().Get("Location"))
		}
	}
}

// TestTheStateComesBackAsItWas, and not at all where there was none.
func TestTheStateComesBackAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for want, pairs := range map[string][]string{
		bye:                             {"post_logout_redirect_uri", bye},
		bye + "?state=":                 {"post_logout_redirect_uri", bye, "state", ""},
		bye + "?state=a%26b%3D%C3%A9+c": {"post_logout_redirect_uri", bye, "state", "a&b=é c"},
		byeTenant:                       {"post_logout_redirect_uri", byeTenant},
		byeTenant + "&state=s":          {"post_logout_redirect_uri", byeTenant, "state", "s"},
		"":                              {"state", "s"},
	} {
		if _, r := w.leave(append(pairs, "client_id", "docs")...); r.Header().Get("Location") != want {
			t.Errorf("%v: %q, want %q", pairs, r.Header().Get("Location"), want)
		}
	}
}

// TestAPostBecomesAGet of the same request, of which the address tells nothing.
func TestAPostBecomesAGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	hint := w.tokens("docs", s).text("id_token")
	r := w.serve(plainPost("/logout", form("id_token_hint", hint, "post_logout_redirect_uri", bye, "state", "posted")))
	to := r.Header().Get("Location")
	if r.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/logout?r=") || strings.Contains(to, "posted") || r.Header().Get("Set-Cookie") != "" || len(w.leaving) != 0 {
		t.Fatalf("%d to %q, %d at the pages", r.Code, to, len(w.leaving))
	}
	follow := func(to string) (provider.Logout, reply) {
		got := w.serve(httptest.NewRequest(http.MethodGet, to, nil))
		return w.leaving[len(w.leaving)-1], got
	}
	if got, r := follow(to); got.SID != s.ID || got.Client != "docs" || r.Header().Get("Location") != bye+"?state=posted" {
		t.Errorf("%+v to %q", got, r.Header().Get("Location"))
	}
	for name, other := range map[string]string{
		"more beside it": to + "&post_logout_redirect_uri=" + url.QueryEscape(bye), "twice": to + "&" + strings.TrimPrefix(to, "/logout?"),
		"changed": to[:len(to)-2] + "xx", "an authorization request": "/logout?r=" + w.sealedRequest(), "nothing": "/logout?r=",
	} {
		if got, r := follow(other); got.Refused == "" || r.Header().Get("Location") != "" || got.SID != "" {
			t.Errorf("%s: %+v to %q", name, got, r.Header().Get("Location"))
		}
	}
	w.pass(11 * time.Minute)
	if got, _ := follow(to); got.Refused == "" {
		t.Error("after eleven minutes it is still good")
	}
	w.pass(-11 * time.Minute)
	w.p.Clients["docs"].AfterLogout = nil
	if got, r := follow(to); got.Refused == "" || r.Header().Get("Location") != "" {
		t.Error("the address was taken out of the configuration meanwhile")
	}
}

// sealedRequest is an authorization request on its way through the pages.
func (w *world) sealedRequest() string {
	w.get("/authorize", w.request("docs"))
	return w.asked[len(w.asked)-1].Sealed
}

// TestWhatCannotBeJudgedEndsNothing.
func TestWhatCannotBeJudgedEndsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hint := w.tokens("docs", w.open("login")).text("id_token")
	twice := form("id_token_hint", hint)
	twice.Add("id_token_hint", hint)
	for name, q := range map[string]url.Values{
		"another client_id than the hint's": form("id_token_hint", hint, "client_id", "spa", "post_logout_redirect_uri", bye),
		"an unknown one":                    form("id_token_hint", hint, "client_id", "gone"),
		"a hint twice":                      twice,
		"too long a state":                  form("id_token_hint", hint, "state", strings.Repeat("s", 3000)),
		"too much":                          form("id_token_hint", hint, "x", strings.Repeat("x", 20<<10)),
	} {
		for method, r := range map[string]reply{"GET": w.get("/logout", q), "POST": w.serve(plainPost("/logout", q))} {
			got := w.leaving[len(w.leaving)-1]
			if got.Refused == "" || got.SID != "" || r.Header().Get("Location") != "" {
				t.Errorf("%s of %s: %+v, to %q", method, name, got, r.Header().Get("Location"))
			}
		}
	}
	asked := len(w.leaving)
	for _, method := range []string{http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		if r := w.serve(httptest.NewRequest(method, "/logout?"+form("id_token_hint", hint).Encode(), nil)); r.Code != http.StatusMethodNotAllowed || len(w.leaving) != asked {
			t.Errorf("%s: %d", method, r.Code)
		}
	}
}

// TestASignOutStaysInItsBrowser, for ten minutes, and is nothing else.
func TestASignOutStaysInItsBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, _ := w.leave("client_id", "docs", "post_logout_redirect_uri", bye)
	a.Ends = []string{"sid"}
	sealed := w.p.SealLogout(a)
	if got, err := w.p.OpenLogout(sealed, "browser-1"); err != nil || !slices.Equal(got.Ends, a.Ends) || got.ReturnTo != bye {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := w.p.OpenRequest(sealed, "browser-1"); err == nil {
		t.Error("it is an authorization request")
	}
	if _, err := w.p.OpenLogout(w.sealedRequest(), "browser-1"); err == nil {
		t.Error("an authorization request is one")
	}
	for _, browser := range []string{"browser-2", ""} {
		if _, err := w.p.OpenLogout(sealed, browser); err == nil {
			t.Errorf("it opens in %q", browser)
		}
	}
	if r := w.serve(httptest.NewRequest(http.MethodGet, "/logout?r="+sealed, nil)); w.leaving[len(w.leaving)-1].Refused == "" {
		t.Errorf("a form of a browser is one that an app posted: %d", r.Code)
	}
	w.pass(11 * time.Minute)
	if _, err := w.p.OpenLogout(sealed, "browser-1"); err == nil {
		t.Error("it opens after eleven minutes")
	}
}

// logoutToken is one of the session that these tokens are of.
func (w *world) logoutToken(t testing.TB, of reply) string {
	t.Helper()
	sid, _ := w.claims(of.text("access_token"), keys.ForAccess, keys.TypAccess)["sid"].(string)
	s, err := w.store.Session(context.Background(), sid)
	must(t, err)
	raw, err := w.p.LogoutToken(context.Background(), s, "docs")
	must(t, err)
	return raw
}
