package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
)

// broker are the endpoints that discovery told (OpenID Connect Discovery 1.0).
type broker struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	JWKS          string `json:"jwks_uri"`
	Introspection string `json:"introspection_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
	EndSession    string `json:"end_session_endpoint"`
	PAR           string `json:"pushed_authorization_request_endpoint"` // RFC 9126
	MustPush      bool   `json:"require_pushed_authorization_requests"`

	Scopes []string `json:"scopes_supported"` // what it can grant, if it says
}

// discovery asks for the endpoints when they are first needed, and again until
// there is an answer. What they were is used from then on, and asked about again
// with the keys and whenever a stream begins after a time without one: a broker
// that is upgraded may say something else.
type discovery struct {
	known atomic.Pointer[broker]
	asks  flight[*broker]
}

// broker returns the endpoints, asking for them where they are not known yet.
func (g *Guard) broker(ctx context.Context) (*broker, error) {
	if b := g.discovery.known.Load(); b != nil {
		return b, nil
	}
	return g.discovery.asks.do(ctx, g, g.discover)
}

// rediscover asks for the endpoints anew where they are known. Nobody waits for it:
// they are replaced by an answer that is held to the issuer as the first one was,
// and by nothing else.
func (g *Guard) rediscover() {
	if g.discovery.known.Load() == nil {
		return
	}
	g.start(func(ctx context.Context) {
		if _, err := g.discovery.asks.do(ctx, g, g.discover); err != nil && ctx.Err() == nil {
			g.log.WarnContext(ctx, "guard: the broker's endpoints could not be asked for anew; those that it told before are used", "error", err)
		}
	})
}

func (g *Guard) discover(ctx context.Context) (*broker, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.cfg.Issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, err
	}
	status, body, err := g.do(r)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	b := &broker{}
	if status != http.StatusOK {
		return nil, fmt.Errorf("discovery: %s answered %d", r.URL, status)
	}
	if err := json.Unmarshal(body, b); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	if err := b.check(g.cfg.Issuer); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	g.discovery.known.Store(b)
	return b, nil
}

// check holds the broker to the configured issuer: the credentials go nowhere
// else.
func (b *broker) check(issuer string) error {
	if b.Issuer != issuer {
		return fmt.Errorf("the broker calls itself %q, not %q: write Issuer as it does", b.Issuer, issuer)
	}
	home, err := origin(issuer)
	if err != nil {
		return err
	}
	for name, endpoint := range map[string]string{"token_endpoint": b.Token, "jwks_uri": b.JWKS, "introspection_endpoint": b.Introspection} {
		if at, err := origin(endpoint); err != nil || at != home {
			return fmt.Errorf("%s is %q, which is not at %s", name, endpoint, home)
		}
	}
	for name, endpoint := range map[string]string{"authorization_endpoint": b.Authorization, "revocation_endpoint": b.Revocation, "end_session_endpoint": b.EndSession,
		"pushed_authorization_request_endpoint": b.PAR} {
		if at, err := origin(endpoint); endpoint != "" && (err != nil || at != home) {
			return fmt.Errorf("%s is %q, which is not at %s", name, endpoint, home)
		}
	}
	return nil
}
