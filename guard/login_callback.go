package guard

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// errAnswer says that what came back is not what was asked for.
var errAnswer = errors.New("the broker's answer is not good here")

// Callback is where the broker sends an agent back to. It lets them in when this
// browser has begun the trip (state), when the answer is the broker's (iss, RFC
// 9207), and when the tokens are those that were asked for.
func (l *Login) Callback(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		l.wrongMethod(w, r, http.MethodGet)
		return
	}
	query := r.URL.Query()
	state := query.Get("state")
	t, begun := l.tripOf(r, state)
	if begun {
		l.cookies.set(w, tripName(state), "", -1) // each is made once
	}
	if !begun || subtle.ConstantTimeCompare([]byte(t.State), []byte(state)) != 1 || repeats(query) {
		l.guard.log.InfoContext(r.Context(), "a support sign-in came back that this browser did not begin; they begin where their cookies come back to, at the host of RedirectURI",
			"redirect_uri", l.cfg.RedirectURI)
		l.say(w, r, Notice{Status: http.StatusBadRequest, Code: "not_begun_here", Title: "This sign-in did not finish",
			Text: "It was not begun in this browser, or it took longer than ten minutes.", Actions: l.again("")})
		return
	}
	// One issuer's answer must not be taken for another's, nor an error of somebody
	// else's for the broker's.
	if query.Get("iss") != l.guard.cfg.Issuer {
		l.refuseAnswer(w, r, t, fmt.Errorf("%w: its iss is another", errAnswer))
		return
	}
	if query.Get("error") != "" || query.Get("code") == "" {
		l.declined(w, r, t, query)
		return
	}
	k, err := l.exchange(r, t, query.Get("code"))
	if err == nil {
		err = l.put(w, r, k)
	}
	if err != nil {
		l.refuseAnswer(w, r, t, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // this address has the code
	sendTo(w, t.Return)
}

// sendTo sends a browser to a path of this app, exactly: http.Redirect would
// clean it.
func sendTo(w http.ResponseWriter, path string) {
	var ascii strings.Builder
	for _, c := range []byte(path) {
		if c <= ' ' || c >= 0x80 {
			fmt.Fprintf(&ascii, "%%%02X", c)
			continue
		}
		ascii.WriteByte(c)
	}
	w.Header().Set("Location", ascii.String())
	w.WriteHeader(http.StatusSeeOther)
}

// repeats reports whether a parameter is there twice (RFC 6749 section 3.1).
func repeats(query url.Values) bool {
	for _, values := range query {
		if len(values) != 1 {
			return true
		}
	}
	return false
}

// refuseAnswer tells an agent that what came back cannot be used, and the log
// why.
func (l *Login) refuseAnswer(w http.ResponseWriter, r *http.Request, t trip, err error) {
	var refusal *Refusal
	switch {
	case errors.Is(err, errOtherSession):
		l.say(w, r, Notice{Status: http.StatusConflict, Code: "other_session", Title: "This browser is in another support session now",
			Text:    "The session that you were working in here is not the one that your browser has at the broker. Nothing was done.",
			Advice:  "Enter the other session, or leave support mode.",
			Actions: append(l.again(t.Return), l.leave())})
	case errors.Is(err, errAnswer), errors.As(err, &refusal) && refusal.Status != http.StatusServiceUnavailable:
		l.guard.log.WarnContext(r.Context(), "a support sign-in is refused", "error", err)
		l.say(w, r, Notice{Status: http.StatusBadRequest, Code: "bad_answer", Title: "This sign-in did not finish",
			Text: "What came back from the broker cannot be used here.", Actions: l.again(t.Return)})
	case errors.Is(err, errTooLarge):
		l.tooLarge(w, r, err)
	default:
		l.unreachable(w, r, err)
	}
}

// declined is what the broker's error means to an agent (RFC 6749 section
// 4.1.2.1; OpenID Connect Core 1.0 section 3.1.2.6).
func (l *Login) declined(w http.ResponseWriter, r *http.Request, t trip, said url.Values) {
	code := said.Get("error")
	n := Notice{Status: http.StatusBadRequest, Code: "declined", Title: "This sign-in did not finish", Actions: l.again(t.Return)}
	switch code {
	case "access_denied":
		n.Status, n.Text = http.StatusForbidden, "It was cancelled, or nothing was lent that this app can use."
	case "login_required", "interaction_required", "consent_required", "account_selection_required":
		n = l.over(t.Return)
	case "temporarily_unavailable", "server_error":
		l.unreachable(w, r, fmt.Errorf("the broker answers %s", code))
		return
	default:
		l.guard.log.WarnContext(r.Context(), "the broker refuses a support sign-in", "code", escaped(code), "description", escaped(said.Get("error_description")))
		n.Text = "The broker let nobody in."
	}
	l.say(w, r, n)
}
