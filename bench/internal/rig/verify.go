package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keySet is the broker's JWKS, fetched once.
type keySet struct{ jose.JSONWebKeySet }

// verify verifies an ID token as an app does.
func (c *Client) verify(ctx context.Context, raw, nonce string) error {
	if c.keys == nil {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Broker.Issuer+"/jwks", nil)
		if err != nil {
			return err
		}
		got, err := c.Send(r)
		if err != nil {
			return err
		}
		c.keys = &keySet{}
		if err := json.Unmarshal(got.Body, &c.keys.JSONWebKeySet); err != nil {
			return err
		}
	}
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		return fmt.Errorf("the ID token cannot be read: %w", err)
	}
	found := c.keys.Key(signed.Signatures[0].Protected.KeyID)
	if len(found) != 1 {
		return errors.New("the ID token's key is not in the JWKS")
	}
	payload, err := signed.Verify(found[0].Key)
	if err != nil {
		return fmt.Errorf("the ID token cannot be verified: %w", err)
	}
	var claims struct {
		Issuer  string `json:"iss"`
		Aud     string `json:"aud"`
		Nonce   string `json:"nonce"`
		SID     string `json:"sid"`
		Expires int64  `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return err
	}
	if claims.Issuer != c.Broker.Issuer || claims.Aud != "docs" || claims.Nonce != nonce || claims.SID == "" || claims.Expires <= time.Now().Unix() {
		return fmt.Errorf("the ID token says %s", payload)
	}
	return nil
}

var choiceLink = regexp.MustCompile(`href="([^"]*connector=[^"]*)"`)

// choice is the first way to sign in that a page offers.
func choice(page []byte) string {
	if found := choiceLink.FindSubmatch(page); found != nil {
		return html.UnescapeString(string(found[1]))
	}
	return "/"
}
