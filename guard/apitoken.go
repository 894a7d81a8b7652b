package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// bearer is a token for the broker's API, which has nothing to do with support
// sessions.
type bearer struct {
	token string
	from  instant // when it was asked for
	life  time.Duration
}

// used is which share of its life is over.
func (b *bearer) used(now instant) float64 {
	return float64(now.since(b.from)) / float64(b.life)
}

// apiToken keeps a token of client_credentials (RFC 6749 section 4.4) while it
// lives, and fetches the next one before it ends.
type apiToken struct {
	have  atomic.Pointer[bearer]
	fresh flight[*bearer]
}

// apiToken returns a token of whose life at most that share is over.
func (g *Guard) apiToken(ctx context.Context, share float64) (*bearer, error) {
	if b := g.token.have.Load(); b != nil && b.used(g.clock.read()) < share {
		return b, nil
	}
	return g.token.fresh.do(ctx, g, g.fetchToken)
}

// forget drops a token that the API refused.
func (a *apiToken) forget(b *bearer) { a.have.CompareAndSwap(b, nil) }

func (g *Guard) fetchToken(ctx context.Context) (*bearer, error) {
	at, err := g.broker(ctx)
	if err != nil {
		return nil, err
	}
	r, err := g.form(ctx, at.Token, url.Values{"grant_type": {"client_credentials"}, "scope": {"endings.read actions.write"}})
	if err != nil {
		return nil, err
	}
	b := &bearer{from: g.clock.read()}
	a, err := g.send(r)
	if err != nil {
		return nil, fmt.Errorf("API token: %w", err)
	}
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("API token: the broker answered %s: %s", why(a.status, a.body), advice(errorOf(a.body)))
	}
	var got struct {
		Token   string `json:"access_token"`
		Expires int64  `json:"expires_in"`
	}
	if err := json.Unmarshal(a.body, &got); err != nil || got.Token == "" || got.Expires <= 0 {
		return nil, fmt.Errorf("API token: the broker's answer has none")
	}
	b.token, b.life = got.Token, time.Duration(min(got.Expires, 24*3600))*time.Second
	g.token.have.Store(b)
	return b, nil
}

// advice is what to do about a token that the broker does not give. The guard's own
// tokens are bearer tokens, which it holds in memory and shows to nobody but the broker.
func advice(code string) string {
	switch code {
	case "invalid_dpop_proof", "use_dpop_nonce":
		return "the guard's client cannot have require.dpop: give Config a client of its own without it, with the same audience," +
			" and the one with require.dpop to LoginConfig"
	case "invalid_client":
		return "check ClientID and ClientSecret, or Key and KeyID, and this machine's clock where it is a Key"
	}
	return "check ClientID, ClientSecret, and the client's grants and api"
}
