package rig

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Userinfo is the status of its answer to a token.
func (c *Client) Userinfo(ctx context.Context, token string) (int, error) {
	got, err := c.Send(ctx, Request{URL: c.Broker.At + "/userinfo", Auth: "Bearer " + token})
	return got.Status, err
}

// Applied reports whether the API lists every app that held a token of the one
// session of this client's account as one that has applied its end.
func (c *Client) Applied(ctx context.Context) (bool, error) {
	got, err := c.API(ctx, "settings", http.MethodGet, "/accounts/"+c.Lent.Account+"/sessions", nil)
	if err == nil {
		err = got.Want(http.StatusOK, "the list of sessions")
	}
	var said struct {
		Items []struct {
			Apps []struct {
				AppliedAt *time.Time `json:"applied_at"`
			} `json:"apps"`
		} `json:"items"`
	}
	if err == nil {
		err = json.Unmarshal(got.Body, &said)
	}
	if err != nil || len(said.Items) != 1 || len(said.Items[0].Apps) == 0 {
		return false, err
	}
	for _, a := range said.Items[0].Apps {
		if a.AppliedAt == nil {
			return false, nil
		}
	}
	return true, nil
}
