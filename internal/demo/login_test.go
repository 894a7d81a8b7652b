package demo

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestCallback: the app takes back whom it has sent, from whom it has sent them
// to, once.
func TestCallback(t *testing.T) {
	t.Parallel()
	h := start(t)
	begin := func(b *browser) url.Values {
		b.stop = h.world.BrokerURL
		b.open(h.url("/support"))
		if b.last == nil || !strings.HasPrefix(b.last.String(), h.world.BrokerURL+"/authorize?") {
			t.Fatalf("the door leads to %v: %s", b.last, b.text())
		}
		return b.last.Query()
	}
	sent := begin(newBrowser(t))
	for name, want := range map[string]string{"response_type": "code", "client_id": "docs", "redirect_uri": h.url("/support/callback"),
		"code_challenge_method": "S256", "scope": strings.Join(scopes, " ")} {
		if sent.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, sent.Get(name), want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if again := begin(newBrowser(t)); len(sent.Get(name)) < 22 || again.Get(name) == sent.Get(name) {
			t.Errorf("%s is %q, and then %q", name, sent.Get(name), again.Get(name))
		}
	}
	for name, c := range map[string]struct {
		change url.Values
		want   string
	}{
		"another state":    {url.Values{"state": {"another"}}, "not begun in this browser"},
		"no state":         {url.Values{"state": nil}, "not begun in this browser"},
		"another issuer":   {url.Values{"iss": {"http://127.0.0.1:1"}}, "does not come from the broker"},
		"no issuer":        {url.Values{"iss": nil}, "does not come from the broker"},
		"an error":         {url.Values{"code": nil, "error": {"access_denied"}}, "It was cancelled"},
		"another error":    {url.Values{"code": nil, "error": {"server_error"}}, "let nobody in"},
		"an invented code": {nil, "cannot be used here"},
		"an old error":     {url.Values{"code": nil, "error": {"access_denied"}, "iss": {"http://127.0.0.1:1"}}, "does not come from the broker"},
	} {
		b := newBrowser(t)
		q := url.Values{"state": {begin(b).Get("state")}, "iss": {h.world.BrokerURL}, "code": {"c"}}
		for key, values := range c.change {
			q[key] = values
		}
		b.open(h.url("/support/callback?"+q.Encode())).wants(http.StatusBadRequest, c.want)
		b.open(h.url("/support/callback?"+q.Encode())).wants(http.StatusBadRequest, "not begun in this browser")
		b.open(h.url("/support/documents")).wants(http.StatusUnauthorized, "not in support mode")
		if t.Failed() {
			t.Fatal(name)
		}
	}
	// Nor is it finished twice, whoever has kept the cookie.
	b := newBrowser(t)
	q := url.Values{"state": {begin(b).Get("state")}, "iss": {h.world.BrokerURL}, "code": {"c"}}
	at, err := url.Parse(h.url("/support/callback"))
	if err != nil {
		t.Fatal(err)
	}
	kept := b.client.Jar.Cookies(at)
	b.open(at.String()+"?"+q.Encode()).wants(http.StatusBadRequest, "cannot be used here")
	b.client.Jar.SetCookies(at, kept)
	b.open(at.String()+"?"+q.Encode()).wants(http.StatusBadRequest, "not begun in this browser")
	// What was begun in one browser is finished in no other.
	q.Set("state", begin(newBrowser(t)).Get("state"))
	newBrowser(t).open(h.url("/support/callback?"+q.Encode())).wants(http.StatusBadRequest, "not begun in this browser")
}

// TestEnteringChangesTheCookie: a value that somebody has planted before does
// not become a support session, nor does an old one live on.
func TestEnteringChangesTheCookie(t *testing.T) {
	t.Parallel()
	h := start(t)
	b := newBrowser(t)
	at, err := url.Parse(h.url("/support/documents"))
	if err != nil {
		t.Fatal(err)
	}
	b.client.Jar.SetCookies(at, []*http.Cookie{{Name: sessionCookie, Value: "planted", Path: supportPath}})
	h.enter(b, h.pin("documents.read"))
	first := b.cookie(at, sessionCookie)
	h.revoke()
	b.press("Documents")
	h.enter(b, h.pin("documents.read"))
	if second := b.cookie(at, sessionCookie); first == "planted" || first == "" || second == "" || second == first {
		t.Errorf("the cookie is %q, and then %q", first, second)
	}
	if n := len(h.docs.sessions.items); n != 1 {
		t.Errorf("%d sessions are kept", n)
	}
}
