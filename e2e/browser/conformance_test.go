package browser

import (
	"encoding/json"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey/internal/testkit"
)

// block is what the browser of the OpenID Foundation's suite does at an address.
type block struct {
	Match string
	Limit *int `json:"match-limit"`
	Tasks []struct {
		Task, Match string
		Optional    bool
		Commands    [][]any
	}
}

// plan is a configuration of that suite.
type plan struct {
	Browser  []block
	Override map[string]struct{ Browser []block }
}

// conformant serves the broker of e2e/conformance, with a temporary login, under
// an address of this machine. It returns what the plans say in its place.
func conformant(t *testing.T) (*broker, func(file string) plan) {
	t.Helper()
	b, address := place(t, "127.0.0.1")
	read := func(file string) string {
		text, err := os.ReadFile("../conformance/" + file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.NewReplacer("https://access.valetkey.test", b.issuer, "127.0.0.1:8400", address, "https://localhost.emobix.co.uk:8443", b.app.URL).Replace(string(text))
	}
	b.serve(read("valetkey.yaml"))
	var login struct{ Email, Password string }
	b.post("/api/v1/accounts/conformance/credentials", "application/json",
		`{"policy": "temporary-login", "account_name": "Conformance Inc", "handle": "4711", "owner": {"sub": "local:olga", "name": "Olga", "claims": {"role": "owner"}}}`,
		b.apiToken("minter", "minter-secret-that-is-no-secret"), &login)
	return b, func(file string) plan {
		var p plan
		text := strings.NewReplacer("TEMPORARY-EMAIL", login.Email, "TEMPORARY-PASSWORD", login.Password).Replace(read(file))
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
}

// suits compares as the suite does: a star is any text.
func suits(pattern, address string) bool {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(address)
}

// visit goes to an address and does what the first block for it says.
func (b *tab) visit(blocks []block, target string) {
	b.t.Helper()
	b.run("visiting", chromedp.Navigate(target), settled)
	for i := range blocks {
		if !suits(blocks[i].Match, target) || blocks[i].Limit != nil && *blocks[i].Limit <= 0 {
			continue
		}
		if blocks[i].Limit != nil {
			*blocks[i].Limit--
		}
		for _, task := range blocks[i].Tasks {
			at := ask(b, "asking where this is", chromedp.Location())
			switch {
			case suits(task.Match, at):
				for _, command := range task.Commands {
					b.obey(task.Task, command)
				}
			case !task.Optional:
				b.t.Fatalf("%s: the browser is at %s", task.Task, at)
			}
		}
		return
	}
	b.t.Fatalf("no block is for %s", target)
}

// obey does one command, and waits for the page that comes then.
func (b *tab) obey(task string, command []any) {
	b.t.Helper()
	text := func(i int) string {
		if len(command) <= i {
			return ""
		}
		s, _ := command[i].(string)
		return s
	}
	selector := map[string]string{"css": text(2), "name": "[name=" + text(2) + "]", "id": "#" + text(2), "xpath": "body"}[text(1)]
	switch text(0) {
	case "wait":
		b.run(task, chromedp.WaitVisible(css(selector)))
		page := ask(b, task, chromedp.Text(css(`body`)))
		if !regexp.MustCompile(text(4)).MatchString(page) && !strings.HasSuffix(text(5), "-optional") {
			b.t.Errorf("%s: the page does not say %q: %s", task, text(4), page)
		}
		return
	case "click", "text":
		quoted, _ := json.Marshal(selector)
		if !ask(b, task, chromedp.Evaluate[bool]("document.querySelector("+string(quoted)+") !== null")) {
			if text(len(command)-1) != "optional" {
				b.t.Fatalf("%s: the page has no %s", task, selector)
			}
			return
		}
	}
	if text(0) == "text" {
		b.run(task, chromedp.SendKeys(css(selector), text(3)))
		return
	}
	if strings.HasSuffix(selector, "summary") {
		b.run(task, chromedp.Click(css(selector)))
		return
	}
	// A click that sends a form is done when another document is there.
	b.run(task, chromedp.WaitVisible(css(selector)), old, chromedp.Click(css(selector)), settled)
}

// old marks this document, so that the next one is told apart; settled waits for
// one that does not send itself on.
var (
	old     = chromedp.Evaluate[chromedp.Void](`document.documentElement.dataset.old = "1"`)
	settled = chromedp.WaitVisible(css(`html:not([data-old]):not(:has(#form-post)) body`))
)

// TestTheConformancePlansDriveOurPages: what the suite's browser is told to do
// leads through the pages as they are, in every case that is told apart.
func TestTheConformancePlansDriveOurPages(t *testing.T) {
	t.Parallel()
	b, read := conformant(t)
	browser := testkit.Chromium(t)
	callback := b.app.URL + "/test/a/valetkey/callback"
	oidcc, fapi := read("oidcc.json"), read("fapi2.json")
	answer := func(t *testing.T, tab *tab, blocks []block, pairs ...string) url.Values {
		t.Helper()
		target, called := b.authorize(append([]string{"client_id", "conformance-1", "redirect_uri", callback, "scope", "openid"}, pairs...)...)
		tab.visit(blocks, target)
		return tab.arrived(called)
	}
	none := []string{"code_challenge", "", "code_challenge_method", ""}
	t.Run("basic", func(t *testing.T) {
		tab := open(browser, t, looks[0])
		for _, pairs := range [][]string{none, {"prompt", "none"}, {"client_id", "conformance-2", "prompt", "consent"}, {"login_hint", "4711"}, {"response_mode", "form_post"}} {
			if got := answer(t, tab, oidcc.Browser, pairs...); got.Get("code") == "" {
				t.Errorf("%v: the suite is called back with %v", pairs, got)
			}
		}
	})
	t.Run("form post, not signed in", func(t *testing.T) {
		tab := open(browser, t, looks[0])
		if got := answer(t, tab, oidcc.Browser, "response_mode", "form_post", "prompt", "none"); got.Get("error") != "login_required" {
			t.Errorf("silently: %v", got)
		}
		if got := answer(t, tab, oidcc.Browser, "response_mode", "form_post"); got.Get("code") == "" || got.Get("posted") == "" {
			t.Errorf("the suite is called back with %v", got)
		}
	})
	for module, pair := range map[string][2]string{"oidcc-prompt-login": {"prompt", "login"}, "oidcc-max-age-1": {"max_age", "0"}} {
		t.Run(module, func(t *testing.T) {
			tab := open(browser, t, looks[0])
			for _, pairs := range [][]string{nil, pair[:]} {
				if got := answer(t, tab, oidcc.Override[module].Browser, pairs...); got.Get("code") == "" {
					t.Errorf("%v: the suite is called back with %v", pairs, got)
				}
			}
		})
	}
	for _, module := range []string{"oidcc-ensure-registered-redirect-uri", "oidcc-ensure-request-object-with-redirect-uri"} {
		target, _ := b.authorize("client_id", "conformance-1", "redirect_uri", callback+"/"+path.Base(module))
		open(browser, t, looks[0]).visit(oidcc.Override[module].Browser, target)
	}
	t.Run("signed out", func(t *testing.T) {
		tab, logout := open(browser, t, looks[0]), read("logout.json")
		signedOut := logout.Override["oidcc-rp-initiated-logout-no-params"].Browser
		for _, visit := range []struct {
			blocks []block
			query  string
		}{{logout.Browser, "?state=x&post_logout_redirect_uri=" + url.QueryEscape(callback+"?foo=bar")}, {signedOut, ""}} {
			if got := answer(t, tab, logout.Browser, none...); got.Get("code") == "" {
				t.Errorf("the suite is called back with %v", got)
			}
			tab.visit(visit.blocks, b.issuer+"/logout"+visit.query)
		}
		if got := answer(t, tab, logout.Browser, "prompt", "none"); got.Get("error") == "" {
			t.Errorf("after signing out the suite is called back with %v", got)
		}
	})
	t.Run("the user rejects", func(t *testing.T) {
		got := answer(t, open(browser, t, looks[0]), fapi.Override["fapi2-security-profile-final-user-rejects-authentication"].Browser)
		if got.Get("error") != "access_denied" {
			t.Errorf("the suite is called back with %v", got)
		}
	})
	t.Run("looked at, then gone through", func(t *testing.T) {
		tab, blocks := open(browser, t, looks[0]), fapi.Override["fapi2-security-profile-final-par-ensure-reused-request-uri-prior-to-auth-completion-succeeds"].Browser
		target, called := b.authorize("client_id", "conformance-1", "redirect_uri", callback, "scope", "openid")
		tab.visit(blocks, target)
		tab.visit(blocks, target)
		if got := tab.arrived(called); got.Get("code") == "" {
			t.Errorf("the suite is called back with %v", got)
		}
	})
}
