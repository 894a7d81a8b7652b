package rig

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Callback is the redirect URI of every app; nobody listens there.
const Callback = "http://127.0.0.1:1/callback"

// browser is one visit of an agent.
type browser struct {
	*Visitor
	cookies                Jar
	page                   []byte
	at                     *url.URL // of the page
	code                   string   // once it was sent back to the app
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
			r.Header.Set("Origin", b.at.Scheme+"://"+b.at.Host)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		b.cookies.add(r)
		got, err := b.Send(r)
		if err != nil {
			return err
		}
		b.cookies.take(got.Header)
		if got.Status == http.StatusOK {
			b.page, b.at = got.Body, r.URL
			return nil
		}
		next, err := r.URL.Parse(got.Header.Get("Location"))
		if err != nil || got.Status != http.StatusSeeOther && got.Status != http.StatusFound {
			return fmt.Errorf("%s %s is answered with %d: %.400s", method, r.URL.Path, got.Status, got.Body)
		}
		if target = next.String(); strings.HasPrefix(target, Callback) {
			query := next.Query()
			b.code = query.Get("code")
			if query.Get("state") != b.state || b.code == "" || b.Site.SaysIssuer && query.Get("iss") != b.Site.Issuer {
				return fmt.Errorf("the app is sent back %s", next.RawQuery)
			}
			return nil
		}
		method, values = http.MethodGet, nil
	}
	return errors.New("the pages lead in circles")
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
	target, err := b.at.Parse(action)
	if err != nil {
		return err
	}
	return b.fetch(ctx, http.MethodPost, target.String(), values)
}

// open begins a sign-in, as an app does: code flow, PKCE.
func (v *Visitor) open(ctx context.Context, cookies Jar) (*browser, error) {
	b := &browser{Visitor: v, cookies: cookies, verifier: rand.Text() + rand.Text(), state: rand.Text(), nonce: rand.Text()}
	sum := sha256.Sum256([]byte(b.verifier))
	query := url.Values{"response_type": {"code"}, "client_id": {v.Site.App.ID}, "redirect_uri": {Callback}, "state": {b.state}, "nonce": {b.nonce},
		"scope": {v.Site.Scope}, "code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}}
	return b, b.fetch(ctx, http.MethodGet, v.Site.Authorize+"?"+query.Encode(), nil)
}

// redeem exchanges the code for tokens and verifies the ID token.
func (b *browser) redeem(ctx context.Context) (out Tokens, err error) {
	out, err = b.tokens(ctx, b.Site.App, url.Values{"grant_type": {"authorization_code"}, "code": {b.code},
		"redirect_uri": {Callback}, "code_verifier": {b.verifier}})
	if err == nil {
		err = b.verify(ctx, out.ID, b.nonce)
	}
	return out, err
}

// SignIn signs somebody in who fills in these forms, in a browser with these
// cookies.
func (v *Visitor) SignIn(ctx context.Context, cookies Jar, forms [][]string) (Tokens, error) {
	b, err := v.open(ctx, cookies)
	for i := 0; i < len(forms) && err == nil; i++ {
		err = b.fill(ctx, forms[i]...)
	}
	if err != nil {
		return Tokens{}, err
	}
	return b.redeem(ctx)
}
