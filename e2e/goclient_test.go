package e2e

import (
	"crypto/rand"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestAGoAppSignsIn: golang.org/x/oauth2 and coreos/go-oidc, which find out by
// themselves how this provider wants to be talked to.
func TestAGoAppSignsIn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		there, err := oidc.NewProvider(t.Context(), b.issuer)
		if err != nil {
			t.Fatal(err)
		}
		for i, client := range []app{b.docs(), b.files()} {
			login := b.mint(mint{account: acme, policy: "temporary-login"})
			config := oauth2.Config{ClientID: client.id, ClientSecret: client.secret, RedirectURL: client.callback, Endpoint: there.Endpoint(),
				Scopes: []string{oidc.ScopeOpenID, oidc.ScopeOfflineAccess, "email", "documents.read"}}
			state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
			w := b.browser()
			w.open(config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)))
			w.login(agent(i))
			w.redeem(login)
			code := w.enter()
			if w.callback.Get("state") != state {
				t.Errorf("state is %q", w.callback.Get("state"))
			}
			if _, err := config.Exchange(t.Context(), code+"x", oauth2.VerifierOption(verifier)); err == nil {
				t.Error("another code is good")
			}
			token, err := config.Exchange(t.Context(), code, oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatalf("%s: %v", client.id, err)
			}
			raw, _ := token.Extra("id_token").(string)
			id, err := there.Verifier(&oidc.Config{ClientID: client.id}).Verify(t.Context(), raw)
			if err != nil || id.Nonce != nonce {
				t.Fatalf("%s: the ID token: %v", client.id, err)
			}
			if err := id.VerifyAccessToken(token.AccessToken); err != nil {
				t.Errorf("%s: at_hash: %v", client.id, err)
			}
			info, err := there.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
			if err != nil || info.Subject != id.Subject || info.Email != login.Email || info.EmailVerified {
				t.Errorf("%s: userinfo %+v, %v", client.id, info, err)
			}
			old := *token
			old.Expiry = old.Expiry.AddDate(0, 0, -1)
			renewed, err := config.TokenSource(t.Context(), &old).Token()
			if has := client.secret != ""; (err == nil) != has {
				t.Errorf("%s: a refresh: %v", client.id, err)
			}
			b.revoke(login)
			if _, err := there.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err == nil {
				t.Errorf("%s: userinfo after the revocation", client.id)
			}
			if renewed != nil {
				renewed.Expiry = old.Expiry
				if _, err := config.TokenSource(t.Context(), renewed).Token(); err == nil {
					t.Errorf("%s: a refresh after the revocation", client.id)
				}
			}
		}
	})
}
