package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
)

// mode is one thing that clients do again and again.
type mode struct {
	name    string
	prepare func(context.Context, *client) error
	do      func(context.Context, *client) error
}

// modes are the rows of the table.
var modes = []mode{
	{"signin", mintFor("holder"), func(ctx context.Context, c *client) error {
		_, err := c.signIn(ctx, jar{}, c.lent)
		return err
	}},
	{"signin-again", staffWith("login"), func(ctx context.Context, c *client) error {
		_, err := c.signIn(ctx, c.staff.clone(), c.lent)
		return err
	}},
	{"signin-pin", staffWith("login"), func(ctx context.Context, c *client) error { // the mint of the PIN included
		lent, err := c.mint(ctx, "pin")
		if err != nil {
			return err
		}
		_, err = c.signIn(ctx, c.staff.clone(), lent)
		return err
	}},
	{"client_credentials", nil, func(ctx context.Context, c *client) error {
		token, err := c.apiToken(ctx, "settings")
		if err == nil && token == "" {
			err = errors.New("there is no token")
		}
		return err
	}},
	{"introspection", signedIn, func(ctx context.Context, c *client) error { return c.introspect(ctx, true) }},
	{"userinfo", signedIn, userinfo},
	{"refresh", signedIn, refresh},
	{"mint", nil, func(ctx context.Context, c *client) error {
		lent, err := c.mint(ctx, "holder")
		if err == nil && lent.Password == "" {
			err = errors.New("there is no password")
		}
		return err
	}},
	{"mint-pin", nil, func(ctx context.Context, c *client) error {
		lent, err := c.mint(ctx, "pin")
		if err == nil && lent.PIN == "" {
			err = errors.New("there is no PIN")
		}
		return err
	}},
	{"revoke", nil, revoke},
}

func mintFor(policy string) func(context.Context, *client) error {
	return func(ctx context.Context, c *client) (err error) {
		c.lent, err = c.mint(ctx, policy)
		return err
	}
}

func staffWith(policy string) func(context.Context, *client) error {
	return func(ctx context.Context, c *client) error {
		if err := mintFor(policy)(ctx, c); err != nil {
			return err
		}
		return c.signInStaff(ctx)
	}
}

func signedIn(ctx context.Context, c *client) (err error) {
	if err = mintFor("holder")(ctx, c); err == nil {
		c.session, err = c.signIn(ctx, jar{}, c.lent)
	}
	return err
}

// introspect wants to be told whether the token is alive.
func (c *client) introspect(ctx context.Context, want bool) error {
	got, err := c.post(ctx, "/introspect", "docs-api", url.Values{"token": {c.session.Access}})
	if err == nil {
		err = got.want(http.StatusOK, "introspection")
	}
	var said struct {
		Active bool `json:"active"`
	}
	if err == nil {
		err = json.Unmarshal(got.body, &said)
	}
	if err == nil && said.Active != want {
		err = errors.New("introspection says the contrary")
	}
	return err
}

func userinfo(ctx context.Context, c *client) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.b.issuer+"/userinfo", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+c.session.Access)
	got, err := c.send(r)
	if err == nil {
		err = got.want(http.StatusOK, "userinfo")
	}
	return err
}

// refresh uses the refresh token, which is another one each time.
func refresh(ctx context.Context, c *client) error {
	got, err := c.post(ctx, "/token", "docs", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.session.Refresh}})
	if err == nil {
		err = got.want(http.StatusOK, "a refresh")
	}
	var next tokens
	if err == nil {
		err = json.Unmarshal(got.body, &next)
	}
	if err == nil && (next.Refresh == "" || next.Refresh == c.session.Refresh) {
		err = errors.New("the refresh token was not exchanged")
	}
	c.session = next
	return err
}

// revoke is the whole life: mint, sign in, take back, and the token is dead.
func revoke(ctx context.Context, c *client) error {
	if err := signedIn(ctx, c); err != nil {
		return err
	}
	got, err := c.api(ctx, "settings", http.MethodDelete, "/accounts/"+c.lent.account+"/credentials/"+c.lent.ID, nil)
	if err == nil {
		err = got.want(http.StatusNoContent, "a revocation")
	}
	if err != nil {
		return err
	}
	return c.introspect(ctx, false)
}
