package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"sync"
	"time"
)

const (
	// logoutType is the typ of logout tokens (OpenID Connect Back-Channel Logout
	// 1.0 section 2.4).
	logoutType = "logout+jwt"
	// logoutEvent is the one member of their events.
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// maxLogoutLife is how long a logout token may be good for. It bounds how long
	// its jti is remembered.
	maxLogoutLife = 10 * time.Minute
	// maxLogoutBody bounds a request, in bytes: one JWT and its name.
	maxLogoutBody = 16 << 10
)

// LogoutConfig says for which client logout tokens are taken.
type LogoutConfig struct {
	ClientID   string // default: the guard's own
	IDTokenAlg string // the client's id_token_alg, which its logout tokens have too: RS256 (default) or ES256
}

// LogoutReceiver is where the broker says that a session has ended (OpenID Connect
// Back-Channel Logout 1.0), for an app whose client has a
// backchannel_logout_uri. A session is ended here before the broker is answered,
// so that 200 is a receipt.
//
// One message reaches one process. An app of several, each of which must know,
// follows the feed of endings with each of them, as a guard does by itself; this
// is for apps that cannot hold a stream, and beside it.
func (g *Guard) LogoutReceiver(cfg LogoutConfig) (http.Handler, error) {
	if cfg.ClientID == "" {
		cfg.ClientID = g.cfg.ClientID
	}
	switch cfg.IDTokenAlg {
	case "":
		cfg.IDTokenAlg = "RS256"
	case "RS256", "ES256":
	default:
		return nil, fmt.Errorf("guard: IDTokenAlg %q must be RS256 or ES256, as the client's id_token_alg is", cfg.IDTokenAlg)
	}
	return &logoutReceiver{guard: g, cfg: cfg}, nil
}

type logoutReceiver struct {
	guard *Guard
	cfg   LogoutConfig
	seen  seen
}

// ServeHTTP implements http.Handler (section 2.8).
func (l *logoutReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "logout tokens are posted", http.StatusMethodNotAllowed)
		return
	}
	err := l.take(w, r)
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, errLogout):
		l.guard.log.WarnContext(r.Context(), "a logout token is refused", "error", err)
		l.answer(w, http.StatusBadRequest, "invalid_request", "the logout token is not good here")
	default:
		l.guard.log.ErrorContext(r.Context(), "a logout token could not be judged", "error", err)
		l.answer(w, http.StatusServiceUnavailable, "temporarily_unavailable", "the broker's keys are not known now; send it again")
	}
}

func (l *logoutReceiver) answer(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": text})
}

// errLogout says that something is no logout token for this app.
var errLogout = errors.New("the logout token is not good")

// take judges one logout token, and ends its session.
func (l *logoutReceiver) take(w http.ResponseWriter, r *http.Request) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return fmt.Errorf("%w: it is not in a form", errLogout)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxLogoutBody)
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("%w: the form: %s", errLogout, cut(err.Error()))
	}
	raw := r.PostForm["logout_token"] // never from the address
	if len(raw) != 1 {
		return fmt.Errorf("%w: %d of them came", errLogout, len(raw))
	}
	c, err := l.open(r.Context(), raw[0])
	if err != nil {
		return err
	}
	now := l.guard.wall()
	if !l.seen.first(c.ID, now, time.Unix(c.Expires, 0)) {
		return fmt.Errorf("%w: it came before", errLogout)
	}
	l.guard.end(c.SID)
	return nil
}

// logoutClaims are those of section 2.4.
type logoutClaims struct {
	Issuer   string                     `json:"iss"`
	Audience audience                   `json:"aud"`
	Subject  string                     `json:"sub"`
	SID      string                     `json:"sid"`
	ID       string                     `json:"jti"`
	Issued   int64                      `json:"iat"`
	Expires  int64                      `json:"exp"`
	Events   map[string]json.RawMessage `json:"events"`
	Nonce    json.RawMessage            `json:"nonce"`
}

// open verifies a logout token (section 2.6).
func (l *logoutReceiver) open(ctx context.Context, raw string) (logoutClaims, error) {
	payload, err := l.guard.payload(ctx, raw, logoutType, l.cfg.IDTokenAlg)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Status != http.StatusServiceUnavailable {
		return logoutClaims{}, fmt.Errorf("%w: %w", errLogout, err)
	}
	if err != nil {
		return logoutClaims{}, err
	}
	var c logoutClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return logoutClaims{}, fmt.Errorf("%w: its claims: %s", errLogout, cut(err.Error()))
	}
	now := l.guard.wall()
	issued, expires := time.Unix(c.Issued, 0), time.Unix(c.Expires, 0)
	for wrong, is := range map[string]bool{
		"its iss is another":                      c.Issuer != l.guard.cfg.Issuer,
		"its aud is not this client alone":        string(c.Audience) != l.cfg.ClientID,
		"it has expired":                          !now.Before(expires),
		"it is good for too long":                 expires.After(now.Add(maxLogoutLife)),
		"it is from the future, or has no iat":    c.Issued <= 0 || issued.After(now.Add(skew)),
		"it has no jti":                           c.ID == "" || len(c.ID) > 256,
		"its events are not a logout":             !isLogout(c.Events),
		"it has a nonce":                          c.Nonce != nil,
		"it has no sid, which this app relies on": c.SID == "",
	} {
		if is {
			return logoutClaims{}, fmt.Errorf("%w: %s", errLogout, wrong)
		}
	}
	return c, nil
}

// isLogout reports whether events have the one member, and an object in it.
func isLogout(events map[string]json.RawMessage) bool {
	var object map[string]any
	return len(events) == 1 && json.Unmarshal(events[logoutEvent], &object) == nil && object != nil
}

// seen remembers the logout tokens that came, as long as each is good. Only what
// the broker has signed gets here.
type seen struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// first reports whether a jti comes for the first time.
func (s *seen) first(id string, now, until time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, end := range s.until {
		if !now.Before(end) {
			delete(s.until, other)
		}
	}
	if _, again := s.until[id]; again {
		return false
	}
	if s.until == nil {
		s.until = map[string]time.Time{}
	}
	s.until[id] = until
	return true
}
