package connectors

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/testkit"
)

// unclocked compares proofs but for their times.
var unclocked = cmpopts.IgnoreFields(Proof{}, "AuthTime", "ProvedAt")

// TestSignIn walks through the pages of issuers that nobody here wrote, in each
// way in which the broker can authenticate there.
func TestSignIn(t *testing.T) {
	t.Parallel()
	es256 := client("es256", none)
	es256.Algorithm = "ES256"
	tokens := startNode(t, testkit.Issuer{Methods: []string{basic, none}, IDTokenClaims: true,
		Clients: []testkit.IssuerClient{client("valetkey", basic), client("public", none), es256, client("a client & more", basic)}})
	userinfo := startNode(t, testkit.Issuer{Methods: []string{post}, Clients: []testkit.IssuerClient{client("valetkey", post)}})
	userinfo.UserInfo = true
	want := Proof{Connector: "corp", Issuer: tokens.Issuer, Subject: "norma", Name: "Norma Night", Email: "norma@northwind.example",
		Claims: map[string][]string{"groups": {"support"}}}
	for name, o := range map[string]*OIDC{
		"basic": tokens, "public": tokens.as(client("public", none)), "ES256": tokens.as(es256),
		"an odd name": tokens.as(client("a client & more", basic)), "post, userinfo": userinfo,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := want
			want.Issuer = o.Issuer
			before := time.Now()
			got, err := norma(t).signIn(t, o, Ask{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, unclocked, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			if got.ProvedAt.Before(before) || got.ProvedAt.After(time.Now()) || got.AuthTime.Before(before.Add(-time.Second)) || got.AuthTime.After(got.ProvedAt) {
				t.Errorf("proved at %s and %s, want since %s", got.AuthTime, got.ProvedAt, before)
			}
			if !o.Still(got) {
				t.Error("they may not come in any more")
			}
		})
	}
	t.Run("claims that are only at userinfo", func(t *testing.T) {
		t.Parallel()
		if _, err := norma(t).signIn(t, userinfo.as(client("valetkey", post)), Ask{}); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%v, want ErrNotAllowed", err)
		}
	})
	t.Run("somebody else", func(t *testing.T) {
		t.Parallel()
		for _, o := range []*OIDC{tokens, userinfo} {
			if got, err := newBrowser(t, "login", "otto").signIn(t, o, Ask{}); !errors.Is(err, ErrNotAllowed) || got.Subject != "" {
				t.Errorf("%+v, %v; want ErrNotAllowed", got, err)
			}
		}
	})
}

