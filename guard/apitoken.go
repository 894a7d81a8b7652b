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
		var why struct {
			Error string `json:"error"`
		}
		_ = json.Unmarshal(a.body, &why) // it is only for the log
		return nil, fmt.Errorf("API token: the broker answered %d %.40q: check ClientID, ClientSecret, and the client's grants and api", a.status, why.Error)
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
