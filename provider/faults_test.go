package provider_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// errMarker is what nobody outside may see.
var errMarker = errors.New("MARKER: relation \"sessions\" does not exist")

// failing is a store of which some verbs fail, or panic.
type failing struct {
	credentials.Store
	verb   string // empty: none
	panics bool
	idle   time.Duration // that sessions seem to have been besides
}

func (f *failing) fail(verb string) error {
	if verb != f.verb {
		return nil
	}
	if f.panics {
		panic(errMarker)
	}
	return errMarker
}

func (f *failing) Session(ctx context.Context, sid string) (credentials.Session, error) {
	if err := f.fail("Session"); err != nil {
		return credentials.Session{}, err
	}
	s, err := f.Store.Session(ctx, sid)
	s.ActiveAt = s.ActiveAt.Add(-f.idle)
	return s, err
}

func (f *failing) Issue(ctx context.Context, g credentials.Grant) (credentials.Session, error) {
	if err := f.fail("Issue"); err != nil {
		return credentials.Session{}, err
	}
	return f.Store.Issue(ctx, g)
}

func (f *failing) Refresh(ctx context.Context, r credentials.Refreshing) (credentials.Session, credentials.RefreshToken, error) {
	if err := f.fail("Refresh"); err != nil {
		return credentials.Session{}, credentials.RefreshToken{}, err
	}
	return f.Store.Refresh(ctx, r)
}

func (f *failing) RefreshToken(ctx context.Context, hash []byte) (credentials.RefreshToken, error) {
	if err := f.fail("RefreshToken"); err != nil {
		return credentials.RefreshToken{}, err
	}
	return f.Store.RefreshToken(ctx, hash)
}

func (f *failing) End(ctx context.Context, account, sid string, cause credentials.Cause, by credentials.Mark) (credentials.Session, error) {
	if err := f.fail("End"); err != nil {
		return credentials.Session{}, err
	}
	return f.Store.End(ctx, account, sid, cause, by)
}

// TestWhenTheStoreFailsTheAnswerIs503WithoutItsText and is logged once; nothing
// is answered as revoked, active or inactive (I7, I10).
func TestWhenTheStoreFailsTheAnswerIs503WithoutItsText(t *testing.T) {
	t.Parallel()
	for _, panics := range []bool{false, true} {
		w := newWorld(t)
		broken := &failing{Store: w.store}
		w.through(broken)
		s := w.open("login")
		got := w.tokens("docs", s)
		access, refresh := got.text("access_token"), got.text("refresh_token")
		for _, tc := range []struct {
			name, verb string
			call       func() reply
		}{
			{"code", "Issue", func() reply { return w.post("/token", "docs", w.exchange("docs", w.code("docs", s))) }},
			{"refresh", "Refresh", func() reply {
				return w.post("/token", "docs", form("grant_type", "refresh_token", "refresh_token", refresh))
			}},
			{"client assertion", "UseOnce", func() reply { return w.present(w.assertion("bank")) }},
			{"proof", "UseOnce", func() reply {
				return w.prove("/token", "settings", w.proof(appKey, "POST", "/token"), form("grant_type", "client_credentials"))
			}},
			{"userinfo", "Session", func() reply { return w.userinfo(access) }},
			{"introspection", "Session", func() reply { return w.post("/introspect", "docs", form("token", access)) }},
			{"introspection of a refresh token", "RefreshToken", func() reply { return w.post("/introspect", "docs", form("token", refresh)) }},
			{"introspection of its session", "Session", func() reply { return w.post("/introspect", "docs", form("token", refresh)) }},
			{"revocation, look", "Session", func() reply { return w.post("/revoke", "docs", form("token", access)) }},
			{"revocation", "End", func() reply { return w.post("/revoke", "docs", form("token", access)) }},
			{"revocation of a refresh token", "RefreshToken", func() reply { return w.post("/revoke", "docs", form("token", refresh)) }},
			{"revocation by a refresh token", "End", func() reply { return w.post("/revoke", "docs", form("token", refresh)) }},
		} {
			before := strings.Count(w.log.String(), "MARKER")
			broken.verb, broken.panics = tc.verb, panics
			r := tc.call()
			broken.verb = ""
			w.check503(tc.name, r)
			if logged := strings.Count(w.log.String(), "MARKER") - before; logged != 1 {
				t.Errorf("%s: logged %d times", tc.name, logged)
			}
			if !w.alive(s.ID) {
				t.Errorf("%s: the session ended although the store failed", tc.name)
			}
		}
		if r := w.userinfo(access); r.Code != http.StatusOK {
			t.Errorf("after the store recovered: %d %s", r.Code, r.Body)
		}
	}
	if strings.Contains(library.String(), "MARKER") {
		t.Error("the library logged the error too")
	}
}

