package guard

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// trip is an agent's way to the broker and back. It lies sealed in a cookie of
// the browser that it was begun in.
type trip struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`           // of PKCE
	Return   string `json:"r"`           // a path of the app
	At       int64  `json:"a"`           // UTC seconds
	Silent   string `json:"q,omitempty"` // the sid that is to be renewed; empty: an agent signs in
}

const (
	tripLife  = 10 * time.Minute
	maxTrips  = 4       // of one browser at a time
	maxReturn = 2 << 10 // of a path to return to, in bytes
	maxHint   = 320     // of a login_hint, in bytes: as long as an email address
)

// tripName is the name of a trip's cookie: each tab has its own.
func tripName(state string) string { return "trip-" + state[:8] }

// Start sends an agent to the broker. Query: login_hint, the account's handle or
// the temporary email, fills in the form there; return_to is a path of the app
// to come back to.
func (l *Login) Start(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		l.wrongMethod(w, r, http.MethodGet)
		return
	}
	query := r.URL.Query()
	back := query.Get("return_to")
	if !l.canReturn(back) {
		back = l.cfg.Home // a link from elsewhere leads nowhere else
	}
	hint := query.Get("login_hint")
	if len(hint) > maxHint {
		hint = ""
	}
	l.depart(w, r, trip{Return: back}, hint)
}

// canReturn refuses paths outside the app, and Login's own: they would lead in
// a circle.
func (l *Login) canReturn(path string) bool {
	if !isLocal(path) {
		return false
	}
	to, err := url.Parse(path)
	return err == nil && !slices.Contains([]string{l.cfg.StartPath, l.cfg.EndPath, l.callback}, to.Path)
}

// depart begins a trip (OpenID Connect Core 1.0 section 3.1.2.1; RFC 7636
// section 4.3).
func (l *Login) depart(w http.ResponseWriter, r *http.Request, t trip, hint string) {
	at, err := l.guard.broker(r.Context())
	if err != nil {
		l.unreachable(w, r, err)
		return
	}
	l.compared.Do(func() { l.compare(r.Context(), at) })
	t.State, t.Nonce, t.Verifier, t.At = random(), random(), random(), l.guard.wall().Unix()
	to, err := url.Parse(at.Authorization)
	if err != nil {
		l.unreachable(w, r, err)
		return
	}
	query := to.Query()
	maps.Copy(query, l.request(t, hint))
	if l.cfg.PAR || at.MustPush {
		if query, err = l.push(r.Context(), at, query); err != nil {
			l.unreachable(w, r, err)
			return
		}
	}
	to.RawQuery = query.Encode()
	if err = l.putTrip(w, r, t); err != nil { // of all that it holds only this can be long
		t.Return = l.cfg.Home
		err = l.putTrip(w, r, t)
	}
	if err != nil {
		l.tooLarge(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// compare says in the log which scopes are asked for in vain. Some of an app's
// are never lent; but of one that is mistyped agents would be told that it was not
// lent, and no customer could lend it.
func (l *Login) compare(ctx context.Context, at *broker) {
	for _, scope := range l.cfg.Scopes {
		if len(at.Scopes) > 0 && scope != "offline_access" && !slices.Contains(at.Scopes, scope) {
			l.guard.log.InfoContext(ctx, "the broker grants a scope of LoginConfig.Scopes to nobody: it is never lent, or not in the broker's configuration",
				"scope", scope)
		}
	}
}

// request is what the broker is asked for.
func (l *Login) request(t trip, hint string) url.Values {
	challenge := sha256.Sum256([]byte(t.Verifier))
	query := url.Values{}
	for name, value := range map[string]string{
		"response_type": "code", "client_id": l.cfg.ClientID, "redirect_uri": l.cfg.RedirectURI,
		"scope": strings.Join(append([]string{"openid"}, l.cfg.Scopes...), " "), "state": t.State, "nonce": t.Nonce,
		"code_challenge": base64.RawURLEncoding.EncodeToString(challenge[:]), "code_challenge_method": "S256",
	} {
		query.Set(name, value)
	}
	if t.Silent != "" {
		query.Set("prompt", "none")
	}
	if hint != "" {
		query.Set("login_hint", hint)
	}
	if l.prover != nil { // so that the code is worth nothing without the key, either
		query.Set("dpop_jkt", l.prover.jkts[0])
	}
	return query
}

// putTrip keeps a trip in the browser, and of those begun before the newest
// ones: a browser that sends too many cookies is refused everywhere.
func (l *Login) putTrip(w http.ResponseWriter, r *http.Request, t trip) error {
	plain, err := json.Marshal(t)
	if err != nil {
		return err
	}
	value, err := l.cookies.seal("trip", tripName(t.State), plain)
	if err != nil {
		return err
	}
	l.cookies.set(w, tripName(t.State), value, tripLife)
	begun := map[string]int64{}
	var names []string
	for _, c := range r.Cookies() {
		name, ours := l.cookies.short(c.Name)
		if state, ok := strings.CutPrefix(name, "trip-"); ours && ok && len(state) == 8 {
			other, _ := l.tripOf(r, state)
			begun[state] = other.At // zero where it does not open
			names = append(names, state)
		}
	}
	slices.Reverse(names) // browsers send the oldest first (RFC 6265 section 5.4)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(begun[b], begun[a]) })
	for _, state := range names[min(len(names), maxTrips-1):] {
		l.cookies.set(w, tripName(state), "", -1)
	}
	return nil
}

// tripOf opens the trip that this browser began with a state.
func (l *Login) tripOf(r *http.Request, state string) (trip, bool) {
	if len(state) < 8 || strings.ContainsFunc(state, func(c rune) bool { return !isBase64URL(c) }) {
		return trip{}, false
	}
	value, found := l.cookies.get(r, tripName(state))
	plain, err := l.cookies.open("trip", tripName(state), value)
	var t trip
	if !found || err != nil || json.Unmarshal(plain, &t) != nil {
		return trip{}, false
	}
	age := l.guard.wall().Sub(time.Unix(t.At, 0))
	return t, age <= tripLife
}

func isBase64URL(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}
