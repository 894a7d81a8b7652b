package staff

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
	"github.com/valetkey/valetkey/internal/signin/signintest"
)

// TestSignIn: what a sign-in of local people can end with.
func TestSignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, c := range []struct {
		username, password string
		status             int
		shows, says        string
	}{
		{"dana", staffPassword, http.StatusOK, "pin", "Enter a customer’s account"},
		{" dana ", staffPassword, http.StatusOK, "pin", "Enter a customer’s account"},
		{"sam", staffPassword, http.StatusOK, "code", "Enter your own code"},
		{"dana", "wrong", http.StatusUnprocessableEntity, "username", "did not match"},
		{"nobody", staffPassword, http.StatusUnprocessableEntity, "username", "did not match"},
		{"bob", staffPassword, http.StatusForbidden, "", "not one of those that may give support"},
	} {
		b := h.browser()
		b.open(h.app("docs"))
		b.Submit("username", "username", c.username, "password", c.password)
		if b.Page.Status != c.status || !b.Shows(c.shows) && c.shows != "" || !strings.Contains(b.Page.Text(), c.says) {
			t.Errorf("%s/%s: %d %s", c.username, c.password, b.Page.Status, b.Page.Text())
		}
		if signedIn := b.Cookies()["agent"] != ""; signedIn != (c.shows == "pin") {
			t.Errorf("%s/%s: signed in %v", c.username, c.password, signedIn)
		}
	}
}

// TestSecondFactor: the password alone opens nothing, and the code is bound to
// browser and time.
func TestSecondFactor(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	half := func() (*browser, url.Values) {
		b := h.browser()
		b.open(h.app("docs"))
		b.Submit("username", "username", "sam", "password", staffPassword)
		_, fields := b.Form("code")
		return b, fields
	}
	b, fields := half()
	if b.Visit(http.MethodGet, h.server.URL+"/sign-in?r="+url.QueryEscape(fields.Get("request")), nil); !b.Shows("username") {
		t.Errorf("half a sign-in goes on: %s", b.Page.Text())
	}
	b, _ = half()
	b.Submit("code", "code", "000000x")
	if b.Page.Status != http.StatusUnprocessableEntity || !b.Shows("code") {
		t.Errorf("a wrong code: %d %s", b.Page.Status, b.Page.Text())
	}
	// The proof of another browser, or a made up one, is none.
	_, others := half()
	for name, proof := range map[string]string{"another browser's": others.Get("proof"), "no": "", "a made up": "xxxx"} {
		b, _ := half()
		b.Submit("code", "proof", proof, "code", h.code())
		if b.Page.Status != http.StatusUnprocessableEntity || !b.Shows("username") {
			t.Errorf("%s proof: %d %s", name, b.Page.Status, b.Page.Text())
		}
	}
	b, _ = half()
	h.clock.Add(5*time.Minute + time.Second)
	b.Submit("code", "code", h.code())
	if b.Page.Status != http.StatusUnprocessableEntity || !b.Shows("username") {
		t.Errorf("a code after %v: %d %s", 5*time.Minute, b.Page.Status, b.Page.Text())
	}
	b, _ = half()
	code := h.code() // the clock goes on with every opening, perhaps into the next code's time
	b.Submit("code", "code", code)
	if !b.Shows("pin") {
		t.Errorf("the right code: %d %s", b.Page.Status, b.Page.Text())
	}
	b, _ = half()
	b.Submit("code", "code", code)
	if b.Page.Status != http.StatusUnprocessableEntity || !b.Shows("code") {
		t.Errorf("the same code again: %d %s", b.Page.Status, b.Page.Text())
	}
}

// TestTooManySignIns says so, with the status for it.
func TestTooManySignIns(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.open(h.app("docs"))
	for range 10 {
		b.Submit("username", "username", "dana", "password", "wrong")
	}
	b.Submit("username", "username", "dana", "password", staffPassword)
	if b.Page.Status != http.StatusTooManyRequests || b.Cookies()["agent"] != "" {
		t.Errorf("%d %s", b.Page.Status, b.Page.Text())
	}
	b.Submit("username", "username", "erin", "password", staffPassword)
	if !b.Shows("pin") {
		t.Errorf("somebody else: %d %s", b.Page.Status, b.Page.Text())
	}
}

