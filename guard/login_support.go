package guard

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

// carriedKey is where a request keeps the support token of its cookie.
type carriedKey struct{}

// carried is the guard's source of tokens of browsers.
func (l *Login) carried(r *http.Request) (string, bool) {
	if token, ok := r.Context().Value(carriedKey{}).(string); ok {
		return token, true
	}
	// An app that wraps a handler without the login still takes no request of a
	// support session for one of its own: what is there is judged as it is.
	k, found, _ := l.held(r)
	return k.Access, found
}

// held is the support session that a browser carries; found with an error where
// its cookie cannot be opened.
func (l *Login) held(r *http.Request) (k kept, found bool, err error) {
	value, found := l.cookies.get(r, supportName)
	if !found {
		k, found = l.heldBefore(r)
		return k, found, nil
	}
	k, err = opened(l.cookies, value)
	return k, true, err
}

// heldBefore is what a cookie holds that was made before names had a tag. All apps
// of a host may have that name: it is this login's where it was sealed for its client.
func (l *Login) heldBefore(r *http.Request) (kept, bool) {
	value, found := l.former.get(r, supportName)
	if !found {
		return kept{}, false
	}
	k, err := opened(l.former, value)
	return k, err == nil && unverified(k.Access).ClientID == l.cfg.ClientID
}

func opened(by *cookies, value string) (kept, error) {
	plain, err := by.open("support", supportName, value)
	if err != nil {
		return kept{}, err
	}
	return decodeKept(plain)
}

// drop takes a browser's support cookie away.
func (l *Login) drop(w http.ResponseWriter, r *http.Request) {
	l.cookies.set(w, supportName, "", -1)
	l.dropFormer(w, r)
}

func (l *Login) dropFormer(w http.ResponseWriter, r *http.Request) {
	if _, found := l.heldBefore(r); found {
		l.former.set(w, supportName, "", -1)
	}
}

// serve has a request with a support cookie served as the session's, with a
// token that is good now.
func (l *Login) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	k, found, err := l.held(r)
	if !found || l.inHeader(r) {
		next.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store") // a customer's data; a handler that knows better says so
	if err != nil {
		// Of a key that is not used any more, or spoilt: there is no session to go
		// on with or to end, and nobody is kept from their own login by it.
		l.drop(w, r)
		l.refuse(w, r, &Refusal{Status: http.StatusUnauthorized, Code: "malformed", Description: "the support cookie cannot be read"})
		return
	}
	// The app's own login may bring a protection of its own, which support
	// requests do not pass.
	if err := l.csrf.Check(r); err != nil {
		l.refuse(w, r, &Refusal{Status: http.StatusForbidden, Code: "cross_origin", Description: "the request comes from a page of another site"})
		return
	}
	if !l.guard.wall().Before(k.lastUse()) {
		if k, found = l.renewed(w, r, k); !found {
			return
		}
	}
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), carriedKey{}, k.Access)))
}

// inHeader reports whether the request says itself which support token it is
// made with.
func (l *Login) inHeader(r *http.Request) bool {
	if len(r.Header["Authorization"]) == 0 {
		return false
	}
	c, found, _ := l.guard.tokenOf(r)
	return found && c.scheme != ""
}

// renewed replaces a token that has expired: by the refresh token, or by a trip
// to the broker that the agent does not see. Where it cannot, it has answered.
func (l *Login) renewed(w http.ResponseWriter, r *http.Request, k kept) (kept, bool) {
	switch {
	case !l.guard.wall().Before(k.EndsAt):
		l.refuse(w, r, Ending{k.EndsAt, "time"}.refusal())
		return kept{}, false
	case k.Refresh == "":
		l.resume(w, r, k)
		return kept{}, false
	}
	next, err := l.renewals.do(r.Context(), k, l.renew)
	if err == nil {
		err = l.put(w, r, next)
	}
	var refusal *Refusal
	switch {
	case err == nil:
		return next, true
	case errors.Is(err, errOver), errors.Is(err, errOtherSession):
		refusal = ErrEnded
		if _, known := l.guard.ledger.find(k.SID); errors.Is(known, ErrEnded) {
			errors.As(known, &refusal) // which says why
		}
		l.refuse(w, r, refusal)
	case errors.As(err, &refusal):
		l.refuse(w, r, refusal)
	default:
		l.guard.log.ErrorContext(r.Context(), "a support session could not be renewed", "error", err)
		l.refuse(w, r, &Refusal{Status: http.StatusServiceUnavailable, Code: "unknown_freshness", Description: "the support session cannot be renewed now"})
	}
	return kept{}, false
}

// resume sends a browser that opens a page to the broker and back. Everything
// else would be lost on the way: it is refused, and the agent is told how to
// send it again.
func (l *Login) resume(w http.ResponseWriter, r *http.Request, k kept) {
	if !isNavigation(r) {
		l.refuse(w, r, &Refusal{Status: http.StatusUnauthorized, Code: "expired", Description: "the support session must be renewed first"})
		return
	}
	back := r.URL.RequestURI()
	if !l.canReturn(back) {
		back = l.cfg.Home
	}
	l.depart(w, r, trip{Return: back, Silent: k.SID}, "")
}

// isNavigation reports whether a browser is opening a page in a tab.
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	}
	return wantsPage(r)
}

func wantsPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// repeatable is how long the broker repeats the answer to a refresh token whose
// reply was lost, and how long this process does.
const repeatable = 30 * time.Second

// renewals has each refresh token used once, however many tabs bring it at the
// same time: a second use could be taken for a thief's.
type renewals struct {
	mu      sync.Mutex
	running map[[sha256.Size]byte]*renewal
}

type renewal struct {
	done chan struct{}
	next kept
	err  error
}

// do renews k, or waits for the one who does. A tab that comes a little later,
// because it has not seen the new cookie yet, gets the same one.
func (x *renewals) do(ctx context.Context, k kept, renew func(context.Context, kept) (kept, error)) (kept, error) {
	// Of a client whose refresh tokens are not replaced the same one comes again, with
	// the access token that it has brought.
	key := sha256.Sum256([]byte(k.SID + "\x00" + k.Refresh + "\x00" + k.Access))
	x.mu.Lock()
	f, joined := x.running[key]
	if !joined {
		f = &renewal{done: make(chan struct{})}
		if x.running == nil {
			x.running = map[[sha256.Size]byte]*renewal{}
		}
		x.running[key] = f
	}
	x.mu.Unlock()
	if joined {
		select {
		case <-f.done:
			return f.next, f.err
		case <-ctx.Done():
			return kept{}, ctx.Err()
		}
	}
	defer close(f.done)
	f.err = errLost // should renew panic
	defer func() { x.forget(key, f.err) }()
	// Whoever closes the tab now must not lose a token that is being renewed.
	f.next, f.err = renew(context.WithoutCancel(ctx), k)
	return f.next, f.err
}

// forget has a failure tried again at once, and a success known as long as it
// may be asked for.
func (x *renewals) forget(key [sha256.Size]byte, err error) {
	remove := func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.running, key)
	}
	if err != nil {
		remove()
		return
	}
	time.AfterFunc(repeatable, remove)
}
