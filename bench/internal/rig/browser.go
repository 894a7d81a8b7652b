package rig

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const callback = "http://127.0.0.1:1/callback"

// Tokens is a token response.
type Tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
}

// browser is one visit of an agent.
type browser struct {
	c                      *Client
	cookies                Jar
	page                   []byte
	code                   string // once it was sent back to the app
	verifier, state, nonce string
}

// fetch loads a page and follows where it leads, until there is something to do.
func (b *browser) fetch(ctx context.Context, method, target string, values url.Values) error {
	for range 10 {
		var r *http.Request
		var err error
		if method == http.MethodPost {
			r, err = http.NewRequestWithContext(ctx, method, target, strings.NewReader(values.Encode()))
		} else {
			r, err = http.NewRequestWithContext(ctx, method, target, nil)
		}
		if err != nil {
			return err
		}
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", b.c.Broker.Issuer)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		b.cookies.add(r)
		got, err := b.c.Send(r)
		if err != nil {
			return err
		}
		b.cookies.take(got.Header)
		if got.Status == http.StatusOK {
			b.page = got.Body
			return nil
		}
		next, err := r.URL.Parse(got.Header.Get("Location"))
		if err != nil || got.Status != http.StatusSeeOther && got.Status != http.StatusFound {
			return fmt.Errorf("%s %s is answered with %d: %.400s", method, r.URL.Path, got.Status, got.Body)
		}
		if target = next.String(); strings.HasPrefix(target, callback) {
			b.code = next.Query().Get("code")
			if next.Query().Get("state") != b.state || next.Query().Get("iss") != b.c.Broker.Issuer || b.code == "" {
				return fmt.Errorf("the app is sent back %s", next.RawQuery)
			}
			return nil
		}
		method, values = http.MethodGet, nil
	}
	return errors.New("the broker leads in circles")
}

// fill fills in the form that has the first of these fields, and sends it.
func (b *browser) fill(ctx context.Context, pairs ...string) error {
	action, values, err := form(b.page, pairs[0])
	if err != nil {
		return err
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return b.fetch(ctx, http.MethodPost, b.c.Broker.Issuer+action, values)
}

// open begins a sign-in, as an app does: code flow, PKCE.
func (c *Client) open(ctx context.Context, cookies Jar) (*browser, error) {
	b := &browser{c: c, cookies: cookies, verifier: rand.Text() + rand.Text(), state: rand.Text(), nonce: rand.Text()}
	sum := sha256.Sum256([]byte(b.verifier))
	query := url.Values{"response_type": {"code"}, "client_id": {"docs"}, "redirect_uri": {callback}, "state": {b.state}, "nonce": {b.nonce},
		"scope": {"openid documents.read documents.write"}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}}
	return b, b.fetch(ctx, http.MethodGet, c.Broker.Issuer+"/authorize?"+query.Encode(), nil)
}

// redeem exchanges the code for tokens and verifies the ID token.
func (b *browser) redeem(ctx context.Context) (Tokens, error) {
	got, err := b.c.Post(ctx, "/token", "docs", url.Values{"grant_type": {"authorization_code"}, "code": {b.code},
		"redirect_uri": {callback}, "code_verifier": {b.verifier}})
	if err == nil {
		err = got.Want(http.StatusOK, "the code")
	}
	var out Tokens
	if err == nil {
		err = json.Unmarshal(got.Body, &out)
	}
	if err == nil {
		err = b.c.verify(ctx, out.ID, b.nonce)
	}
	return out, err
}

// SignIn signs in with what the customer gave, in a browser with these cookies.
func (c *Client) SignIn(ctx context.Context, cookies Jar, lent Minted) (Tokens, error) {
	b, err := c.open(ctx, cookies)
	if err != nil {
		return Tokens{}, err
	}
	if lent.PIN != "" {
		err = b.fill(ctx, "pin", lent.PIN, "account", lent.Account, "reason", "bench")
	} else {
		err = b.fill(ctx, "email", lent.Email, "password", lent.Password, "reason", "bench")
	}
	if err == nil {
		err = b.fill(ctx, "enter", "1")
	}
	if err != nil {
		return Tokens{}, err
	}
	return b.redeem(ctx)
}

// SignInStaff signs the agent in, and keeps their cookies.
func (c *Client) SignInStaff(ctx context.Context) error {
	c.Staff = Jar{}
	b, err := c.open(ctx, c.Staff)
	if err != nil {
		return err
	}
	if _, _, missing := form(b.page, "username"); missing != nil {
		if err := b.fetch(ctx, http.MethodGet, c.Broker.Issuer+choice(b.page), nil); err != nil {
			return err
		}
	}
	return b.fill(ctx, "username", c.agent, "password", staffPassword)
}