// TestSeveralConnectors are a choice by name.
func TestSeveralConnectors(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	second := *h.handler.Door.Connectors[0].(*connectors.Local)
	second.ID, second.Name = "night", "Night shift"
	h.handler.Door.Connectors = append(h.handler.Door.Connectors, &second)
	b := h.browser()
	b.open(h.app("docs"))
	if b.Shows("username") || !strings.Contains(b.Page.Body, "Continue with Night shift") || !strings.Contains(b.Page.Body, "Continue with Local people") {
		t.Fatalf("there is no choice: %s", b.Page.Text())
	}
	_, fields := b.Form("email")
	b.Visit(http.MethodGet, h.server.URL+"/sign-in?connector=night&r="+url.QueryEscape(fields.Get("request")), nil)
	b.login("dana")
	if !strings.Contains(b.Page.Text(), "Night shift") {
		t.Errorf("dana signs in elsewhere: %s", b.Page.Text())
	}
	b.open(h.app("docs", "prompt", "login"))
	b.Visit(http.MethodGet, h.server.URL+"/sign-in?connector=unknown&r="+url.QueryEscape(fields.Get("request")), nil)
	if b.Page.Status != http.StatusOK {
		t.Errorf("an unknown connector: %d", b.Page.Status)
	}
}

// TestAnotherBrowser: what was begun in one browser cannot be gone on with in
// another, at any step.
func TestAnotherBrowser(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.open(h.app("docs"))
	_, fields := b.Form("username")
	request := fields.Get("request")
	other := h.browser()
	other.open(h.app("docs")) // has a secret of its own
	pin := h.mint(acme, "support-pin")
	for _, browser := range []*browser{other, h.browser()} {
		for path, form := range map[string]url.Values{
			"/sign-in": nil, "/summary": nil, "/verified": nil, "/verify": {"account": {acme.Handle}, "pin": {pin.Secret.Reveal()}},
			"/sign-in/local": {"connector": {"local"}, "username": {"dana"}, "password": {staffPassword}},
			"/sign-in/code":  {"code": {"123456"}}, "/redeem": {"account": {acme.Handle}, "pin": {pin.Secret.Reveal()}},
			"/enter": {"enter": {"1"}}, "/cancel": {}, "/sign-out": {},
		} {
			if form == nil {
				browser.Visit(http.MethodGet, h.server.URL+path+"?r="+url.QueryEscape(request), nil)
			} else {
				form.Set("request", request)
				browser.Visit(http.MethodPost, h.server.URL+path, form)
			}
			if browser.Page.Status != http.StatusBadRequest || !strings.Contains(browser.Page.Text(), "begun in another browser") || browser.Callback != nil {
				t.Errorf("%s: %d %s", path, browser.Page.Status, browser.Page.Text())
			}
		}
	}
	b.login("dana")
	if !b.Shows("pin") {
		t.Errorf("its own browser: %s", b.Page.Text())
	}
	h.clock.Add(10*time.Minute + time.Second)
	b.redeem(acme, pin)
	if b.Page.Status != http.StatusBadRequest {
		t.Errorf("after ten minutes: %d %s", b.Page.Status, b.Page.Text())
	}
}

// TestCookiesOfAnotherBrowser: copied cookies without the browser's secret are
// worth nothing, nor are they beside another one's.
func TestCookiesOfAnotherBrowser(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.signIn(h.app("docs"), "dana", acme, h.mint(acme, "support-pin"))
	thief := h.browser()
	thief.open(h.app("docs"))
	for _, name := range []string{"agent", "session"} {
		thief.SetCookie(name, b.Cookies()[name])
	}
	thief.open(h.app("docs"))
	if thief.Callback != nil || !thief.Shows("username") {
		t.Errorf("copied cookies get in: %v %s", thief.Callback, thief.Page.Text())
	}
}

// TestNewCookieValues: no value from before a sign-in or a redemption means
// anything after it, so none can be planted.
func TestNewCookieValues(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.open(h.app("docs"))
	before := b.Cookies()
	b.login("dana")
	signed := b.Cookies()
	b.redeem(acme, h.mint(acme, "support-pin"))
	redeemed := b.Cookies()
	if before["agent"] != "" || before["session"] != "" || signed["agent"] == "" || signed["session"] != "" || redeemed["session"] == "" {
		t.Errorf("cookies: %v, then %v, then %v", before, signed, redeemed)
	}
	b.open(h.app("docs", "prompt", "login"))
	b.login("dana")
	if again := b.Cookies()["agent"]; again == signed["agent"] || again == "" {
		t.Error("a second sign-in keeps the cookie's value")
	}
	b.open(h.app("docs", "login_hint", globex.Handle))
	b.Submit("/cancel")
	b.redeem(globex, h.mint(globex, "support-pin"))
	if again := b.Cookies()["session"]; again == redeemed["session"] || again == "" {
		t.Error("a second redemption keeps the cookie's value")
	}
}