func (w *world) check503(name string, r reply) {
	w.Helper()
	if r.Code != http.StatusServiceUnavailable || r.text("error") != "temporarily_unavailable" {
		w.Errorf("%s: %d %s, want 503", name, r.Code, r.Body)
	}
	text := r.Body.String()
	for header, values := range r.Header() {
		text += header + strings.Join(values, " ")
	}
	if strings.Contains(text, "MARKER") || strings.Contains(text, "relation") || strings.Contains(text, "goroutine") || strings.Contains(text, "active") {
		w.Errorf("%s tells: %s", name, text)
	}
	if r.Header().Get("Cache-Control") != "no-store" {
		w.Errorf("%s: Cache-Control %q", name, r.Header().Get("Cache-Control"))
	}
}

// TestAnEndThatCannotBeWrittenIsNoAnswer: a session whose time has come is
// ended before anything is said about it; if that fails, 503.
func TestAnEndThatCannotBeWrittenIsNoAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broken := &failing{Store: w.store}
	w.through(broken)
	got := w.tokens("docs", w.open("login"))
	broken.verb, broken.idle = "End", time.Hour // no token is good beyond that
	w.check503("userinfo", w.userinfo(got.text("access_token")))
	w.check503("introspection", w.post("/introspect", "docs", form("token", got.text("access_token"))))
	w.check503("introspection of a refresh token", w.post("/introspect", "docs", form("token", got.text("refresh_token"))))
	broken.verb, broken.idle = "", 0
	w.pass(61 * time.Minute)
	if answer := w.introspect("docs", got.text("refresh_token")); answer != inactive {
		t.Errorf("then: %s", answer)
	}
}

// TestAFailureOfJWKSIsNotKept: an error answer of what may be kept is no-store.
func TestAPanicIsAnswered503AndNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.p.Ring = nil // its use panics
	w.check503("jwks", w.get("/jwks", nil))
	if r := w.get("/.well-known/openid-configuration", nil); r.Code != http.StatusOK {
		t.Errorf("discovery: %d", r.Code)
	}
}

// TestASecretIsInNoLogAndNoOtherAnswer (I8).
func TestASecretIsInNoLogAndNoOtherAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("login")
	code := w.code("docs", s)
	got := w.post("/token", "docs", w.exchange("docs", code))
	secrets := []string{code, got.text("access_token"), got.text("refresh_token"), got.text("id_token"), w.p.Clients["docs"].Secret, verifier, "se%zzcret"}
	var answers strings.Builder
	note := func(r reply) { answers.WriteString(r.Body.String()) }
	for _, f := range []url.Values{
		w.exchange("docs", code), form("grant_type", "refresh_token", "refresh_token", secrets[2], "scope", "documents.write"),
		form("grant_type", secrets[4], "code", code), form("token", secrets[1]), form("token", secrets[2], "client_secret", secrets[4]),
	} {
		for _, path := range []string{"/token", "/introspect", "/userinfo", "/revoke"} {
			note(w.post(path, "notes", f))
			r := plainPost(path, f)
			r.Header.Set("Authorization", "Basic ZG9jczpzZSV6emNyZXQ=") // docs:se%zzcret
			note(w.serve(r))
			note(w.get(path, f))
		}
	}
	text := answers.String() + w.log.String() + library.String()
	for i, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("secret %d is in an answer or a log", i)
		}
	}
}

func (f *failing) UseOnce(ctx context.Context, o credentials.Once) error {
	if err := f.fail("UseOnce"); err != nil {
		return err
	}
	return f.Store.UseOnce(ctx, o)
}

func (f *failing) UsedOnce(ctx context.Context, o credentials.Once) (bool, error) {
	if err := f.fail("UsedOnce"); err != nil {
		return false, err
	}
	return f.Store.UsedOnce(ctx, o)
}
