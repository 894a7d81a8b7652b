package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/internal/testkit"
)

// tab opens a headless browser with a fresh profile.
func tab(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(testkit.Chromium(t), patience)
	t.Cleanup(cancel)
	return ctx
}

// css selects as style sheets do.
type css = chromedp.CSS

// appAt serves the app's redirect URI and hands over what it is called with.
func appAt(t *testing.T, port int) <-chan url.Values {
	t.Helper()
	called := make(chan url.Values, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/callback" {
			called <- r.URL.Query()
		}
		_, _ = fmt.Fprint(w, `<!doctype html><title>app</title><p id="app">Welcome to the app</p>`)
	}))
	_ = server.Listener.Close()
	server.Listener = listenOn(t, port)
	server.Start()
	t.Cleanup(server.Close)
	return called
}

// TestInARealBrowser: only a real one applies the content security policy to
// the redirect that follows a form, runs the pages' scripts, and judges
// cookies and cross-site requests as browsers do.
func TestInARealBrowser(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		called := appAt(t, b.nodePort)
		pin := b.pin("support-pin")
		v := b.authorize(app{id: "docs", secret: b.env["DOCS_SECRET"], callback: b.nodeCallback()})
		ctx := tab(t)
		err := chromedp.Do(ctx,
			chromedp.Navigate(v.url()),
			chromedp.SendKeys(css(`input[name=username]`), sam.username),
			chromedp.SendKeys(css(`input[name=password]`), staffPassword),
			chromedp.Click(css(`form:has(input[name=username]) button`)),
			chromedp.WaitVisible(css(`input[name=code]`)),
		)
		if err != nil {
			t.Fatalf("the first factor with Chromium: %v", err)
		}
		err = chromedp.Do(ctx,
			chromedp.SendKeys(css(`input[name=code]`), b.totp(sam)), // of now: it is not good for long
			chromedp.Click(css(`form:has(input[name=code]) button`)),
			chromedp.SendKeys(css(`form:has(input[name=pin]) input[name=account]`), pin.Handle),
			chromedp.SendKeys(css(`input[name=pin]`), pin.PIN),
			chromedp.SendKeys(css(`form:has(input[name=pin]) input[name=reason]`), "ticket 4711"),
			chromedp.Click(css(`form:has(input[name=pin]) button`)),
			chromedp.WaitVisible(css(`button[name=enter]`)),
		)
		if err != nil {
			t.Fatalf("signing in with Chromium: %v", err)
		}
		summary, err := chromedp.Run(ctx, chromedp.Text(css(`main`)))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(summary, acme.name) || !strings.Contains(summary, "View documents") {
			t.Errorf("the summary says: %s", summary)
		}
		if err := chromedp.Do(ctx, chromedp.Click(css(`button[name=enter]`)), chromedp.WaitVisible(css(`#app`))); err != nil {
			t.Fatalf("entering with Chromium: %v", err)
		}
		answer := <-called
		if answer.Get("state") != v.state || answer.Get("iss") != b.issuer {
			t.Errorf("the app is called back with %v", answer)
		}
		b.wantAlive("a session from a real browser", v.exchange(answer.Get("code")))
	})
}