// TestFromAnotherSite: forms of other sites are refused, also by browsers that
// say only where they come from.
func TestFromAnotherSite(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.open(h.app("docs"))
	b.login("dana")
	action, fields := b.Form("pin")
	fields.Set("account", acme.Handle)
	pin := h.mint(acme, "support-pin")
	fields.Set("pin", pin.Secret.Reveal())
	for _, c := range []struct {
		headers []string
		status  int
	}{
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.northwind.example"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "", "Origin", "https://evil.example"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "", "Origin", "null"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "", "Origin", h.server.URL}, http.StatusSeeOther},
	} {
		for _, path := range []string{"/redeem", "/verify", "/enter", "/cancel", "/sign-out", "/sign-in/local", "/sign-in/code"} {
			if c.status != http.StatusForbidden && path != "/redeem" {
				continue
			}
			got := b.Send(http.MethodPost, h.server.URL+path, fields, c.headers...)
			if got.Status != c.status || got.Header.Get("Set-Cookie") != "" && c.status == http.StatusForbidden {
				t.Errorf("%s with %v: %d, want %d: %s", path, c.headers, got.Status, c.status, got.Text())
			}
		}
	}
	h.wantAll(map[credentials.Cause]int{"": 1})
	if action == "" {
		t.Error("the form has no action")
	}
}

// TestOddForms are refused before anything is done.
func TestOddForms(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.open(h.app("docs"))
	_, fields := b.Form("username")
	query := fields.Encode()
	for name, got := range map[string]signintest.Answer{
		"fields in the query": b.Send(http.MethodPost, h.server.URL+"/sign-in/local?"+query, fields),
		"too long":            b.Send(http.MethodPost, h.server.URL+"/sign-in/local", url.Values{"request": fields["request"], "username": {strings.Repeat("x", 64<<10)}}),
		"no request":          b.Send(http.MethodPost, h.server.URL+"/redeem", url.Values{}),
		"no encoding":         b.Send(http.MethodPost, h.server.URL+"/redeem", fields, "Content-Type", "text/plain"),
	} {
		if got.Status != http.StatusBadRequest || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s", name, got.Status, got.Text())
		}
	}
	for _, path := range []string{"/redeem", "/verify", "/enter", "/cancel", "/sign-out", "/sign-in/local", "/sign-in/code"} {
		if got := b.Send(http.MethodGet, h.server.URL+path+"?"+query, nil); got.Status == http.StatusOK || got.Status == http.StatusSeeOther {
			t.Errorf("GET %s: %d", path, got.Status)
		}
	}
	for _, path := range []string{"/sign-in", "/summary", "/verified"} {
		if got := b.Send(http.MethodGet, fmt.Sprint(h.server.URL, path), nil); got.Status != http.StatusBadRequest {
			t.Errorf("%s without a request: %d", path, got.Status)
		}
	}
}

// TestDoubledFields: which of two values the agent means is not guessed. Nothing
// is tried or written, and the same form goes on afterwards.
func TestDoubledFields(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.open(h.app("docs"))
	b.login("dana")
	pin := h.mint(acme, "support-pin")
	_, fields := b.Form("pin")
	fields.Set("account", acme.Handle)
	fields.Set("pin", pin.Secret.Reveal())
	written := signintest.Watch(t, h.dsn)
	for _, name := range []string{"account", "pin", "request", "form", "reason"} {
		doubled := maps.Clone(fields)
		doubled[name] = []string{fields.Get(name), fields.Get(name)}
		if got := b.Send(http.MethodPost, h.server.URL+"/redeem", doubled); got.Status != http.StatusBadRequest || !strings.Contains(got.Text(), "The form cannot be read.") {
			t.Errorf("two of %s: %d %s", name, got.Status, got.Text())
		}
	}
	request := url.QueryEscape(fields.Get("request"))
	for _, query := range []string{"r=" + request + "&r=" + request, "r=" + request + "&x=%zz", "r=" + request + ";x"} {
		if got := b.Send(http.MethodGet, h.server.URL+"/sign-in?"+query, nil); got.Status != http.StatusBadRequest {
			t.Errorf("the query %.20s…: %d", query, got.Status)
		}
	}
	if got := b.Send(http.MethodPost, h.server.URL+"/logout/confirm", url.Values{"request": {"a", "a"}}); !strings.Contains(got.Text(), "The form cannot be read.") {
		t.Errorf("the logout page: %d %s", got.Status, got.Text())
	}
	if got := b.Send(http.MethodPost, h.server.URL+"/sign-in/local", url.Values{"request": fields["request"], "username": {"dana", "sam"}}); !strings.Contains(got.Text(), "The form cannot be read.") {
		t.Errorf("the sign-in: %d %s", got.Status, got.Text())
	}
	if written() {
		t.Error("one of them was written down")
	}
	if b.redeem(acme, pin); !b.Shows("enter") {
		t.Errorf("the form afterwards: %d %s", b.Page.Status, b.Page.Text())
	}
}
