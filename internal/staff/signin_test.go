package staff

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/connectors"
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
		b.submit("username", "username", c.username, "password", c.password)
		if b.page.status != c.status || !b.shows(c.shows) && c.shows != "" || !strings.Contains(text(b.page.body), c.says) {
			t.Errorf("%s/%s: %d %s", c.username, c.password, b.page.status, text(b.page.body))
		}
		if signedIn := b.cookies()["agent"] != ""; signedIn != (c.shows == "pin") {
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
		b.submit("username", "username", "sam", "password", staffPassword)
		_, fields := b.form("code")
		return b, fields
	}
	b, fields := half()
	if b.visit(http.MethodGet, h.server.URL+"/sign-in?r="+url.QueryEscape(fields.Get("request")), nil); !b.shows("username") {
		t.Errorf("half a sign-in goes on: %s", text(b.page.body))
	}
	b, _ = half()
	b.submit("code", "code", "000000x")
	if b.page.status != http.StatusUnprocessableEntity || !b.shows("code") {
		t.Errorf("a wrong code: %d %s", b.page.status, text(b.page.body))
	}
	// The proof of another browser, or a made up one, is none.
	_, others := half()
	for name, proof := range map[string]string{"another browser's": others.Get("proof"), "no": "", "a made up": "xxxx"} {
		b, _ := half()
		b.submit("code", "proof", proof, "code", h.code())
		if b.page.status != http.StatusUnprocessableEntity || !b.shows("username") {
			t.Errorf("%s proof: %d %s", name, b.page.status, text(b.page.body))
		}
	}
	b, _ = half()
	h.clock.add(5*time.Minute + time.Second)
	b.submit("code", "code", h.code())
	if b.page.status != http.StatusUnprocessableEntity || !b.shows("username") {
		t.Errorf("a code after %v: %d %s", 5*time.Minute, b.page.status, text(b.page.body))
	}
	b, _ = half()
	b.submit("code", "code", h.code())
	if !b.shows("pin") {
		t.Errorf("the right code: %d %s", b.page.status, text(b.page.body))
	}
	b, _ = half()
	b.submit("code", "code", h.code())
	if b.page.status != http.StatusUnprocessableEntity || !b.shows("code") {
		t.Errorf("the same code again: %d %s", b.page.status, text(b.page.body))
	}
}

