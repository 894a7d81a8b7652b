package provider_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/provider"
)

// askFor is docs asking for claims with prompt=none, in this session.
func (w *world) askFor(s credentials.Session, claims string, pairs ...string) url.Values {
	w.session = &s
	defer func() { w.session = nil }()
	return w.answered(w.get("/authorize", w.request("docs", append(pairs, "claims", claims)...)))
}

// standard are the standard claims in a token or reply.
func (w *world) standard(raw string) (out []string) {
	for name := range w.membersOf(raw) {
		if slices.Contains([]string{"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "email", "email_verified",
			"gender", "birthdate", "zoneinfo", "locale", "phone_number", "phone_number_verified", "address", "updated_at"}, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// TestOnlyWhatIsTrulyKnownIsTold, for each kind of subject and credential: no
// claim is invented, and none is of the agent but the name, where the app may
// know it.
func TestOnlyWhatIsTrulyKnownIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *provider.Provider) {
		nameless := *p.Clients["docs"]
		nameless.ID, nameless.Claims = "nameless", []string{"email"}
		p.Clients["nameless"] = &nameless
	})
	login, pin, holder := w.open("login"), w.open("pin"), w.redeem(w.mint("holder"), credentials.Agent{})
	for name, tc := range map[string]struct {
		client  string
		session credentials.Session
		scope   string
		want    []string
	}{
		"everything asked":             {"docs", login, "profile email phone address", []string{"email", "email_verified", "name"}},
		"only the profile":             {"docs", login, "profile", []string{"name"}},
		"only the email":               {"docs", login, "email", []string{"email", "email_verified"}},
		"phone and address":            {"docs", login, "phone address", nil},
		"nothing asked":                {"docs", login, "", nil},
		"a PIN has no email":           {"docs", pin, "profile email", []string{"name"}},
		"a holder has no name":         {"docs", holder, "profile email", []string{"email", "email_verified"}},
		"an app that may not know":     {"nameless", login, "profile email", []string{"email", "email_verified"}},
		"an account has only its name": {"spa", login, "profile email phone address", []string{"name"}},
		"an owner has nothing":         {"notes", login, "profile email phone address", nil},
	} {
		got := w.tokens(tc.client, tc.session, "scope", "openid "+tc.scope)
		info := w.userinfo(got.text("access_token"))
		if have := w.standard(info.Body.String()); !slices.Equal(have, tc.want) {
			t.Errorf("%s: userinfo has %v, want %v", name, have, tc.want)
		}
		if have := w.standard(got.text("id_token")); len(have) != 0 {
			t.Errorf("%s: the ID token has %v without being asked", name, have)
		}
		want := map[string]string{"docs": "Sam Rivera", "spa": tc.session.Account.Name}[tc.client]
		if slices.Contains(tc.want, "name") && (want == "" || info.text("name") != want) {
			t.Errorf("%s: the name is %q, want %q", name, info.text("name"), want)
		}
		if slices.Contains(tc.want, "email") && (info.text("email") != tc.session.Email || info.body["email_verified"] != false) {
			t.Errorf("%s: %s", name, info.Body)
		}
		if strings.Contains(strings.Replace(info.Body.String(), `"act":{"sub":"sam","iss":"https://sso.example","email":"sam@corp.example"}`, "", 1), "corp.example") && tc.client != "notes" {
			t.Errorf("%s: the agent's own email is told: %s", name, info.Body)
		}
	}
}

// TestClaimsAreHonouredWhereTheyAreAskedFor (OpenID Connect Core 1.0 section
// 5.5): in userinfo, for as long as the grant is refreshed, or in the ID token.
func TestClaimsAreHonouredWhereTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	for claims, want := range map[string]struct{ info, id []string }{
		`{"userinfo":{"name":{"essential":true}}}`:                                  {info: []string{"name"}},
		`{"userinfo":{"name":null}}`:                                                {info: []string{"name"}},
		`{"id_token":{"name":null}}`:                                                {id: []string{"name"}},
		`{"id_token":{"email":{"value":"x@y.example"},"phone_number":null}}`:        {id: []string{"email"}},
		`{"id_token":{"email_verified":{"essential":true}}}`:                        {id: []string{"email_verified"}},
		`{"userinfo":{"email":null},"id_token":{"name":null,"auth_time":null}}`:     {info: []string{"email", "email_verified"}, id: []string{"name"}},
		`{"userinfo":{"picture":{"essential":true},"https://x.example/claim":{}}}`:  {},
		`{"userinfo":null,"id_token":null,"elsewhere":{"name":null},"verified":17}`: {},
		`{"USERINFO":{"name":null},"userinfo":{"Name":null}}`:                       {},
		`{}`: {},
	} {
		got := w.tokens("docs", s, "scope", "openid", "claims", claims)
		for range 2 {
			if have := w.standard(w.userinfo(got.text("access_token")).Body.String()); !slices.Equal(have, want.info) {
				t.Errorf("%s: userinfo has %v, want %v", claims, have, want.info)
			}
			if raw := got.text("id_token"); raw != "" && !slices.Equal(w.standard(raw), want.id) {
				t.Errorf("%s: the ID token has %v, want %v", claims, w.standard(raw), want.id)
			}
			got = w.post("/token", "docs", form("grant_type", "refresh_token", "refresh_token", got.text("refresh_token")))
		}
	}
	if q := w.askFor(s, `{"userinfo":{"name":null}}`, "scope", "documents.read"); q.Get("code") == "" {
		t.Errorf("without openid: %v", q)
	}
}

