package rig

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Callback is the redirect URI of every app; nobody listens there.
const Callback = "http://127.0.0.1:1/callback"

// browser is one visit of an agent.
type browser struct {
	*Visitor
	cookies                Jar
	page                   []byte // good until the next one is loaded
	at                     string // the page's address
	code                   string // once it was sent back to the app
	verifier, state, nonce string
}

// fetch loads a page, or sends a form, and follows where it leads, until there is
// something to do.
func (b *browser) fetch(ctx context.Context, r Request) error {
	for range 10 {
		got, err := b.visit(ctx, r)
		if err != nil {
			return err
		}
		if got.Status == http.StatusOK {
			b.page, b.at = got.Body, r.URL
			return got.is("text/html", r.URL)
		}
		if len(got.Location) == 0 || got.Status != http.StatusSeeOther && got.Status != http.StatusFound {
			return fmt.Errorf("%s %s is answered with %d: %.400s", r.Method, r.URL, got.Status, got.Body)
		}
		next, err := resolve(r.URL, string(got.Location))
		if err != nil {
			return err
		}
		if query, is := strings.CutPrefix(next, Callback+"?"); is {
			return b.back(query)
		}
		r = Request{URL: next}
	}
	return errors.New("the pages lead in circles")
}

// visit asks for one page with the browser's cookies, and keeps those that come.
func (b *browser) visit(ctx context.Context, r Request) (Reply, error) {
	r.cookies = b.cookies
	got, err := b.Send(ctx, r)
	if err != nil || len(got.Cookies) == 0 {
		return got, err
	}
	_, target, err := split(r.URL)
	for i := 0; i < len(got.Cookies) && err == nil; i++ {
		err = b.cookies.take(got.Cookies[i], path(target))
	}
	return got, err
}

// back is the app, which the browser is sent to at the end.
func (b *browser) back(query string) error {
	code, err := param(query, "code")
	state, wrong := param(query, "state")
	issuer, twice := param(query, "iss")
	if err = errors.Join(err, wrong, twice); err != nil || code == "" || state != b.state || b.Site.SaysIssuer && issuer != b.Site.Issuer {
		return fmt.Errorf("the app is sent back %s", query)
	}
	b.code = code
	return nil
}

// fill fills in the form that has the first of these fields, and sends it.
func (b *browser) fill(ctx context.Context, fields ...string) error {
	action, unseen, err := form(b.page, fields[0])
	if err != nil {
		return err
	}
	b.form = pairs(b.form[:0], fields...)
	for i := 0; i < len(unseen); i += 2 {
		if !has(fields, unseen[i]) {
			b.form = pairs(b.form, unseen[i], unseen[i+1])
		}
	}
	target, err := resolve(b.at, action)
	if err != nil {
		return err
	}
	host, _, err := split(b.at)
	if err != nil {
		return err
	}
	return b.fetch(ctx, Request{Method: http.MethodPost, URL: target, Type: formType, Body: b.form, origin: "http://" + host})
}

// has reports whether one of the names of pairs is this.
func has(pairs []string, name string) bool {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] == name {
			return true
		}
	}
	return false
}

// open begins a sign-in, as an app does: code flow, PKCE.
func (v *Visitor) open(ctx context.Context, cookies Jar) (*browser, error) {
	var random [64]byte
	_, _ = rand.Read(random[:]) // never fails
	text := base64.RawURLEncoding.EncodeToString(random[:])
	b := &browser{Visitor: v, cookies: cookies, verifier: text[:43], state: text[43:64], nonce: text[64:]}
	sum := sha256.Sum256([]byte(b.verifier))
	query := pairs(nil, "response_type", "code", "client_id", v.Site.App.ID, "redirect_uri", Callback, "state", b.state, "nonce", b.nonce,
		"scope", v.Site.Scope, "code_challenge_method", "S256", "code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
	return b, b.fetch(ctx, Request{URL: v.Site.Authorize + "?" + string(query)})
}

// redeem exchanges the code for tokens and verifies the ID token.
func (b *browser) redeem(ctx context.Context) (out Tokens, err error) {
	out, err = b.tokens(ctx, b.Site.App, "grant_type", "authorization_code", "code", b.code, "redirect_uri", Callback, "code_verifier", b.verifier)
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
