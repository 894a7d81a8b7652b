package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/guard"
)

// staleness is what the relying apps of the fault tests ask for.
const staleness = 4 * time.Second

// relying is an app with guard in front of it, as somebody outside builds it.
type relying struct {
	t testing.TB
	h http.Handler
}

// relying makes one that reaches the broker at any of these addresses.
func (b *broker) relying(addresses ...string) *relying {
	b.t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 2, DialContext: func(ctx context.Context, network, _ string) (c net.Conn, err error) {
		for _, i := range rand.Perm(len(addresses)) {
			if c, err = (&net.Dialer{}).DialContext(ctx, network, addresses[i]); err == nil {
				return c, nil
			}
		}
		return nil, err
	}}
	g, err := guard.New(b.t.Context(), guard.Config{
		Issuer: b.issuer, Audience: docsAudience, ClientID: b.docsAPI().id, ClientSecret: b.docsAPI().secret, MaxStaleness: staleness,
		HTTPClient: &http.Client{Transport: transport}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = g.Close()
		transport.CloseIdleConnections()
	})
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	return &relying{b.t, g.Wrap(g.Open(page), nil)}
}

// ask sends a request with a token, and returns guard's code: empty where the
// session is let in.
func (a *relying) ask(token string) (code string) {
	a.t.Helper()
	r := httptest.NewRequestWithContext(a.t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	a.h.ServeHTTP(w, r)
	if w.Code == http.StatusOK {
		return ""
	}
	var said struct {
		Code string `json:"code"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || said.Code == "" {
		a.t.Fatalf("guard answers %d %s", w.Code, w.Body)
	}
	return said.Code
}

// comesTo asks until guard says a code; until then it may say the others only.
func (a *relying) comesTo(token, code string, others ...string) {
	a.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for limit := time.After(patience); ; {
		got := a.ask(token)
		if got == code {
			return
		}
		if !strings.Contains(" "+strings.Join(others, " ")+" ", " "+got+" ") && (got != "" || len(others) == 0) {
			a.t.Fatalf("guard says %q, want %q", got, code)
		}
		select {
		case <-again.C:
		case <-limit:
			a.t.Fatalf("guard says %q, and not %q within %v", got, code, patience)
		}
	}
}

const (
	letIn   = ""
	isEnded = "session_ended"
	unknown = "unknown_freshness"
)

// obeys asks until a session is refused, for whatever reason, and fails if one
// request was let in that began later than promised after the owner's call
// returned. That is guard's promise by its own clock, however slow all is.
func (a *relying) obeys(token string, returned time.Time) {
	a.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for limit := time.After(patience); ; {
		began := time.Now()
		code := a.ask(token)
		if code != letIn {
			if code != isEnded && code != unknown {
				a.t.Fatalf("guard refuses an ended session with %q", code)
			}
			return
		}
		if late := began.Sub(returned); late > staleness {
			a.t.Fatalf("a request was let in that began %v after the owner's call returned; promised are %v", late, staleness)
		}
		select {
		case <-again.C:
		case <-limit:
			a.t.Fatal("an ended session is never refused")
		}
	}
}

// errNoAnswer is of a request that got none: what it asked for may have happened.
var errNoAnswer = errors.New("no answer")

// tryRevoke is revoke at a node that may die meanwhile.
func (b *broker) tryRevoke(c credential, token string) error {
	request := b.request(http.MethodDelete, "/api/v1"+c.path(), nil)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}).Do(request)
	if err != nil {
		return errNoAnswer
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusNoContent {
		return errors.Join(errNoAnswer, errors.New(response.Status))
	}
	return nil
}
