package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
)

// logoutClaims are a logout token's (OpenID Connect Back-Channel Logout 1.0
// section 2.4). There is no nonce: with one it could pass for an ID token.
type logoutClaims struct {
	Issuer   string                         `json:"iss"`
	Audience string                         `json:"aud"`
	Issued   int64                          `json:"iat"`
	Expires  int64                          `json:"exp"`
	ID       string                         `json:"jti"`
	Subject  string                         `json:"sub,omitempty"`
	SID      string                         `json:"sid"`
	Events   map[string]map[string]struct{} `json:"events"`
}

// logoutEvent says what kind of token it is.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutTokenLife is how long an app may take a logout token.
const logoutTokenLife = 2 * time.Minute

// LogoutToken tells a client that a session has ended. The sub is the one that
// this client has seen, and missing where that was erased meanwhile: the sid
// says which session it is.
func (p *Provider) LogoutToken(_ context.Context, s credentials.Session, client string) (string, error) {
	c := p.Clients[client]
	if c == nil {
		return "", fmt.Errorf("the client %q is not in the configuration", client)
	}
	now := p.Now()
	claims := logoutClaims{Issuer: p.Issuer, Audience: c.ID, Issued: now.Unix(), Expires: now.Add(logoutTokenLife).Unix(),
		ID: credentials.NewID(), Subject: subjectOf(s, c), SID: s.ID, Events: map[string]map[string]struct{}{logoutEvent: {}}}
	if c.Subject == "owner" && s.OwnerSub == "" {
		claims.Subject = ""
	}
	return p.sign(keys.ForID, c.IDTokenAlg, keys.TypLogout, claims)
}
