package staff

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"golang.org/x/net/html"

	"github.com/valetkey/valetkey/credentials"
)

// answer is one exchange.
type answer struct {
	method, url string
	status      int
	header      http.Header
	body        string
}

// browser keeps cookies, follows redirects, and stops at an app's callback.
type browser struct {
	h        *house
	t        *testing.T
	client   *http.Client
	page     answer
	callback url.Values // what the app was called back with, once it was
}

func (h *house) browser() *browser {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &browser{h: h, t: h.t, client: &http.Client{Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// send makes one request, without following.
func (b *browser) send(method, target string, form url.Values, headers ...string) answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, target, bytes.NewBufferString(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	out := answer{method: method, url: target, status: got.StatusCode, header: got.Header, body: string(body)}
	b.h.mu.Lock()
	defer b.h.mu.Unlock()
	b.h.tape = append(b.h.tape, out)
	return out
}

// visit makes a request and follows where it leads.
func (b *browser) visit(method, target string, form url.Values, headers ...string) {
	b.t.Helper()
	b.callback = nil
	for range 10 {
		b.page = b.send(method, target, form, headers...)
		if b.page.status < 300 || b.page.status > 399 {
			return
		}
		if b.page.status != http.StatusSeeOther {
			b.t.Errorf("%s %s redirects with %d, want 303", method, target, b.page.status)
		}
		base, _ := url.Parse(target)
		next, err := base.Parse(b.page.header.Get("Location"))
		if err != nil {
			b.t.Fatal(err)
		}
		if !strings.HasPrefix(next.String(), b.h.server.URL+"/") {
			b.callback = next.Query()
			return
		}
		method, target, form, headers = http.MethodGet, next.String(), nil, nil
	}
	b.t.Fatalf("redirected in a circle, the last time to %s", target)
}

// visitApp is one authorization request and what its app remembers of it.
type visitApp struct {
	h                *house
	client, verifier string
	url              string
}

// app begins a visit, a second after whatever was before; pairs of names and
// values are added.
func (h *house) app(client string, pairs ...string) visitApp {
	h.clock.add(time.Second)
	v := visitApp{h: h, client: client, verifier: rand.Text() + rand.Text()}
	sum := sha256.Sum256([]byte(v.verifier))
	params := url.Values{"response_type": {"code"}, "client_id": {client}, "redirect_uri": {callbacks[client]}, "state": {"s"},
		"scope": {"openid documents.read settings.write billing.read"}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}}
	for i := 0; i < len(pairs); i += 2 {
		params.Set(pairs[i], pairs[i+1])
	}
	v.url = h.server.URL + "/authorize?" + params.Encode()
	return v
}

func (b *browser) open(v visitApp) {
	b.t.Helper()
	b.visit(http.MethodGet, v.url, nil)
}

// claims of an ID token that matter here.
type claims struct {
	SID      string `json:"sid"`
	AuthTime int64  `json:"auth_time"`
	Account  struct {
		ID string `json:"id"`
	} `json:"account"`
	Act *struct {
		Sub string `json:"sub"`
	} `json:"act"`
}

// exchange takes the code that the browser came back with and returns what the
// ID token says.
func (v visitApp) exchange(b *browser) claims {
	b.t.Helper()
	code := b.callback.Get("code")
	if code == "" {
		b.t.Fatalf("there is no code: callback %v, page %d %s", b.callback, b.page.status, text(b.page.body))
	}
	got := b.send(http.MethodPost, v.h.server.URL+"/token", url.Values{"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {callbacks[v.client]}, "client_id": {v.client}, "code_verifier": {v.verifier}})
	var tokens struct {
		ID string `json:"id_token"`
	}
	var c claims
	err := json.Unmarshal([]byte(got.body), &tokens)
	if err == nil && tokens.ID != "" {
		var payload []byte
		if payload, err = base64.RawURLEncoding.DecodeString(strings.Split(tokens.ID, ".")[1]); err == nil {
			err = json.Unmarshal(payload, &c)
		}
	}
	if err != nil || c.SID == "" {
		b.t.Fatalf("the code is worth %d %s (%v)", got.status, got.body, err)
	}
	return c
}

// form returns the fields of the page's form that has this input or button.
func (b *browser) form(name string) (action string, fields url.Values) {
	b.t.Helper()
	root, err := html.Parse(strings.NewReader(b.page.body))
	if err != nil {
		b.t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" {
			continue
		}
		fields = url.Values{}
		for c := range n.Descendants() {
			if c.Type == html.ElementNode && attr(c, "name") != "" {
				fields.Set(attr(c, "name"), attr(c, "value"))
			}
		}
		if fields.Has(name) || attr(n, "action") == name {
			return b.h.server.URL + attr(n, "action"), fields
		}
	}
	return "", nil
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// shows reports whether the page has a form with this input, button or action.
func (b *browser) shows(name string) bool {
	b.t.Helper()
	action, _ := b.form(name)
	return action != ""
}

// submit fills a form of the page, found by a name in it, and sends it.
func (b *browser) submit(name string, pairs ...string) {
	b.t.Helper()
	action, fields := b.form(name)
	if action == "" {
		b.t.Fatalf("the page has no form with %s: %d %s", name, b.page.status, text(b.page.body))
	}
	for i := 0; i < len(pairs); i += 2 {
		fields.Set(pairs[i], pairs[i+1])
	}
	b.visit(http.MethodPost, action, fields)
}

// login signs in one of the staff.
func (b *browser) login(username string) {
	b.t.Helper()
	b.submit("username", "username", username, "password", staffPassword)
	if b.shows("code") {
		b.submit("code", "code", b.h.code())
	}
}

// code is what Sam's phone shows now.
func (h *house) code() string {
	h.t.Helper()
	code, err := totp.GenerateCode(samTOTP, h.clock.now())
	if err != nil {
		h.t.Fatal(err)
	}
	return code
}

// redeem sends what a customer gave.
func (b *browser) redeem(a credentials.Account, c credentials.Minted) {
	b.t.Helper()
	if c.Kind == credentials.PIN {
		b.submit("pin", "account", a.Handle, "pin", c.Secret.Reveal(), "reason", "ticket 4711")
		return
	}
	b.submit("email", "email", c.Email, "password", c.Secret.Reveal(), "reason", "ticket 4711")
}

// signIn walks all the way, and returns what the app knows then.
func (b *browser) signIn(v visitApp, username string, a credentials.Account, c credentials.Minted) claims {
	b.t.Helper()
	b.open(v)
	b.login(username)
	b.redeem(a, c)
	b.submit("enter")
	return v.exchange(b)
}

// cookies are the names and values that the browser holds.
func (b *browser) cookies() map[string]string {
	u, _ := url.Parse(b.h.server.URL)
	out := map[string]string{}
	for _, c := range b.client.Jar.Cookies(u) {
		out[strings.TrimPrefix(c.Name, "valetkey-")] = c.Value
	}
	return out
}

// text is a page without its markup, for messages.
func text(page string) string {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return page
	}
	var out strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "title" {
			out.WriteString(strings.TrimSpace(n.Data) + " ")
		}
	}
	return strings.Join(strings.Fields(out.String()), " ")
}
