package provider

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
)

// jwtBearer is the client_assertion_type of RFC 7523 section 2.2.
const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertionLife is how far ahead the exp of a client assertion may be.
const assertionLife = 5 * time.Minute

// assertionTypes are the typ that an assertion may have. Other JWTs that a
// client signs, or is given, are none.
var assertionTypes = []string{"", "jwt", "client-authentication+jwt"}

// assertionClaims are those of RFC 7523 section 3. The audience is one text: a
// list would let one assertion be good at several providers.
type assertionClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ID       string `json:"jti"`
	window
}

// window is when a JWT that somebody else made is good (RFC 7519 section 4.1),
// in seconds, which need not be whole ones.
type window struct {
	Expires   *float64 `json:"exp"`
	NotBefore *float64 `json:"nbf"`
	Issued    *float64 `json:"iat"`
}

// began reports whether nbf and iat, where they are given, are no more than
// clockLeeway ahead.
func (v window) began(now time.Time) bool {
	latest := seconds(now.Add(clockLeeway))
	return (v.NotBefore == nil || *v.NotBefore <= latest) && (v.Issued == nil || *v.Issued <= latest)
}

// over reports whether exp, if it is given, has passed. It has no leeway.
func (v window) over(now time.Time) bool { return v.Expires != nil && *v.Expires <= seconds(now) }

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func fromSeconds(s float64) time.Time { return time.UnixMicro(int64(s * 1e6)) }

// byAssertion is private_key_jwt (OpenID Connect Core 1.0 section 9): which
// client this is says the assertion, and a key of that client proves it. Nothing
// is written before the signature is verified.
func (p *Provider) byAssertion(ctx context.Context, form url.Values) (*Client, error) {
	var claims assertionClaims
	signed, err := keys.ParseForeign(form.Get("client_assertion"))
	if err != nil || json.Unmarshal(signed.Unverified(), &claims) != nil {
		return nil, errAssertion
	}
	c := p.Clients[claims.Subject]
	p.name(ctx, c)
	if c == nil || !c.signed(signed) || form.Has("client_id") && form.Get("client_id") != c.ID {
		return nil, errAssertion
	}
	if wrong := claims.wrong(p, c, signed.Type); wrong != "" {
		return nil, invalidClient("the client assertion " + wrong)
	}
	err = p.Store.UseOnce(ctx, credentials.Once{Kind: credentials.OnceAssertion, Owner: c.ID, ID: claims.ID,
		Until: fromSeconds(*claims.Expires).Add(clockLeeway)})
	if errors.Is(err, credentials.ErrUsed) {
		return nil, invalidClient("the client assertion was used before; its jti is good once")
	}
	if err != nil {
		return nil, p.publicError(ctx, err)
	}
	return c, nil
}

// errAssertion is the one answer while nobody has proven anything.
var errAssertion = invalidClient("the client is not known, or its assertion is not signed by a key of it")

// wrong says what is wrong with an assertion that the client has signed.
func (v assertionClaims) wrong(p *Provider, c *Client, typ string) string {
	now := p.Now()
	switch {
	case !slices.Contains(assertionTypes, strings.ToLower(typ)):
		return "has a typ of something else"
	case v.Issuer != c.ID:
		return "must have the client_id as iss and sub"
	case v.Audience != p.Issuer:
		return "must have the issuer as aud, as one text"
	case v.ID == "":
		return "has no jti"
	case v.Expires == nil:
		return "has no exp"
	case v.over(now):
		return "has expired"
	case *v.Expires > seconds(now.Add(assertionLife+clockLeeway)):
		return "has an exp more than 5 minutes ahead"
	case !v.began(now):
		return "has an iat or nbf that is ahead of time"
	}
	return ""
}

// signed reports whether a key of the client has signed it.
func (c *Client) signed(by *keys.Foreign) bool {
	for _, k := range c.Keys {
		if by.KeyID != "" && k.KeyID != "" && by.KeyID != k.KeyID {
			continue
		}
		if _, err := by.Verify(k); err == nil {
			return true
		}
	}
	return false
}
