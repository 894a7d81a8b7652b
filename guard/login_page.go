package guard

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the pages and their style
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
)

// Notice is something that Login has to say to a person.
type Notice struct {
	Status  int    // of HTTP
	Code    string // for machines: a Refusal's, or one of the sign-in itself; docs/integrate.md lists them
	Title   string
	Text    string // what has happened, and what has not
	Advice  string // what to do; may be empty
	Actions []NoticeAction

	// Refusal is what a request of a support session was refused for; nil where it
	// is not about that.
	Refusal *Refusal
}

// NoticeAction is what a person can do next: a link, or a form without fields
// where Post is set.
type NoticeAction struct {
	Label  string
	URL    string // a path of this app
	Post   bool
	NewTab bool // keeps what was typed on the page before
}

//go:embed login_page.html
var pageSource string

//go:embed login_page.css
var pageStyle template.CSS

var (
	pageTemplate = template.Must(template.New("page").Parse(pageSource))
	pageCSP      = "default-src 'none'; style-src 'sha256-" + sha256Base64(string(pageStyle)) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

func sha256Base64(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// plainPage is the page of an app that has none of its own.
func plainPage(w http.ResponseWriter, _ *http.Request, n Notice) {
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, struct {
		Notice
		Style template.CSS
	}{n, pageStyle}); err != nil {
		http.Error(w, n.Title, n.Status)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pageCSP)
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(n.Status)
	_, _ = w.Write(page.Bytes())
}

// say answers with a notice: a page to a browser, JSON to a script.
func (l *Login) say(w http.ResponseWriter, r *http.Request, n Notice) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	if wantsPage(r) {
		l.cfg.Page(w, r, n)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(n.Status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": "support_login", "code": n.Code, "error_description": n.Title}) // nobody to tell, if not there
}

// refuse answers a request of a browser's support session that is refused here.
func (l *Login) refuse(w http.ResponseWriter, r *http.Request, f *Refusal) {
	l.guard.refuse(w, r.WithContext(context.WithValue(r.Context(), carriedKey{}, "")), f)
}

// refuser shows a page to a browser whose support session is refused something,
// whoever refuses it, and leaves everybody else to the guard's own answer.
func (l *Login) refuser(plain func(http.ResponseWriter, *http.Request, *Refusal)) func(http.ResponseWriter, *http.Request, *Refusal) {
	return func(w http.ResponseWriter, r *http.Request, f *Refusal) {
		if _, carried := r.Context().Value(carriedKey{}).(string); carried && wantsPage(r) {
			l.explain(w, r, f)
			return
		}
		plain(w, r, f)
	}
}

// explain is a refusal in words for an agent.
func (l *Login) explain(w http.ResponseWriter, r *http.Request, f *Refusal) {
	n, back := Notice{}, l.cfg.Home
	if r.Method == http.MethodGet {
		back = r.URL.RequestURI()
	}
	home := NoticeAction{Label: "Go on with something else", URL: l.cfg.Home}
	switch f.Code {
	case "session_ended":
		n = l.over(back)
	case "expired":
		n = Notice{Title: "Your support session must be renewed first", Text: "Nothing was done with what you have sent, and nothing of it is lost.",
			Advice:  "Renew the session in a new tab, then reload this page: your browser offers to send it again.",
			Actions: []NoticeAction{{Label: "Renew in a new tab", URL: l.startURL(l.cfg.Home), NewTab: true}}}
	case "insufficient_scope":
		n = Notice{Title: "This was not lent to you", Text: "Nothing was done. The customer can see that it was tried, and can lend it with a new credential.", Actions: []NoticeAction{home}}
	case "undeclared_route", "wrong_account", "cross_origin":
		n = Notice{Title: "Support cannot do this here", Text: "Nothing was done: this is not part of the access that was lent to you.", Actions: []NoticeAction{home}}
	case "record_refused":
		n = Notice{Title: "This cannot be done", Text: "What support does is recorded first, and the record does not take it. So nothing was done.", Actions: []NoticeAction{home}}
	default:
		n = Notice{Title: "Your support session cannot be used", Text: "Nothing was done.", Actions: append(l.again(back), l.leave())}
		if f.Status == http.StatusServiceUnavailable {
			n = Notice{Title: "This cannot be done now", Text: "The broker that lends access cannot be reached, so nothing was done.", Advice: "Try again in a moment.",
				Actions: []NoticeAction{{Label: "Try again", URL: back}}}
		}
	}
	n.Status, n.Code, n.Refusal = f.Status, f.Code, f
	l.say(w, r, n)
}

// over says that a session goes on no more.
func (l *Login) over(back string) Notice {
	return Notice{Status: http.StatusUnauthorized, Code: "session_ended", Title: "Your support session is over",
		Text:    "The customer ended it, or its time has passed. Nothing was done, and nothing of this account can be seen any more.",
		Advice:  "If there is more to do, ask the customer for new access.",
		Actions: append(l.again(back), l.leave())}
}

// again has a person sign in, and come back.
func (l *Login) again(back string) []NoticeAction {
	return []NoticeAction{{Label: "Sign in for support", URL: l.startURL(back)}}
}

func (l *Login) startURL(back string) string {
	if !l.canReturn(back) || back == l.cfg.Home {
		return l.cfg.StartPath
	}
	return l.cfg.StartPath + "?" + url.Values{"return_to": {back}}.Encode()
}

// leave has a person go back to the app's own login.
func (l *Login) leave() NoticeAction {
	return NoticeAction{Label: "Leave support mode", URL: l.cfg.EndPath, Post: true}
}

func (l *Login) unreachable(w http.ResponseWriter, r *http.Request, err error) {
	l.guard.log.ErrorContext(r.Context(), "a support sign-in could not go on", "error", err)
	l.say(w, r, Notice{Status: http.StatusServiceUnavailable, Code: "unreachable", Title: "Support cannot sign in now",
		Text: "The broker that lends access cannot be reached. Customers are not affected: their own login is apart.", Advice: "Try again in a moment.", Actions: l.again("")})
}

func (l *Login) tooLarge(w http.ResponseWriter, r *http.Request, err error) {
	l.guard.log.ErrorContext(r.Context(), "a support sign-in could not be kept", "error", err)
	l.say(w, r, Notice{Status: http.StatusInternalServerError, Code: "too_large", Title: "Support cannot sign in here",
		Text: "The session's tokens are too large for a cookie. Whoever runs this app finds more in its log."})
}

func (l *Login) wrongMethod(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	l.say(w, r, Notice{Status: http.StatusMethodNotAllowed, Code: "method", Title: "This address is used in another way",
		Text: "Nothing was done.", Actions: []NoticeAction{{Label: "Start page", URL: l.cfg.Home}}})
}

// cut shortens what somebody else said, for the log.
func cut(text string) string {
	if len(text) > 100 {
		return text[:100] + "…"
	}
	return text
}
