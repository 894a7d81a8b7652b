package rig

import (
	"context"
	"encoding/json"
)

// App is a client of an OpenID Provider, as that knows it.
type App struct{ ID, Secret string }

// Site is an OpenID Provider as its apps know it: the broker, or a peer.
type Site struct {
	Issuer        string `json:"issuer"`
	Authorize     string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Introspection string `json:"introspection_endpoint"`
	JWKS          string `json:"jwks_uri"`
	SaysIssuer    bool   `json:"authorization_response_iss_parameter_supported"` // RFC 9207

	App     App    `json:"-"` // that people sign in to
	Machine App    `json:"-"` // that has tokens of its own, by client_credentials; without an id: not offered
	Asker   App    `json:"-"` // that introspects; without an id: not offered
	Scope   string `json:"-"` // that a sign-in asks for
	Alg     string `json:"-"` // of ID tokens
	SID     bool   `json:"-"` // ID tokens name a session
	Offline *Site  `json:"-"` // the same, as an app sees it that has refresh tokens; nil: they are not offered
}

// Discover fills in what an issuer says of itself.
func (s *Site) Discover(ctx context.Context, issuer string) error {
	v := NewVisitor(s)
	defer v.Close()
	got, err := v.Get(ctx, issuer+"/.well-known/openid-configuration")
	if err == nil {
		err = json.Unmarshal(got.Body, s)
	}
	return err
}

// Site is the broker as its apps know it, at this node.
func (b *Broker) Site() *Site {
	s := &Site{
		Issuer: b.Issuer, Authorize: b.Issuer + "/authorize", Token: b.At + "/token", Introspection: b.At + "/introspect", JWKS: b.Issuer + "/jwks",
		SaysIssuer: true, SID: true, Alg: b.alg, Scope: "openid documents.read documents.write",
		App: App{"docs", b.Secret}, Machine: App{"settings", b.Secret}, Asker: App{"docs-api", b.Secret},
	}
	s.Offline = s
	return s
}
