package connectors

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/valetkey/valetkey/credentials"
)

// TestAllow: every rule must be met, by the literal name of its claim.
func TestAllow(t *testing.T) {
	t.Parallel()
	groups := credentials.ClaimRule{Claim: "groups", Values: []string{"support", "7", "true"}}
	role := credentials.ClaimRule{Claim: "https://x.example/a.role", Values: []string{"lead"}}
	for _, c := range []struct {
		name  string
		says  map[string]any
		rules []credentials.ClaimRule
		kept  string // empty: not allowed
	}{
		{"a text", map[string]any{"groups": "support"}, []credentials.ClaimRule{groups}, "map[groups:[support]]"},
		{"a number", map[string]any{"groups": 7}, []credentials.ClaimRule{groups}, "map[groups:[7]]"},
		{"a truth value", map[string]any{"groups": true}, []credentials.ClaimRule{groups}, "map[groups:[true]]"},
		{"a list", map[string]any{"groups": []any{"night", true, "support", 7, "support"}}, []credentials.ClaimRule{groups},
			"map[groups:[true support 7]]"},
		{"both", map[string]any{"groups": "support", "https://x.example/a.role": "lead"}, []credentials.ClaimRule{groups, role},
			"map[groups:[support] https://x.example/a.role:[lead]]"},
		{"one of both", map[string]any{"groups": "support"}, []credentials.ClaimRule{groups, role}, ""},
		{"none", map[string]any{"groups": nil}, []credentials.ClaimRule{groups}, ""},
		{"another value", map[string]any{"groups": "Support"}, []credentials.ClaimRule{groups}, ""},
		{"a part", map[string]any{"groups": "support night"}, []credentials.ClaimRule{groups}, ""},
		{"an empty list", map[string]any{"groups": []string{}}, []credentials.ClaimRule{groups}, ""},
		{"a list in a list", map[string]any{"groups": []any{[]string{"support"}}}, []credentials.ClaimRule{groups}, ""},
		{"a list with something else", map[string]any{"groups": []any{"support", map[string]any{}}}, []credentials.ClaimRule{groups}, ""},
		{"a mapping", map[string]any{"groups": map[string]any{"support": true}}, []credentials.ClaimRule{groups}, ""},
		{"a path", map[string]any{"groups": "support", "https://x": map[string]any{"example/a": map[string]any{"role": "lead"}}},
			[]credentials.ClaimRule{groups, role}, ""},
		{"a rule of no value", map[string]any{}, []credentials.ClaimRule{{Claim: "groups"}}, ""},
	} {
		h := newHostile(t)
		h.changes = c.says
		o := h.connector()
		o.Allow = c.rules
		got, err := h.signIn(t, o, Ask{})
		switch {
		case c.kept == "" && !errors.Is(err, ErrNotAllowed):
			t.Errorf("%s: %+v, %v; want ErrNotAllowed", c.name, got, err)
		case c.kept != "" && (err != nil || fmt.Sprint(got.Claims) != c.kept || !o.Still(got)):
			t.Errorf("%s: %v, %v; want %s", c.name, got.Claims, err, c.kept)
		}
	}
}

