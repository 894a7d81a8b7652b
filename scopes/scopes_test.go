package scopes

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func catalogue(t testing.TB) *Catalogue {
	t.Helper()
	c, err := NewCatalogue([]Scope{
		{"documents.read", "View documents", View},
		{"documents.write", "Edit documents", Change},
		{"documents.delete", "Delete documents", Delete},
		{"documents.export", "Export documents", View},
		{"billing.read", "See invoices", Billing},
		{"keys.write", "Change keys", Credentials},
		{"people.invite", "Invite people", Access},
	}, []string{"*.export"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestKindsNeverLent(t *testing.T) {
	t.Parallel()
	for kind, want := range map[Kind]bool{
		View: true, Change: true,
		Billing: false, Delete: false, Credentials: false, Access: false, "": false, "vieW": false, "admin": false,
	} {
		if got := kind.Lendable(); got != want {
			t.Errorf("Kind(%q).Lendable() = %v, want %v", kind, got, want)
		}
	}
}

func TestLend(t *testing.T) {
	t.Parallel()
	policy := []string{"documents.read", "documents.write", "documents.delete", "documents.export", "billing.read"}
	cases := map[string]struct {
		wanted  []string
		person  Patterns
		limited bool
		lent    []string
		refused map[string]Refusal
	}{
		"none named: the viewing ones":       {lent: []string{"documents.read"}},
		"none named, person may nothing":     {limited: true},
		"named":                              {wanted: []string{"documents.write"}, lent: []string{"documents.write"}},
		"named twice":                        {wanted: []string{"documents.write", "documents.write"}, lent: []string{"documents.write"}},
		"never lent though the policy names": {wanted: []string{"documents.read", "billing.read"}, refused: map[string]Refusal{"billing.read": NeverLent}},
		"never pattern":                      {wanted: []string{"documents.export"}, refused: map[string]Refusal{"documents.export": NeverLent}},
		"unknown":                            {wanted: []string{"openid"}, refused: map[string]Refusal{"openid": Unknown}},
		"outside the policy is never first":  {wanted: []string{"keys.write"}, refused: map[string]Refusal{"keys.write": NeverLent}},
		"beyond the person":                  {wanted: []string{"documents.write"}, person: Patterns{"*.read"}, limited: true, refused: map[string]Refusal{"documents.write": NotAllowed}},
		"within the person":                  {wanted: []string{"documents.read"}, person: Patterns{"*.read"}, limited: true, lent: []string{"documents.read"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lent, refused := catalogue(t).Lend(tc.wanted, policy, tc.person, tc.limited)
			if !slices.Equal(lent, tc.lent) {
				t.Errorf("lent %v, want %v", lent, tc.lent)
			}
			if len(refused) != len(tc.refused) {
				t.Fatalf("refused %v, want %v", refused, tc.refused)
			}
			for s, why := range tc.refused {
				if refused[s] != why {
					t.Errorf("refused[%s] = %q, want %q", s, refused[s], why)
				}
			}
		})
	}
}

func TestLendOutsidePolicy(t *testing.T) {
	t.Parallel()
	_, refused := catalogue(t).Lend([]string{"documents.write"}, []string{"documents.read"}, nil, false)
	if refused["documents.write"] != NotPolicy {
		t.Errorf("refused = %v, want documents.write %q", refused, NotPolicy)
	}
}

// TestNarrowProperty holds for any request, credential and client: nothing
// beyond what each of the three allows, nothing of a kind that is never lent,
// and nothing dropped that all allow.
func TestNarrowProperty(t *testing.T) {
	t.Parallel()
	c := catalogue(t)
	names := []string{"openid", "email", "offline_access", "nobody.knows", "*", "documents.*"}
	for _, s := range c.All() {
		names = append(names, s.Name)
	}
	set := rapid.SliceOf(rapid.SampledFrom(names))
	patterns := rapid.SliceOf(rapid.SampledFrom([]string{"documents.*", "*", "*.read", "billing.*", "documents.write", ""}))
	rapid.Check(t, func(t *rapid.T) {
		requested, lent := set.Draw(t, "requested"), set.Draw(t, "lent")
		client := Patterns(patterns.Draw(t, "client"))
		got := c.Narrow(requested, lent, client)
		for i, s := range got {
			if slices.Contains(got[:i], s) {
				t.Fatalf("%s twice in %v", s, got)
			}
			if !slices.Contains(requested, s) {
				t.Fatalf("%s was not requested", s)
			}
			if Standard(s) {
				continue
			}
			kind := c.byName[s].Kind
			if kind != View && kind != Change || s == "documents.export" {
				t.Fatalf("%s of kind %q is never lent", s, kind)
			}
			if !slices.Contains(lent, s) || !client.Match(s) {
				t.Fatalf("%s was not lent or is not the client's", s)
			}
		}
		for _, s := range requested {
			if c.Lendable(s) && slices.Contains(lent, s) && client.Match(s) && !slices.Contains(got, s) {
				t.Fatalf("%s dropped from %v", s, got)
			}
			if Standard(s) && !slices.Contains(got, s) {
				t.Fatalf("%s dropped: it stands outside the narrowing", s)
			}
		}
	})
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"documents.*", "documents.read", true},
		{"documents.*", "documents", false},
		{"documents.*", "xdocuments.read", false},
		{"*", "anything", true},
		{"*.export", "documents.export", true},
		{"*.export", "documents.exported", false},
		{"a*c*e", "abcde", true},
		{"a*c*e", "ace", true},
		{"a*c*e", "aec", false},
		{"ab*b", "ab", false},
		{"", "", true},
		{"", "x", false},
	} {
		if got := (Patterns{tc.pattern}).Match(tc.name); got != tc.want {
			t.Errorf("%q matches %q = %v, want %v", tc.pattern, tc.name, got, tc.want)
		}
	}
}

func TestNewCatalogueRefuses(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]Scope{
		"space":    {{"a b", "", View}},
		"quote":    {{`a"b`, "", View}},
		"empty":    {{"", "", View}},
		"standard": {{"openid", "", View}},
		"kind":     {{"a", "", "read"}},
		"twice":    {{"a", "", View}, {"a", "", View}},
	} {
		if _, err := NewCatalogue(list, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestStandard: six scopes open nothing and pass every narrowing, so there are no
// more of them.
func TestStandard(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]bool{
		"openid": true, "profile": true, "email": true, "phone": true, "address": true, "offline_access": true,
		"": false, "OpenID": false, "openid ": false, "groups": false, "roles": false, "offline": false, "email.read": false, "account": false,
	} {
		if Standard(name) != is {
			t.Errorf("%q stands outside the narrowing: %v", name, !is)
		}
	}
}