// TestMalformedClaimsAreRefused; what is only not understood is not.
func TestMalformedClaimsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	for _, claims := range []string{
		"x", "{", "[]", "null", "1", `"userinfo"`, `{"userinfo":1}`, `{"userinfo":[]}`, `{"userinfo":"name"}`, `{"userinfo":{"name":true}}`, `{"id_token":{"name":[]}}`, `{"id_token":{"x":"y"}}`,
		`{}{}`, `{"userinfo":{"name":null}`, "{\"userinfo\":{\"name\":null}}\x00", `{"id_token":{"sub":{"value":7}}}`, `{"id_token":{"acr":{"essential":"yes","value":"x"}}}`, `{"id_token":{"acr":{"essential":true,"values":"x"}}}`,
		strings.Repeat(`{"a":`, 10) + "1" + strings.Repeat("}", 9), `{"a":"` + strings.Repeat("x", 2048) + `"}`,
	} {
		if q := w.askFor(s, claims); q.Get("error") != "invalid_request" || q.Get("code") != "" {
			t.Errorf("%.60s: %v", claims, q)
		}
	}
}

// TestASubjectThatIsAskedForIsTheOneOrNobody (section 5.5.1), also beside a hint.
func TestASubjectThatIsAskedForIsTheOneOrNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := w.open("login"), w.open("login")
	mine := w.membersOf(w.tokens("docs", s).text("id_token"))["sub"].(string)
	hint, others := w.tokens("docs", s).text("id_token"), w.tokens("docs", other).text("id_token")
	for name, tc := range map[string]struct{ claims, hint, want string }{
		"the one":                    {claims: `{"id_token":{"sub":{"value":"` + mine + `"}}}`},
		"one of several":             {claims: `{"id_token":{"sub":{"values":["guest:x","` + mine + `"]}}}`},
		"by userinfo":                {claims: `{"userinfo":{"sub":{"value":"` + mine + `"}}}`},
		"essential, of any value":    {claims: `{"id_token":{"sub":{"essential":true}}}`},
		"beside its hint":            {claims: `{"id_token":{"sub":{"value":"` + mine + `"}}}`, hint: hint},
		"another":                    {claims: `{"id_token":{"sub":{"value":"guest:x"}}}`, want: "login_required"},
		"another, by userinfo":       {claims: `{"userinfo":{"sub":{"value":"guest:x"}}}`, want: "login_required"},
		"two that differ":            {claims: `{"userinfo":{"sub":{"value":"` + mine + `"}},"id_token":{"sub":{"value":"guest:x"}}}`, want: "login_required"},
		"beside the hint of another": {claims: `{"id_token":{"sub":{"value":"` + mine + `"}}}`, hint: others, want: "login_required"},
		"an empty one":               {claims: `{"id_token":{"sub":{"value":""}}}`, want: "login_required"},
	} {
		pairs := []string{"prompt", "none"}
		if tc.hint != "" {
			pairs = append(pairs, "id_token_hint", tc.hint)
		}
		if q := w.askFor(s, tc.claims, pairs...); q.Get("error") != tc.want || (q.Get("code") != "") != (tc.want == "") {
			t.Errorf("%s: %v", name, q)
		}
	}
}

// TestAnEssentialACRIsMetOrRefused (section 5.5.1.1); a voluntary one, and
// acr_values, are told what is.
func TestAnEssentialACRIsMetOrRefused(t *testing.T) {
	t.Parallel()
	const byPIN, byPassword = "urn:valetkey:acr:agent+pin", "urn:valetkey:acr:agent+password"
	w := newWorld(t)
	login, pin := w.open("login"), w.open("pin")
	asks := func(essential bool, values ...string) string {
		text, err := json.Marshal(map[string]any{"id_token": map[string]any{"acr": map[string]any{"essential": essential, "values": values}}})
		must(t, err)
		return string(text)
	}
	for name, tc := range map[string]struct {
		session credentials.Session
		claims  string
		met     bool
	}{
		"the session's":           {login, asks(true, byPassword), true},
		"one of two":              {pin, asks(true, "urn:x", byPIN), true},
		"another of ours":         {pin, asks(true, byPassword), false},
		"none of ours":            {pin, asks(true, "urn:mace:incommon:iap:silver"), false},
		"of any value":            {pin, `{"id_token":{"acr":{"essential":true}}}`, true},
		"voluntary":               {pin, asks(false, byPassword), true},
		"two places, one of them": {pin, `{"userinfo":{"acr":{"essential":true,"value":"` + byPIN + `"}},"id_token":{"acr":{"essential":true,"value":"` + byPassword + `"}}}`, false},
	} {
		q := w.askFor(tc.session, tc.claims)
		if met := q.Get("code") != ""; met != tc.met || !met && q.Get("error") != "unmet_authentication_requirements" {
			t.Errorf("%s: %v", name, q)
		}
	}
	got := w.tokens("docs", pin, "acr_values", "urn:x "+byPassword)
	if acr := w.membersOf(got.text("id_token"))["acr"]; acr != byPIN {
		t.Errorf("acr_values are answered with %v", acr)
	}
}

// FuzzClaims: whatever the parameter is, the app is told or the pages are asked.
func FuzzClaims(f *testing.F) {
	w := newWorld(f)
	for _, claims := range []string{`{"userinfo":{"name":{"essential":true}}}`, `{"id_token":{"sub":{"values":["a",null]}}}`, `{"id_token":{"acr":{"essential":true,"value":null}}}`, `{"id_token":null}`, "{", "[[["} {
		f.Add(claims)
	}
	f.Fuzz(func(t *testing.T, claims string) {
		r := w.get("/authorize", w.request("docs", "claims", claims))
		if _, q := r.location(); r.Code >= 400 || r.Code == 303 && q.Get("error") == "" {
			t.Fatalf("%d %v", r.Code, q)
		}
	})
}
