package rig

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Active is what introspection says of a token.
func (c *Client) Active(ctx context.Context, token string) (bool, error) {
	got, err := c.Post(ctx, "/introspect", "docs-api", url.Values{"token": {token}})
	if err == nil {
		err = got.Want(http.StatusOK, "introspection")
	}
	var said struct {
		Active bool `json:"active"`
	}
	if err == nil {
		err = json.Unmarshal(got.Body, &said)
	}
	return said.Active, err
}

// Userinfo is the status of its answer to a token.
func (c *Client) Userinfo(ctx context.Context, token string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Broker.At+"/userinfo", nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	got, err := c.Send(r)
	return got.Status, err
}
