package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// introspect asks the broker about a token (RFC 7662), for one request: nil where
// it is alive now. Waiting for others who ask counts too: a broker that says
// nothing must not keep the app's requests.
func (g *Guard) introspect(ctx context.Context, raw, sid string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case g.asking <- struct{}{}:
		defer func() { <-g.asking }()
	case <-ctx.Done():
		return ErrUnknown
	case <-g.life.Done():
		return errClosed
	}
	active, err := g.ask(ctx, raw, sid)
	if err != nil {
		g.log.WarnContext(ctx, "guard: the endings are not known, and the broker cannot be asked", "error", err)
		return ErrUnknown
	}
	if !active {
		return ErrEnded
	}
	return nil
}

func (g *Guard) ask(ctx context.Context, raw, sid string) (bool, error) {
	b, err := g.broker(ctx)
	if err != nil {
		return false, err
	}
	r, err := g.form(ctx, b.Introspection, url.Values{"token": {raw}, "token_type_hint": {"access_token"}})
	if err != nil {
		return false, err
	}
	status, body, err := g.do(r)
	if err != nil {
		return false, fmt.Errorf("introspection: %w", err)
	}
	if status != http.StatusOK {
		return false, fmt.Errorf("introspection: the broker answered %s", why(status, body))
	}
	var said struct {
		Active *bool  `json:"active"`
		SID    string `json:"sid"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Active == nil {
		return false, fmt.Errorf("introspection: the broker's answer does not say")
	}
	return *said.Active && said.SID == sid, nil
}
