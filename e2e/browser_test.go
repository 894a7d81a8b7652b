package e2e

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// maxRedirects is where a real browser gives up, too.
const maxRedirects = 20

// browser is somebody's: it keeps cookies, follows redirects, shows one page,
// and stops at an app's callback.
type browser struct {
	b        *broker
	client   *http.Client
	page     page
	callback url.Values // what the app was called back with, once it was
	caller   string     // the issuer that calls back; the broker, where it is nothing
}

// browser opens a new one, without cookies.
func (b *broker) browser() *browser {
	b.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return &browser{b: b, client: &http.Client{
		Jar: jar, Transport: b.tape, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// open goes to an address, as by a link from an app.
func (w *browser) open(target string) {
	w.b.t.Helper()
	w.callback = nil
	w.visit(w.request(http.MethodGet, target, nil))
}

// request is for the broker, or for one of the issuers where people sign in.
func (w *browser) request(method, target string, body io.Reader) *http.Request {
	w.b.t.Helper()
	if !w.b.company.has(target) {
		return w.b.request(method, target, body)
	}
	request, err := http.NewRequestWithContext(w.b.t.Context(), method, target, body)
	if err != nil {
		w.b.t.Fatal(err)
	}
	return request
}

// visit performs the request and follows where it leads.
func (w *browser) visit(request *http.Request) {
	w.b.t.Helper()
	for range maxRedirects {
		response, err := w.client.Do(request)
		if err != nil {
			w.b.t.Fatalf("%s %s: %v", request.Method, request.URL, err)
		}
		if response.StatusCode < 300 || response.StatusCode > 399 {
			w.page = readPage(w.b.t, response)
			return
		}
		_ = response.Body.Close()
		next, err := response.Location()
		if err != nil {
			w.b.t.Fatalf("%s %s answers %d without a place to go", request.Method, request.URL, response.StatusCode)
		}
		at := request.URL.String()
		if request.Method == http.MethodPost && response.StatusCode != http.StatusSeeOther && !w.b.company.has(at) {
			w.b.t.Errorf("POST %s redirects with %d, want 303", request.URL.Path, response.StatusCode)
		}
		if !strings.HasPrefix(next.String(), w.b.issuer+"/") && !strings.HasPrefix(next.String(), w.b.at+"/") && !w.b.company.has(next.String()) {
			w.page, w.callback = page{}, next.Query()
			w.checkCallback(next)
			return
		}
		request = w.request(http.MethodGet, next.String(), nil)
	}
	w.b.t.Fatalf("more than %d redirects, the last to %s", maxRedirects, request.URL)
}

// checkCallback wants every authorization response to name its issuer.
func (w *browser) checkCallback(at *url.URL) {
	w.b.t.Helper()
	if iss, want := at.Query().Get("iss"), cmp.Or(w.caller, w.b.issuer); iss != want {
		w.b.t.Errorf("an authorization response has iss %q, want %q", iss, want)
	}
}

// submit fills the named fields of a form, leaves all others as they came, and
// presses button (or, where it is nothing, the Enter key).
func (w *browser) submit(f form, fill map[string]string, button string) {
	w.b.t.Helper()
	values := f.values(button)
	for name, value := range fill {
		if !f.has(name) {
			w.b.t.Fatalf("the form at %s has no field %q: %v", w.page.url, name, f.names())
		}
		values.Set(name, value)
	}
	target := w.page.url.ResolveReference(f.action).String()
	w.callback = nil
	if f.method == http.MethodGet {
		w.visit(w.request(http.MethodGet, target+"?"+values.Encode(), nil))
		return
	}
	request := w.request(http.MethodPost, target, bytes.NewBufferString(values.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// What browsers say of a form that the site itself has served.
	request.Header.Set("Origin", w.page.url.Scheme+"://"+w.page.url.Host)
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	w.visit(request)
}

// form returns the page's form that has all the named fields or buttons.
func (w *browser) form(names ...string) form {
	w.b.t.Helper()
	f, ok := w.page.find(names...)
	if !ok {
		w.b.t.Fatalf("no form with %v at %s (status %d, callback %v); the page says: %s",
			names, w.page.url, w.page.status, w.callback, w.page.text())
	}
	return f
}

// shows reports whether the page has a form with these fields or buttons.
func (w *browser) shows(names ...string) bool {
	_, ok := w.page.find(names...)
	return ok
}

// login proves who the agent is, with the second factor where there is one.
func (w *browser) login(who person) {
	w.b.t.Helper()
	w.submit(w.form("username", "password"), map[string]string{
		"username": who.username, "password": staffPassword,
	}, "")
	if who.totp != "" {
		w.submit(w.form("code"), map[string]string{"code": w.b.totp(who)}, "")
	}
}

// enterPIN sends account and PIN and leaves whatever page comes.
func (w *browser) enterPIN(handle, pin string) {
	w.b.t.Helper()
	w.submit(w.form("account", "pin", "reason"), map[string]string{
		"account": handle, "pin": pin, "reason": "ticket 4711",
	}, "")
}

// redeem sends whatever kind of credential it is.
func (w *browser) redeem(c credential) {
	w.b.t.Helper()
	if c.PIN != "" {
		w.enterPIN(c.Handle, c.PIN)
		return
	}
	w.submit(w.form("email", "password", "reason"), map[string]string{
		"email": c.Email, "password": c.Password, "reason": "ticket 4711",
	}, "")
}

// enter presses the button of the summary and returns the code for the app.
func (w *browser) enter() string {
	w.b.t.Helper()
	w.submit(w.form("enter"), nil, "enter")
	code := w.callback.Get("code")
	if code == "" {
		w.b.t.Fatalf("entering gives no code: status %d, callback %v; the page says: %s", w.page.status, w.callback, w.page.text())
	}
	return code
}
