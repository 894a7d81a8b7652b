package staff

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/signin/signintest"
)

// browser is an agent's, or somebody's who would like to be one.
type browser struct {
	*signintest.Browser
	h *house
}

func (h *house) browser(sites ...string) *browser {
	h.t.Helper()
	return &browser{signintest.NewBrowser(h.t, h.server.URL, &h.tape, sites...), h}
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
	h.clock.Add(time.Second)
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
	b.T.Helper()
	b.Visit(http.MethodGet, v.url, nil)
}

// claims of an ID token that matter here.
type claims struct {
	SID      string `json:"sid"`
	raw      string // the ID token itself
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
	b.T.Helper()
	c := claims{raw: v.idToken(b)}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(c.raw, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &c)
	}
	if err != nil || c.SID == "" {
		b.T.Fatalf("the ID token says %s (%v)", payload, err)
	}
	return c
}

// idToken takes the code to the token endpoint.
func (v visitApp) idToken(b *browser) string {
	b.T.Helper()
	code := b.Callback.Get("code")
	if code == "" {
		b.T.Fatalf("there is no code: callback %v, page %d %s", b.Callback, b.Page.Status, b.Page.Text())
	}
	got := b.Send(http.MethodPost, v.h.server.URL+"/token", url.Values{"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {callbacks[v.client]}, "client_id": {v.client}, "code_verifier": {v.verifier}})
	var tokens struct {
		ID string `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(got.Body), &tokens); err != nil || strings.Count(tokens.ID, ".") != 2 {
		b.T.Fatalf("the code is worth %d %s (%v)", got.Status, got.Body, err)
	}
	return tokens.ID
}

// login signs in one of the staff.
func (b *browser) login(username string) {
	b.T.Helper()
	b.Submit("username", "username", username, "password", staffPassword)
	if b.Shows("code") {
		b.Submit("code", "code", b.h.code())
	}
}

// code is what Sam's phone shows now.
func (h *house) code() string {
	h.t.Helper()
	code, err := totp.GenerateCode(samTOTP, h.clock.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	return code
}

// redeem sends what a customer gave.
func (b *browser) redeem(a credentials.Account, c credentials.Minted) {
	b.T.Helper()
	if c.Kind == credentials.PIN {
		b.Submit("pin", "account", a.Handle, "pin", c.Secret.Reveal(), "reason", "ticket 4711")
		return
	}
	b.Submit("email", "email", c.Email, "password", c.Secret.Reveal(), "reason", "ticket 4711")
}

// signIn walks all the way, and returns what the app knows then.
func (b *browser) signIn(v visitApp, username string, a credentials.Account, c credentials.Minted) claims {
	b.T.Helper()
	b.open(v)
	b.login(username)
	b.redeem(a, c)
	b.Submit("enter")
	return v.exchange(b)
}
