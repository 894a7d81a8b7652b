package rig

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"math/big"
	"regexp"
	"slices"
	"strings"
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

// keySet is an issuer's keys, fetched and read once. A token's header is read once,
// too: the same bytes always name the same key.
type keySet struct {
	set      *jose.JSONWebKeySet
	byHeader map[string]crypto.PublicKey
}

// fetchKeys fetches the site's JWKS.
func (v *Visitor) fetchKeys(ctx context.Context) error {
	got, err := v.Get(ctx, v.Site.JWKS)
	if err != nil {
		return err
	}
	set := &jose.JSONWebKeySet{}
	if err := json.Unmarshal(got.Body, set); err != nil {
		return err
	}
	v.keys = keySet{set, map[string]crypto.PublicKey{}}
	return nil
}

// named is the key that a token's header names, which has to be of this algorithm.
func (k keySet) named(header, alg string) (crypto.PublicKey, error) {
	if key := k.byHeader[header]; key != nil {
		return key, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		return nil, err
	}
	var said struct {
		Alg string   `json:"alg"`
		KID string   `json:"kid"`
		Crt []string `json:"crit"`
	}
	if err := json.Unmarshal(text, &said); err != nil || said.Alg != alg || said.Crt != nil {
		return nil, fmt.Errorf("the ID token's header is %s", text)
	}
	found := k.set.Key(said.KID)
	if len(found) != 1 {
		return nil, errors.New("the ID token's key is not in the JWKS")
	}
	k.byHeader[header] = found[0].Key
	return found[0].Key, nil
}

// signed reports whether a signature is one of ES256 or RS256 (RFC 7518, sections
// 3.3 and 3.4), as the key is one of the two kinds.
func signed(key crypto.PublicKey, text string, signature []byte) bool {
	sum := sha256.Sum256([]byte(text))
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return len(signature) == 64 && key.Curve.Params().BitSize == 256 &&
			ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	}
	return false
}

// verify verifies an ID token as an app does.
func (v *Visitor) verify(ctx context.Context, raw, nonce string) error {
	if v.keys.set == nil {
		if err := v.fetchKeys(ctx); err != nil {
			return err
		}
	}
	payload, its, err := v.keys.open(raw, v.Site.Alg)
	if err != nil {
		return err
	}
	if v.owed = append(v.owed, its); !v.busy {
		if err := v.settle(); err != nil {
			return err
		}
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

// open is what a token says, and the signature that it says it under.
func (k keySet) open(raw, alg string) ([]byte, signature, error) {
	end := strings.LastIndexByte(raw, '.')
	if end < 0 || strings.Count(raw, ".") != 2 {
		return nil, signature{}, fmt.Errorf("%.400q is no token", raw)
	}
	header, payload, _ := strings.Cut(raw[:end], ".")
	key, err := k.named(header, alg)
	if err != nil {
		return nil, signature{}, err
	}
	said, err := base64.RawURLEncoding.DecodeString(payload)
	return said, signature{key, raw[:end], raw[end+1:]}, err
}

// signature is what is left to be verified of a token.
type signature struct {
	key       crypto.PublicKey
	text, own string
}

// settle verifies the signatures of all tokens that the visitor has had since it was
// last done. While a rate is measured they wait until that is over: an app would do it
// on a machine of its own.
func (v *Visitor) settle() error {
	owed := v.owed
	v.owed = nil
	for _, s := range owed {
		own, err := base64.RawURLEncoding.DecodeString(s.own)
		if err != nil || !signed(s.key, s.text, own) {
			return errors.New("the ID token's signature is wrong")
		}
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