// TestAccount: an owner owns exactly one account, and only what its claims say
// names it.
func TestAccount(t *testing.T) {
	t.Parallel()
	all := AccountClaims{ID: "https://x.example/account.id", Name: "account_name", Handle: "number"}
	full := map[string]any{"https://x.example/account.id": "acme", "account_name": "Acme Ltd", "number": 4711}
	with := func(name string, value any) map[string]any {
		out := map[string]any{}
		for k, v := range full {
			out[k] = v
		}
		out[name] = value
		return out
	}
	for _, c := range []struct {
		name  string
		named AccountClaims
		says  map[string]any
		want  credentials.Account // zero: none
	}{
		{"all", all, full, credentials.Account{ID: "acme", Connector: "corp", Name: "Acme Ltd", Handle: "4711"}},
		{"what is not seen", all, with("number", "\u202e4711\u202c"), credentials.Account{ID: "acme", Connector: "corp", Name: "Acme Ltd", Handle: "4711"}},
		{"the id alone", AccountClaims{ID: all.ID}, full, credentials.Account{ID: "acme", Connector: "corp", Name: "acme", Handle: "acme"}},
		{"a list of one", all, with(all.ID, []string{"acme"}), credentials.Account{ID: "acme", Connector: "corp", Name: "Acme Ltd", Handle: "4711"}},
		{"a long number", AccountClaims{ID: all.ID}, with(all.ID, 9007199254740993),
			credentials.Account{ID: "9007199254740993", Connector: "corp", Name: "9007199254740993", Handle: "9007199254740993"}},
		{"200 characters", AccountClaims{ID: all.ID}, with(all.ID, strings.Repeat("é", 200)), credentials.Account{ID: strings.Repeat("é", 200),
			Connector: "corp", Name: strings.Repeat("é", 200), Handle: strings.Repeat("é", 200)}},
		{"201 characters", AccountClaims{ID: all.ID}, with(all.ID, strings.Repeat("é", 201)), credentials.Account{}},
		{"two", all, with(all.ID, []string{"acme", "globex"}), credentials.Account{}},
		{"the same twice", all, with(all.ID, []string{"acme", "acme"}), credentials.Account{}},
		{"an empty list", all, with(all.ID, []string{}), credentials.Account{}},
		{"an empty text", all, with(all.ID, ""), credentials.Account{}},
		{"a space", all, with(all.ID, " "), credentials.Account{}},
		{"two lines", all, with(all.ID, "ac\nme"), credentials.Account{}},
		{"a zero byte", all, with(all.ID, "ac\x00me"), credentials.Account{}},
		{"a mapping", all, with(all.ID, map[string]any{"id": "acme"}), credentials.Account{}},
		{"something beside it", all, with(all.ID, []any{"acme", nil}), credentials.Account{}},
		{"no id", all, with(all.ID, nil), credentials.Account{}},
		{"no name", all, with("account_name", nil), credentials.Account{}},
		{"an empty name", all, with("account_name", ""), credentials.Account{}},
		{"no handle", all, with("number", nil), credentials.Account{}},
		{"two handles", all, with("number", []int{1, 2}), credentials.Account{}},
		{"an agent", AccountClaims{}, nil, credentials.Account{}},
	} {
		h := newHostile(t)
		h.changes = c.says
		o := h.connector()
		o.Account = c.named
		got, err := h.signIn(t, o, Ask{})
		if owner := c.named.ID != ""; errors.Is(err, ErrNoAccount) != (owner && c.want.ID == "") || got.Account != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got.Account, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), `"`) {
			t.Errorf("%s: %v does not say which claim", c.name, err)
		}
	}
}

// TestNames: what people are shown is some text of one line, and never who
// somebody is.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		says        map[string]any
		name, email string
	}{
		{map[string]any{"name": "Dana R.", "preferred_username": "dana", "email": "d.r@x.example"}, "Dana R.", "d.r@x.example"},
		{map[string]any{"preferred_username": "dana", "email": "d.r@x.example"}, "dana", "d.r@x.example"},
		{map[string]any{"email": "d.r@x.example"}, "d.r", "d.r@x.example"},
		{nil, "4711", ""},
		{map[string]any{"name": "", "email": ""}, "4711", ""},
		{map[string]any{"name": []string{"Dana", "R."}}, "4711", ""},
		{map[string]any{"name": map[string]any{"de": "Dana"}}, "4711", ""},
		{map[string]any{"name": "  Dana\r\nR.\u202etsop\u0000 "}, "DanaR.tsop", ""},
		{map[string]any{"name": strings.Repeat("é", 300)}, strings.Repeat("é", 200), ""},
	} {
		h := newHostile(t)
		h.changes = c.says
		got, err := h.signIn(t, h.connector(), Ask{})
		if err != nil || got.Name != c.name || got.Email != c.email || got.Subject != "4711" {
			t.Errorf("%v: %q and %q, %v; want %q and %q", c.says, got.Name, got.Email, err, c.name, c.email)
		}
	}
}