// TestOwnerSignsIn: claims have literal names, dots and slashes included.
func TestOwnerSignsIn(t *testing.T) {
	t.Parallel()
	o := startNode(t, testkit.Issuer{Methods: []string{basic}, IDTokenClaims: true, Clients: []testkit.IssuerClient{client("valetkey", basic)}})
	o.Allow = []credentials.ClaimRule{{Claim: "https://northwind.example/role", Values: []string{"owner", "admin"}}}
	o.Keep = []string{"level", "groups", "absent"}
	o.Account = AccountClaims{ID: "account.id", Name: "name", Handle: "level"}
	node, err := norma(t).signIn(t, o, Ask{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Proof{Connector: "corp", Issuer: o.Issuer, Subject: "norma", Name: "Norma Night", Email: "norma@northwind.example",
		Claims:  map[string][]string{"https://northwind.example/role": {"owner"}, "level": {"9007199254740991"}, "groups": {"support", "night"}},
		Account: credentials.Account{ID: "acme", Connector: "corp", Name: "Norma Night", Handle: "9007199254740991"},
	}, node, unclocked); diff != "" {
		t.Error(diff)
	}
	for _, userinfo := range []bool{false, true} {
		i := zitadel()
		o := i.connector()
		want := Proof{Connector: "customers", Issuer: i.server.URL, Subject: "id1", Name: "id1",
			Claims:  map[string][]string{"groups": {"support"}},
			Account: credentials.Account{ID: "acme", Connector: "customers", Name: "acme", Handle: "acme"},
			AMR:     []string{"pwd"}}
		if o.UserInfo = userinfo; userinfo {
			want.Name, want.Email = "Test User", "test-user@zitadel.ch"
		}
		got, err := i.visitor(t).signIn(t, o, Ask{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, unclocked); diff != "" {
			t.Errorf("userinfo %v: %s", userinfo, diff)
		}
	}
}

// TestRenewal: once somebody has signed in at their issuer, it vouches for them
// again without showing them anything, until it is asked for more than that.
func TestRenewal(t *testing.T) {
	t.Parallel()
	o := startNode(t, testkit.Issuer{Methods: []string{basic}, IDTokenClaims: true, Clients: []testkit.IssuerClient{client("valetkey", basic)}})
	b := norma(t)
	seconds := func(n int64) *int64 { return &n }
	if _, err := b.signIn(t, o, Ask{Silent: true}); !errors.Is(err, ErrInteraction) {
		t.Fatalf("silently, before any sign-in: %v, want ErrInteraction", err)
	}
	if b.typed != 0 {
		t.Fatal("the issuer showed a form")
	}
	first, err := b.signIn(t, o, Ask{})
	if err != nil || b.typed != 1 {
		t.Fatalf("%v after %d forms", err, b.typed)
	}
	for _, c := range []struct {
		name  string
		ask   Ask
		typed int
		err   error
	}{
		{"silently", Ask{Silent: true}, 0, nil},
		{"silently, of this hour", Ask{Silent: true, MaxAge: seconds(3600)}, 0, nil},
		{"silently, anew", Ask{Silent: true, MaxAge: seconds(0)}, 0, ErrInteraction},
		{"openly", Ask{}, 0, nil},
		{"with a newer proof", Ask{MaxAge: seconds(0)}, 1, nil},
		{"again", Ask{Again: true}, 1, nil},
		{"again, of this hour", Ask{Again: true, MaxAge: seconds(3600)}, 1, nil},
	} {
		b.typed = 0
		before := time.Now()
		got, err := b.signIn(t, o, c.ask)
		if !errors.Is(err, c.err) || b.typed != c.typed {
			t.Errorf("%s: %v after %d forms, want %v after %d", c.name, err, b.typed, c.err, c.typed)
		}
		if err == nil && (got.Subject != first.Subject || got.ProvedAt.Before(before)) {
			t.Errorf("%s: %s proved at %s", c.name, got.Subject, got.ProvedAt)
		}
	}
	if _, err := o.URL(t.Context(), o.NewTrip(Ask{Silent: true, Again: true}), "s"); !errors.Is(err, ErrInteraction) {
		t.Errorf("silently and again: %v, want ErrInteraction", err)
	}
}

// TestParams: what the configuration adds reaches the issuer, which serves one
// of its clients only with it.
func TestParams(t *testing.T) {
	t.Parallel()
	o := startNode(t, testkit.Issuer{Methods: []string{basic}, IDTokenClaims: true, Clients: []testkit.IssuerClient{client("with-tenant", basic)}})
	if _, err := norma(t).signIn(t, o, Ask{}); !errors.Is(err, ErrUpstream) {
		t.Errorf("without the parameter: %v, want ErrUpstream", err)
	}
	o.Params = map[string]string{"tenant": "northwind"}
	if _, err := norma(t).signIn(t, o, Ask{}); err != nil {
		t.Errorf("with it: %v", err)
	}
}

// TestWayBack: a code is good for the trip, the connector and the client that
// asked for it, once, and not for long.
func TestWayBack(t *testing.T) {
	t.Parallel()
	other := client("other", basic)
	o := startNode(t, testkit.Issuer{Methods: []string{basic}, IDTokenClaims: true, Clients: []testkit.IssuerClient{client("valetkey", basic), other}})
	for _, c := range []struct {
		name   string
		change func(*Trip, url.Values) *OIDC
		err    error
	}{
		{"as it is", func(*Trip, url.Values) *OIDC { return o }, nil},
		{"another verifier", func(trip *Trip, _ url.Values) *OIDC { trip.Verifier = o.NewTrip(Ask{}).Verifier; return o }, ErrTrip},
		{"no verifier", func(trip *Trip, _ url.Values) *OIDC { trip.Verifier = ""; return o }, ErrTrip},
		{"another nonce", func(trip *Trip, _ url.Values) *OIDC { trip.Nonce = o.NewTrip(Ask{}).Nonce; return o }, ErrIDToken},
		{"no nonce", func(trip *Trip, _ url.Values) *OIDC { trip.Nonce = ""; return o }, ErrTrip},
		{"another client", func(*Trip, url.Values) *OIDC { return o.as(other) }, ErrTrip},
		{"another connector", func(trip *Trip, _ url.Values) *OIDC { trip.Connector = "customers"; return o }, ErrTrip},
		{"begun ten minutes ago", func(trip *Trip, _ url.Values) *OIDC {
			trip.At = time.Now().Add(-tripLife - time.Second).Unix()
			return o
		}, ErrTrip},
		{"begun in a minute", func(trip *Trip, _ url.Values) *OIDC { trip.At = time.Now().Add(time.Minute).Unix(); return o }, ErrTrip},
		{"another code", func(_ *Trip, q url.Values) *OIDC { q.Set("code", "another"); return o }, ErrTrip},
		{"no code", func(_ *Trip, q url.Values) *OIDC { q.Del("code"); return o }, ErrTrip},
		{"two codes", func(_ *Trip, q url.Values) *OIDC { q.Add("code", q.Get("code")); return o }, ErrTrip},
		{"another issuer", func(_ *Trip, q url.Values) *OIDC { q.Set("iss", o.Issuer+"/"); return o }, ErrTrip},
		{"no issuer", func(_ *Trip, q url.Values) *OIDC { q.Del("iss"); return o }, ErrTrip},
		{"a code and an error", func(_ *Trip, q url.Values) *OIDC { q.Set("error", "access_denied"); return o }, ErrDeclined},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			trip, back := norma(t).travel(t, o, Ask{})
			if got, err := c.change(&trip, back).Return(t.Context(), trip, back); !errors.Is(err, c.err) || err != nil && got.Subject != "" {
				t.Errorf("%+v, %v; want %v", got, err, c.err)
			}
		})
	}
	trip, back := norma(t).travel(t, o, Ask{})
	for i, want := range []error{nil, ErrTrip} {
		if _, err := o.Return(t.Context(), trip, back); !errors.Is(err, want) {
			t.Errorf("time %d: %v, want %v", i+1, err, want)
		}
	}
}

// TestSignedWithTheSecret: an issuer lets its clients choose a signature that
// whoever knows the client secret can make. It proves nothing here.
func TestSignedWithTheSecret(t *testing.T) {
	t.Parallel()
	hs256 := client("valetkey", basic)
	hs256.Algorithm = "HS256"
	o := startNode(t, testkit.Issuer{Methods: []string{basic}, IDTokenClaims: true, Clients: []testkit.IssuerClient{hs256}})
	if got, err := norma(t).signIn(t, o, Ask{}); !errors.Is(err, ErrIDToken) || !errors.Is(err, ErrUpstream) || got.Subject != "" {
		t.Errorf("%+v, %v; want ErrIDToken and ErrUpstream", got, err)
	}
}
