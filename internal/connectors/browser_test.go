package connectors

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// callback is where the issuers of these tests send people back to; nobody
// listens there.
const callback = "http://127.0.0.1:4711/callback"

// browser is somebody at an issuer's pages: it keeps cookies and fills in the
// forms that it is shown.
type browser struct {
	client  *http.Client
	answers map[string]string // by the names of inputs
	typed   int               // forms that it filled something into
}

// newBrowser types these answers: name, value, name, value.
func newBrowser(t *testing.T, answers ...string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{answers: map[string]string{}, client: &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: func(next *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(next.URL.String(), callback) {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
	for i := 0; i < len(answers); i += 2 {
		b.answers[answers[i]] = answers[i+1]
	}
	return b
}

// open walks from an address, through whatever forms there are, to the
// callback, and returns what arrives there.
func (b *browser) open(t *testing.T, at string) url.Values {
	t.Helper()
	answer, err := b.client.Get(at)
	for range 10 {
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := answer.Location(); err == nil {
			return back.Query()
		}
		action, fields := form(t, string(body))
		if action == "" {
			t.Fatalf("no form at %s: %d %s", answer.Request.URL, answer.StatusCode, body)
		}
		typed := false
		for name := range fields {
			if value, is := b.answers[name]; is {
				fields.Set(name, value)
				typed = true
			}
		}
		if typed {
			b.typed++
		}
		to, err := answer.Request.URL.Parse(action)
		if err != nil {
			t.Fatal(err)
		}
		answer, err = b.client.PostForm(to.String(), fields)
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the issuer shows one form after the other")
	return nil
}

// form is the first form of a page that is posted: where to, and its inputs.
func form(t *testing.T, page string) (action string, fields url.Values) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	attribute := func(n *html.Node, name string) string {
		for _, a := range n.Attr {
			if a.Key == name {
				return a.Val
			}
		}
		return ""
	}
	fields = url.Values{}
	for n := range root.Descendants() {
		switch {
		case n.Type != html.ElementNode:
		case n.Data == "form" && action == "":
			action = attribute(n, "action")
		case n.Data == "input" && attribute(n, "name") != "":
			fields.Set(attribute(n, "name"), attribute(n, "value"))
		}
	}
	return action, fields
}

// signIn goes to the connector's issuer and back.
func (b *browser) signIn(t *testing.T, o *OIDC, ask Ask) (Proof, error) {
	t.Helper()
	trip, back := b.travel(t, o, ask)
	return o.Return(t.Context(), trip, back)
}

// travel goes to the connector's issuer and stops at the way back.
func (b *browser) travel(t *testing.T, o *OIDC, ask Ask) (Trip, url.Values) {
	t.Helper()
	trip := o.NewTrip(ask)
	at, err := o.URL(t.Context(), trip, "the state")
	if err != nil {
		t.Fatal(err)
	}
	back := b.open(t, at)
	if back.Get("state") != "the state" {
		t.Fatalf("the issuer sends back %v", back)
	}
	return trip, back
}