// TestTooManySignIns says so, with the status for it.
func TestTooManySignIns(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.open(h.app("docs"))
	for range 10 {
		b.submit("username", "username", "dana", "password", "wrong")
	}
	b.submit("username", "username", "dana", "password", staffPassword)
	if b.page.status != http.StatusTooManyRequests || b.cookies()["agent"] != "" {
		t.Errorf("%d %s", b.page.status, text(b.page.body))
	}
	b.submit("username", "username", "erin", "password", staffPassword)
	if !b.shows("pin") {
		t.Errorf("somebody else: %d %s", b.page.status, text(b.page.body))
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
	if b.shows("username") || !strings.Contains(b.page.body, "Continue with Night shift") || !strings.Contains(b.page.body, "Continue with Local people") {
		t.Fatalf("there is no choice: %s", text(b.page.body))
	}
	_, fields := b.form("email")
	b.visit(http.MethodGet, h.server.URL+"/sign-in?connector=night&r="+url.QueryEscape(fields.Get("request")), nil)
	b.login("dana")
	if !strings.Contains(text(b.page.body), "Night shift") {
		t.Errorf("dana signs in elsewhere: %s", text(b.page.body))
	}
	b.open(h.app("docs", "prompt", "login"))
	b.visit(http.MethodGet, h.server.URL+"/sign-in?connector=unknown&r="+url.QueryEscape(fields.Get("request")), nil)
	if b.page.status != http.StatusOK {
		t.Errorf("an unknown connector: %d", b.page.status)
	}
}

// TestAnotherBrowser: what was begun in one browser cannot be gone on with in
// another, at any step.
func TestAnotherBrowser(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.open(h.app("docs"))
	_, fields := b.form("username")
	request := fields.Get("request")
	other := h.browser()
	other.open(h.app("docs")) // has a secret of its own
	pin := h.mint(acme, "support-pin")
	for _, browser := range []*browser{other, h.browser()} {
		for path, form := range map[string]url.Values{
			"/sign-in": nil, "/summary": nil,
			"/sign-in/local": {"connector": {"local"}, "username": {"dana"}, "password": {staffPassword}},
			"/sign-in/code":  {"code": {"123456"}}, "/redeem": {"account": {acme.Handle}, "pin": {pin.Secret.Reveal()}},
			"/enter": {"enter": {"1"}}, "/cancel": {}, "/sign-out": {},
		} {
			if form == nil {
				browser.visit(http.MethodGet, h.server.URL+path+"?r="+url.QueryEscape(request), nil)
			} else {
				form.Set("request", request)
				browser.visit(http.MethodPost, h.server.URL+path, form)
			}
			if browser.page.status != http.StatusBadRequest || !strings.Contains(text(browser.page.body), "begun in another browser") || browser.callback != nil {
				t.Errorf("%s: %d %s", path, browser.page.status, text(browser.page.body))
			}
		}
	}
	b.login("dana")
	if !b.shows("pin") {
		t.Errorf("its own browser: %s", text(b.page.body))
	}
	h.clock.add(10*time.Minute + time.Second)
	b.redeem(acme, pin)
	if b.page.status != http.StatusBadRequest {
		t.Errorf("after ten minutes: %d %s", b.page.status, text(b.page.body))
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
	at, _ := url.Parse(h.server.URL)
	for _, name := range []string{"agent", "session"} {
		thief.client.Jar.SetCookies(at, []*http.Cookie{{Name: "valetkey-" + name, Value: b.cookies()[name]}})
	}
	thief.open(h.app("docs"))
	if thief.callback != nil || !thief.shows("username") {
		t.Errorf("copied cookies get in: %v %s", thief.callback, text(thief.page.body))
	}
}

// TestNewCookieValues: no value from before a sign-in or a redemption means
// anything after it, so none can be planted.
func TestNewCookieValues(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.browser()
	b.open(h.app("docs"))
	before := b.cookies()
	b.login("dana")
	signed := b.cookies()
	b.redeem(acme, h.mint(acme, "support-pin"))
	redeemed := b.cookies()
	if before["agent"] != "" || before["session"] != "" || signed["agent"] == "" || signed["session"] != "" || redeemed["session"] == "" {
		t.Errorf("cookies: %v, then %v, then %v", before, signed, redeemed)
	}
	b.open(h.app("docs", "prompt", "login"))
	b.login("dana")
	if again := b.cookies()["agent"]; again == signed["agent"] || again == "" {
		t.Error("a second sign-in keeps the cookie's value")
	}
	b.open(h.app("docs", "login_hint", globex.Handle))
	b.submit("/cancel")
	b.redeem(globex, h.mint(globex, "support-pin"))
	if again := b.cookies()["session"]; again == redeemed["session"] || again == "" {
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
	action, fields := b.form("pin")
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
		for _, path := range []string{"/redeem", "/enter", "/cancel", "/sign-out", "/sign-in/local", "/sign-in/code"} {
			if c.status != http.StatusForbidden && path != "/redeem" {
				continue
			}
			got := b.send(http.MethodPost, h.server.URL+path, fields, c.headers...)
			if got.status != c.status || got.header.Get("Set-Cookie") != "" && c.status == http.StatusForbidden {
				t.Errorf("%s with %v: %d, want %d: %s", path, c.headers, got.status, c.status, text(got.body))
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
	_, fields := b.form("username")
	query := fields.Encode()
	for name, got := range map[string]answer{
		"fields in the query": b.send(http.MethodPost, h.server.URL+"/sign-in/local?"+query, fields),
		"too long":            b.send(http.MethodPost, h.server.URL+"/sign-in/local", url.Values{"request": fields["request"], "username": {strings.Repeat("x", maxForm)}}),
		"no request":          b.send(http.MethodPost, h.server.URL+"/redeem", url.Values{}),
		"no encoding":         b.send(http.MethodPost, h.server.URL+"/redeem", fields, "Content-Type", "text/plain"),
	} {
		if got.status != http.StatusBadRequest || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s", name, got.status, text(got.body))
		}
	}
	for _, path := range []string{"/redeem", "/enter", "/cancel", "/sign-out", "/sign-in/local", "/sign-in/code"} {
		if got := b.send(http.MethodGet, h.server.URL+path+"?"+query, nil); got.status == http.StatusOK || got.status == http.StatusSeeOther {
			t.Errorf("GET %s: %d", path, got.status)
		}
	}
	for _, path := range []string{"/sign-in", "/summary"} {
		if got := b.send(http.MethodGet, fmt.Sprint(h.server.URL, path), nil); got.status != http.StatusBadRequest {
			t.Errorf("%s without a request: %d", path, got.status)
		}
	}
}
