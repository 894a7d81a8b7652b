package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// audience is one or several (RFC 7519, section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		*a = audience{""}
		return json.Unmarshal(text, &(*a)[0])
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// keysOf fetches the site's JWKS.
func (v *Visitor) fetchKeys(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.Site.JWKS, nil)
	if err != nil {
		return err
	}
	got, err := v.Send(r)
	if err != nil {
		return err
	}
	v.keys = &jose.JSONWebKeySet{}
	return json.Unmarshal(got.Body, v.keys)
}

// verify verifies an ID token as an app does.
func (v *Visitor) verify(ctx context.Context, raw, nonce string) error {
	if v.keys == nil {
		if err := v.fetchKeys(ctx); err != nil {
			return err
		}
	}
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(v.Site.Alg)})
	if err != nil {
		return fmt.Errorf("the ID token cannot be read: %w", err)
	}
	found := v.keys.Key(signed.Signatures[0].Protected.KeyID)
	if len(found) != 1 {
		return errors.New("the ID token's key is not in the JWKS")
	}
	payload, err := signed.Verify(found[0].Key)
	if err != nil {
		return fmt.Errorf("the ID token cannot be verified: %w", err)
	}
	var claims struct {
		Issuer  string   `json:"iss"`
		Aud     audience `json:"aud"`
		Nonce   string   `json:"nonce"`
		SID     string   `json:"sid"`
		Expires int64    `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return err
	}
	if claims.Issuer != v.Site.Issuer || !slices.Contains(claims.Aud, v.Site.App.ID) || claims.Nonce != nonce || v.Site.SID && claims.SID == "" || claims.Expires <= time.Now().Unix() {
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
