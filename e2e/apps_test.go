package e2e

import (
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

func TestASecondAppEntersWithoutASecondPIN(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		w := b.browser()
		v, code := w.signIn(b.docs(), dana, b.pin("support-pin"))
		docs := v.exchange(code)

		v = b.authorize(b.files())
		w.open(v.url())
		if w.callback.Get("code") == "" {
			t.Fatalf("the second app is not entered at once: %d %v %s", w.page.status, w.callback, w.page.text())
		}
		files := v.exchange(w.callback.Get("code"))
		one, two := b.access(docs), b.access(files)
		if one.SID != two.SID || one.Subject != two.Subject || two.Client != "files" {
			t.Errorf("the second app's session is %q of %q for %q, want %q of %q", two.SID, two.Subject, two.Client, one.SID, one.Subject)
		}
		if two.lent() != "documents.read" {
			t.Errorf("the second app gets %q", two.lent())
		}
		if files.Refresh != "" {
			t.Error("an app without the refresh_token grant gets a refresh token")
		}
		b.verify(files.ID, jose.ES256, "")

		// A third, of another product, is told of the same session but not alike.
		v = b.authorize(b.metrics(), "scope", "openid settings.write")
		w.open(v.url())
		if code := w.callback.Get("code"); code != "" {
			third := b.access(v.exchange(code))
			if !slices.Equal(third.Audience, []string{metricsAudience}) || third.lent() != "" {
				t.Errorf("the third app's token is for %v with %q", third.Audience, third.lent())
			}
		} else if w.callback.Get("error") != "access_denied" {
			t.Errorf("the third app: %v, want a code or access_denied", w.callback)
		}
		b.wantAlive("after three apps", docs)
	})
}

func TestAnotherBrowserNeedsACredential(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		b.session(dana, b.pin("support-pin"))
		w := b.browser()
		w.open(b.authorize(b.docs()).url())
		w.login(dana)
		if w.callback != nil || !w.shows("account", "pin") {
			t.Errorf("the same agent in another browser: %v %s, want to be asked", w.callback, w.page.text())
		}
		w.open(b.authorize(b.docs(), "prompt", "none").url())
		if got := w.callback.Get("error"); got != "login_required" && got != "interaction_required" {
			t.Errorf("prompt=none in another browser: %v, want login_required", w.callback)
		}
	})
}

func TestPromptLoginRepeatsTheSignInAndKeepsTheSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		w := b.browser()
		v, code := w.signIn(b.docs(), dana, b.pin("support-pin"))
		first := v.exchange(code)

		v = b.authorize(b.docs(), "prompt", "login")
		w.open(v.url())
		w.login(dana)
		if w.shows("pin") {
			t.Fatal("prompt=login spends a use: it asks for a PIN")
		}
		if w.shows("enter") {
			w.submit(w.form("enter"), nil, "enter")
		}
		second := v.exchange(w.callback.Get("code"))
		one, two := b.access(first), b.access(second)
		if one.SID != two.SID || two.AuthTime < one.AuthTime {
			t.Errorf("prompt=login gives session %q at %d, want %q at %d or later", two.SID, two.AuthTime, one.SID, one.AuthTime)
		}
		b.wantAlive("the first token", first)
	})
}

// TestOneLiveSessionPerBrowser: asked for another account, the browser's agent
// chooses between going on and ending the session for another.
func TestOneLiveSessionPerBrowser(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		w := b.browser()
		v, code := w.signIn(b.docs(), dana, b.pin("support-pin"))
		first := v.exchange(code)
		other := b.mint(mint{account: globex, policy: "support-pin"})

		v = b.authorize(b.docs(), "login_hint", globex.handle)
		w.open(v.url())
		if w.callback != nil || w.page.status != 200 || len(w.page.forms) == 0 {
			t.Fatalf("a hint at another account: %v %d %s, want to be asked", w.callback, w.page.status, w.page.text())
		}
		b.wantAlive("being asked", first)
		// The choices are the page's own. One goes on with the session; from
		// another the second account's PIN can be entered.
		asked := w.page
		stayed, left := false, false
		for i := 0; i < len(asked.forms) && !left; i++ {
			v = b.authorize(b.docs(), "login_hint", globex.handle)
			w.open(v.url())
			w.submit(w.page.forms[i], nil, "")
			if code := w.callback.Get("code"); code != "" {
				stayed = b.access(v.exchange(code)).SID == b.access(first).SID
			}
			left = w.shows("account", "pin")
		}
		if !left {
			t.Fatalf("no choice leads to the other account, the last to %v: %s", w.callback, asked.text())
		}
		if !stayed {
			t.Error("no choice goes on with the session")
		}
		w.redeem(other)
		second := b.access(v.exchange(w.enter()))
		if second.Account.ID != globex.id {
			t.Errorf("the new session is of %s, want %s", second.Account.ID, globex.id)
		}
		b.wantDead("entering another account", first)
	})
}
