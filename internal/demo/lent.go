package demo

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// lent is what a support token says: who may do what, where, until when.
type lent struct {
	SID     string
	Subject string
	Account string // the tenant key: all data is looked up by it, by nothing in the URL
	Name    string // of the account
	Agent   string
	Contact string // whom the agent helps, where the credential is bound to somebody
	Scopes  []string
	EndsAt  time.Time // of the session
	Expires time.Time // of the token, which is trusted no longer
}

// errToken says that a token proves nothing here.
var errToken = errors.New("the token is not one for this app")

// exchange turns a code into tokens and verifies both (OpenID Connect Core 1.0
// section 3.1.3).
func (b *Broker) exchange(ctx context.Context, code, verifier, nonce string) (*oauth2.Token, lent, error) {
	e, err := b.endpoints(ctx)
	if err != nil {
		return nil, lent{}, err
	}
	tokens, err := e.signIn.Exchange(oidc.ClientContext(ctx, outbound), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, lent{}, err
	}
	what, err := b.verify(ctx, tokens.AccessToken)
	if err != nil {
		return nil, lent{}, err
	}
	raw, _ := tokens.Extra("id_token").(string)
	if kind := typeOf(raw); kind != "" && !strings.EqualFold(kind, "JWT") {
		return nil, lent{}, fmt.Errorf("%w: an ID token of type %q", errToken, kind)
	}
	id, err := e.idTokens.Verify(ctx, raw)
	if err != nil {
		return nil, lent{}, fmt.Errorf("%w: %w", errToken, err)
	}
	var claims struct {
		SID string `json:"sid"`
	}
	switch err := id.Claims(&claims); {
	case err != nil:
		return nil, lent{}, fmt.Errorf("%w: %w", errToken, err)
	case id.Nonce != nonce:
		return nil, lent{}, fmt.Errorf("%w: the ID token's nonce is another one", errToken)
	case id.Subject != what.Subject || claims.SID != what.SID:
		return nil, lent{}, fmt.Errorf("%w: the two tokens are of two sessions", errToken)
	}
	return tokens, what, nil
}

// verify opens an access token (RFC 9068 section 4). The type comes first: an
// ID token or logout token of the same broker may name the same audience.
func (b *Broker) verify(ctx context.Context, raw string) (lent, error) {
	e, err := b.endpoints(ctx)
	if err != nil {
		return lent{}, err
	}
	if kind := strings.ToLower(typeOf(raw)); kind != "at+jwt" && kind != "application/at+jwt" {
		return lent{}, fmt.Errorf("%w: an access token of type %q", errToken, kind)
	}
	token, err := e.access.Verify(ctx, raw) // signature, iss, aud and exp
	if err != nil {
		return lent{}, fmt.Errorf("%w: %w", errToken, err)
	}
	var claims struct {
		ClientID string                    `json:"client_id"`
		SID      string                    `json:"sid"`
		Scope    string                    `json:"scope"`
		Act      struct{ Name string }     `json:"act"`
		Account  struct{ ID, Name string } `json:"account"`
		Support  struct {
			Contact string    `json:"contact"`
			EndsAt  time.Time `json:"ends_at"`
		} `json:"support"`
	}
	switch err := token.Claims(&claims); {
	case err != nil:
		return lent{}, fmt.Errorf("%w: %w", errToken, err)
	case claims.ClientID != b.ClientID:
		return lent{}, fmt.Errorf("%w: it was issued to another app", errToken)
	case claims.SID == "" || claims.Account.ID == "":
		return lent{}, fmt.Errorf("%w: it belongs to no support session", errToken)
	}
	return lent{
		SID: claims.SID, Subject: token.Subject, Account: claims.Account.ID, Name: claims.Account.Name,
		Agent: claims.Act.Name, Contact: claims.Support.Contact, Scopes: strings.Fields(claims.Scope),
		EndsAt: claims.Support.EndsAt, Expires: token.Expiry,
	}, nil
}

// typeOf is the typ of a JWT's header; empty where there is none.
func typeOf(raw string) string {
	head, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	var is struct {
		Type string `json:"typ"`
	}
	if err != nil || json.Unmarshal(text, &is) != nil {
		return ""
	}
	return is.Type
}
