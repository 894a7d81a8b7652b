package connectors

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// paths of a hostile issuer, each of which a sign-in depends on.
var paths = []string{"/.well-known/openid-configuration", "/token", "/jwks", "/userinfo"}

// TestIssuerAway: what an issuer does instead of answering is its fault, not
// the person's, and is forgotten once it answers.
func TestIssuerAway(t *testing.T) {
	t.Parallel()
	for name, instead := range map[string]http.HandlerFunc{
		"an error":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "away", http.StatusBadGateway) },
		"no JSON":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"another type": func(w http.ResponseWriter, _ *http.Request) { say(w, []string{"a", "list"}) },
		"a huge body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"padding":"` + strings.Repeat("x", maxAnswer) + `"}`))
		},
		"nothing": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		for _, path := range paths {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				h := newHostile(t)
				h.userinfo = map[string]any{"sub": "4711", "groups": "support"}
				h.instead[path] = instead
				o := h.connector()
				o.UserInfo = true
				_, err := h.signIn(t, o, Ask{})
				if !errors.Is(err, ErrUpstream) || errors.Is(err, ErrIDToken) {
					t.Errorf("%v, want ErrUpstream alone", err)
				}
				if len(err.Error()) > 2*maxSaid {
					t.Errorf("the error has %d characters", len(err.Error()))
				}
				h.mend(path)
				if _, err := h.signIn(t, o, Ask{}); err != nil {
					t.Errorf("once it answers: %v", err)
				}
			})
		}
	}
}

// TestNoRedirectsAreFollowed: where the broker asks is in its configuration,
// and in what the issuer's discovery document says.
func TestNoRedirectsAreFollowed(t *testing.T) {
	t.Parallel()
	for _, path := range paths {
		for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
			h := newHostile(t)
			elsewhere := newHostile(t) // where everything would be well
			var followed atomic.Bool
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				followed.Store(true)
				elsewhere.server.Config.Handler.ServeHTTP(w, r)
			}))
			t.Cleanup(front.Close)
			h.instead[path] = http.RedirectHandler(front.URL+path, status).ServeHTTP
			o := h.connector()
			o.UserInfo = true
			if _, err := h.signIn(t, o, Ask{}); !errors.Is(err, ErrUpstream) || followed.Load() {
				t.Errorf("%s, %d: %v, followed %v", path, status, err, followed.Load())
			}
		}
	}
}

// TestSlowIssuer: whoever waits for an issuer can go away, and need not wait
// for ever if they do not.
func TestSlowIssuer(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	defer all.Wait()
	for _, path := range paths {
		for _, goAway := range []bool{true, false} {
			h := newHostile(t)
			h.userinfo = map[string]any{"sub": "4711", "groups": "support"}
			ctx, cancel := context.WithCancel(t.Context())
			over := make(chan struct{})
			h.instead[path] = func(_ http.ResponseWriter, r *http.Request) {
				if goAway {
					cancel()
				}
				select {
				case <-r.Context().Done():
				case <-over:
				}
			}
			o := h.connector()
			o.UserInfo = true
			trip := o.NewTrip(Ask{})
			h.nonce = trip.Nonce
			all.Go(func() {
				defer cancel()
				defer close(over)
				_, err := o.Return(ctx, trip, url.Values{"code": {"c"}})
				if !errors.Is(err, ErrUpstream) || errors.Is(err, ErrIDToken) {
					t.Errorf("%s, goes away %v: %v, want ErrUpstream alone", path, goAway, err)
				}
				if goAway && !strings.Contains(err.Error(), context.Canceled.Error()) {
					t.Errorf("%s: %v, want that somebody went away", path, err)
				}
			})
		}
	}
}

// TestOneDiscovery: however many come at once, the issuer is asked once, and
// again when what it said is an hour old. Keys that it has withdrawn are then
// believed no longer.
func TestOneDiscovery(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	now := noon
	o := h.connector()
	o.Now = func() time.Time { return now }
	var asked atomic.Int64
	h.instead[paths[0]] = func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		say(w, h.metadata())
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := o.URL(t.Context(), o.NewTrip(Ask{}), "s"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	old := h.token(h.claims())
	if _, err := o.Verify(t.Context(), "valetkey", old); err != nil {
		t.Fatal(err)
	}
	h.key = newHostile(t).key // of the same name
	if _, err := o.Verify(t.Context(), "valetkey", old); err != nil {
		t.Errorf("within the hour: %v", err)
	}
	now = now.Add(discoveryLife)
	h.changes = map[string]any{"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	fresh := h.token(h.claims())
	if _, err := o.Verify(t.Context(), "valetkey", fresh); err != nil || asked.Load() != 2 {
		t.Errorf("after an hour: %v, asked %d times", err, asked.Load())
	}
	now = noon
	if _, err := o.Verify(t.Context(), "valetkey", old); !errors.Is(err, ErrIDToken) {
		t.Errorf("by a key that was withdrawn: %v, want ErrIDToken", err)
	}
}

// TestDiscover: a check finds what would keep people from signing in.
func TestDiscover(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		says     map[string]any
		userinfo bool
		ok       bool
	}{
		{"all is well", nil, true, true},
		{"another issuer", map[string]any{"issuer": "https://elsewhere.example"}, false, false},
		{"nowhere to sign in", map[string]any{"authorization_endpoint": nil}, false, false},
		{"no token endpoint", map[string]any{"token_endpoint": nil}, false, false},
		{"no keys", map[string]any{"jwks_uri": nil}, false, false},
		{"no userinfo, not wanted", map[string]any{"userinfo_endpoint": nil}, false, true},
		{"no userinfo", map[string]any{"userinfo_endpoint": nil}, true, false},
		{"a script to sign in", map[string]any{"authorization_endpoint": "javascript:alert(1)"}, false, false},
		{"a path to sign in", map[string]any{"authorization_endpoint": "/auth"}, false, false},
		{"no host to sign in", map[string]any{"authorization_endpoint": "https:///auth"}, false, false},
		{"a file of keys", map[string]any{"jwks_uri": "file:///etc/passwd"}, false, false},
		{"an odd token endpoint", map[string]any{"token_endpoint": "https://%"}, false, false},
		{"odd methods", map[string]any{"token_endpoint_auth_methods_supported": "all"}, false, false},
	} {
		h := newHostile(t)
		h.discovery = c.says
		o := h.connector()
		o.UserInfo = c.userinfo
		if err := o.Discover(t.Context()); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrUpstream) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// Over https nothing may lead back to http.
	said := metadata{Auth: "https://a", Token: "https://a", JWKS: "https://a"}
	o := &OIDC{Issuer: "https://sso.example"}
	if err := o.usable(said); err != nil {
		t.Error(err)
	}
	for _, endpoint := range []*string{&said.Auth, &said.Token, &said.JWKS} {
		*endpoint = "http://a"
		if o.usable(said) == nil {
			t.Errorf("%+v is good enough", said)
		}
		*endpoint = "https://a"
	}
}
