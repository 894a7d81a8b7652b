package connectors

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/valetkey/valetkey/internal/keys"
)

// maxTokenAge is how old an ID token may be when it stands for a person's
// presence.
const maxTokenAge = 5 * time.Minute

// maxOwnToken bounds a token that the issuer hands over on the broker's own
// connection, in bytes. It names every group that a person is in, which nobody
// outside can make longer. What a client hands in is held to keys.MaxToken, as
// every JWT here is.
const maxOwnToken = 64 << 10

// maxSubject bounds a sub, in bytes (OpenID Connect Core 1.0, section 2).
const maxSubject = 255

// Claims is what an ID token says of a person.
type Claims struct {
	Subject string
	Account string
	All     map[string][]string // every claim that is a text, number, truth value, or list of those
}

// Verify verifies an ID token that was issued to this audience, at most five
// minutes ago. Any other error than ErrIDToken means that the issuer could not
// be asked. Whether the person is allowed is not judged here.
func (o *OIDC) Verify(ctx context.Context, audience, raw string) (Claims, error) {
	token, err := o.recent(ctx, audience, raw)
	if err != nil {
		return Claims{}, err
	}
	out := Claims{Subject: token.Subject, All: token.claims.texts()}
	if account := token.claims.values(o.Account.ID); len(account) == 1 {
		out.Account = account[0]
	}
	return out, nil
}

// Actor verifies an ID token that stands for somebody's presence, as Verify
// does, and judges by its claims whether they may come in. It cannot ask the
// userinfo endpoint: claims that are only there are not met.
func (o *OIDC) Actor(ctx context.Context, audience, raw string) (Proof, error) {
	token, err := o.recent(ctx, audience, raw)
	if err != nil {
		return Proof{}, err
	}
	p, err := o.admit(token, token.claims)
	if p.ProvedAt.After(token.IssuedAt) {
		p.ProvedAt = token.IssuedAt // the issuer vouched for them then, and was not asked again
	}
	return p, err
}

// recent verifies a token that somebody else brings. Whom it is for, the issuer says
// in aud, and nothing else counts: a console's mobile app fetches, as a client of its
// own (azp), tokens for the console.
func (o *OIDC) recent(ctx context.Context, audience, raw string) (idToken, error) {
	if len(raw) > keys.MaxToken {
		return idToken{}, fmt.Errorf("%w: it is too long", ErrIDToken)
	}
	token, err := o.verify(ctx, audience, raw)
	if err != nil {
		return idToken{}, err
	}
	if age := o.Now().Sub(token.IssuedAt); age > maxTokenAge {
		return idToken{}, fmt.Errorf("%w: issued %s ago", ErrIDToken, age)
	}
	return token, nil
}

// idToken is a verified token, and all that it says.
type idToken struct {
	*oidc.IDToken
	claims   claims
	authTime time.Time // zero: it does not say
}

// verify is the one place that believes an ID token (OpenID Connect Core 1.0,
// section 3.1.3.7): one that this issuer signed with a key pair, for this
// audience, and that is valid now.
func (o *OIDC) verify(ctx context.Context, audience, raw string) (idToken, error) {
	if !isIDToken(raw) {
		return idToken{}, fmt.Errorf("%w: it is a token of another type", ErrIDToken)
	}
	u, err := o.discover(ctx)
	if err != nil {
		return idToken{}, err
	}
	signed, err := u.signed(ctx, o.Issuer, raw, &oidc.Config{ClientID: audience, Now: o.Now})
	if err != nil {
		return idToken{}, err
	}
	token := idToken{IDToken: signed}
	if token.claims, err = claimsOf(signed); err == nil {
		err = token.check(audience, o.Now())
	}
	if err != nil {
		return idToken{}, fmt.Errorf("%w: %w", ErrIDToken, err)
	}
	return token, nil
}

// check holds what the library leaves open.
func (t *idToken) check(audience string, now time.Time) error {
	ahead := now.Add(maxAhead)
	notBefore, err1 := t.claims.when("nbf")
	authTime, err2 := t.claims.when("auth_time")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	t.authTime = authTime
	_, isLogout := t.claims["events"]
	switch {
	case isLogout:
		return errors.New("it is a logout token")
	case t.Subject == "", len(t.Subject) > maxSubject, !printable(t.Subject):
		return errors.New("its sub is none")
	case !now.Before(t.Expiry):
		return errors.New("it expires at this moment")
	case t.IssuedAt.Unix() <= 0, t.IssuedAt.After(ahead), notBefore.After(ahead), authTime.After(ahead):
		return errors.New("it is from the future, or from no time")
	case len(t.Audience) > 1 && !slices.Equal(t.claims.values("azp"), []string{audience}):
		return errors.New("it is for several audiences, and was issued to another")
	}
	return nil
}

// provedAt is when the person showed their proof to the issuer, as far as it
// says.
func (t *idToken) provedAt() time.Time {
	if t.authTime.IsZero() {
		return t.IssuedAt
	}
	return t.authTime
}

// isIDToken looks at a token's type before anything else: an access token or
// logout token of the same issuer may name the same audience.
func isIDToken(raw string) bool {
	if len(raw) > maxOwnToken || strings.Count(raw, ".") != 2 {
		return false
	}
	var head struct {
		Type string `json:"typ"`
	}
	return part(raw, 0, &head) && (head.Type == "" || strings.EqualFold(head.Type, "JWT"))
}

// IssuerOf reads who issued a token, unverified: to choose whom to ask about
// it, and for nothing else.
func IssuerOf(raw string) string {
	var said struct {
		Issuer string `json:"iss"`
	}
	if len(raw) > keys.MaxToken || !isIDToken(raw) || !part(raw, 1, &said) {
		return ""
	}
	return said.Issuer
}

// part decodes one of the parts of a token that has three.
func part(raw string, n int, into any) bool {
	text, err := base64.RawURLEncoding.DecodeString(strings.SplitN(raw, ".", 3)[n])
	return err == nil && json.Unmarshal(text, into) == nil
}