// TestMethods keeps what is fit for a token of ours.
func TestMethods(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 20 {
		many = append(many, fmt.Sprint("m", i))
	}
	for _, c := range []struct {
		says any
		want string
	}{
		{[]string{"pwd", "mfa"}, "[pwd mfa]"},
		{"pwd", "[pwd]"},
		{[]string{"pwd", "", "o\ntp", strings.Repeat("x", maxMethod+1)}, "[pwd]"},
		{many, "[m0 m1 m2 m3 m4 m5 m6 m7 m8 m9]"},
		{map[string]any{"pwd": true}, "[]"},
		{nil, "[]"},
	} {
		h := newHostile(t)
		h.changes = map[string]any{"amr": c.says}
		if got, err := h.signIn(t, h.connector(), Ask{}); err != nil || fmt.Sprint(got.AMR) != c.want {
			t.Errorf("%v: %v, %v; want %s", c.says, got.AMR, err, c.want)
		}
	}
}

// TestProofIsSmall: it must fit into a cookie. Somebody in hundreds of groups
// may come in; what rules must see whole may not be that long.
func TestProofIsSmall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		groups int
		keep   []string
		ok     bool
	}{{500, nil, true}, {20, []string{"groups"}, true}, {500, []string{"groups"}, false}} {
		h := newHostile(t)
		h.changes = map[string]any{"groups": manyGroups(c.groups)}
		o := h.connector()
		o.Keep = c.keep
		got, err := h.signIn(t, o, Ask{})
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrUpstream) {
			t.Errorf("%d groups, keeping %v: %v", c.groups, c.keep, err)
		}
		if c.ok && c.keep != nil && len(got.Claims["groups"]) != c.groups+1 {
			t.Errorf("%d groups are kept of %d", len(got.Claims["groups"]), c.groups+1)
		}
	}
}

// TestStill: a proof from before is judged by what is configured now.
func TestStill(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	h.changes = map[string]any{"account_id": "acme", "groups": []string{"support", "night"}}
	owner := func() *OIDC {
		o := h.connector()
		o.Account.ID = "account_id"
		return o
	}
	o := owner()
	p, err := h.signIn(t, o, Ask{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*OIDC)
		still  bool
	}{
		"nothing":              {func(*OIDC) {}, true},
		"another client":       {func(o *OIDC) { o.ClientID = "another" }, true},
		"one more group":       {func(o *OIDC) { o.Allow[0].Values = append(o.Allow[0].Values, "sales") }, true},
		"another group":        {func(o *OIDC) { o.Allow[0].Values = []string{"sales"} }, false},
		"one more rule":        {func(o *OIDC) { o.Allow = append(o.Allow, credentials.ClaimRule{Claim: "role", Values: []string{"x"}}) }, false},
		"another issuer":       {func(o *OIDC) { o.Issuer += "/" }, false},
		"another connector":    {func(o *OIDC) { o.ID = "another" }, false},
		"agents now":           {func(o *OIDC) { o.Account = AccountClaims{} }, false},
		"a group not yet seen": {func(o *OIDC) { o.Allow[0].Values = []string{"night"} }, false},
	} {
		o := owner()
		c.change(o)
		if got := o.Still(p); got != c.still {
			t.Errorf("%s: they may come in %v, want %v", name, got, c.still)
		}
	}
	if o.Still(Proof{}) {
		t.Error("nobody may come in")
	}
	o.MaxAge = 7
	if diff := cmp.Diff(About{"corp", "Northwind SSO", 7}, o.About()); diff != "" {
		t.Error(diff)
	}
}
