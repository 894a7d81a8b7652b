package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/valetkey/valetkey/bench/internal/rig"
)

// mode is one thing that clients do again and again.
type mode struct {
	name    string
	prepare func(context.Context, *rig.Client) error
	do      func(context.Context, *rig.Client) error
}

// modes are the rows of the table.
var modes = []mode{
	{"signin", mintFor("holder"), func(ctx context.Context, c *rig.Client) error {
		_, err := c.SignIn(ctx, rig.Jar{}, c.Lent)
		return err
	}},
	{"signin-again", staffWith("login"), func(ctx context.Context, c *rig.Client) error {
		_, err := c.SignIn(ctx, c.Staff.Clone(), c.Lent)
		return err
	}},
	{"signin-pin", staffWith("login"), func(ctx context.Context, c *rig.Client) error { // the mint of the PIN included
		lent, err := c.Mint(ctx, "pin")
		if err != nil {
			return err
		}
		_, err = c.SignIn(ctx, c.Staff.Clone(), lent)
		return err
	}},
	{"client_credentials", nil, func(ctx context.Context, c *rig.Client) error {
		_, err := c.APIToken(ctx, c.Site.Machine)
		return err
	}},
	{"introspection", signedIn, func(ctx context.Context, c *rig.Client) error { return introspect(ctx, c, true) }},
	{"userinfo", signedIn, userinfo},
	{"refresh", signedIn, refresh},
	{"mint", nil, func(ctx context.Context, c *rig.Client) error {
		lent, err := c.Mint(ctx, "holder")
		if err == nil && lent.Password == "" {
			err = errors.New("there is no password")
		}
		return err
	}},
	{"mint-pin", nil, func(ctx context.Context, c *rig.Client) error {
		lent, err := c.Mint(ctx, "pin")
		if err == nil && lent.PIN == "" {
			err = errors.New("there is no PIN")
		}
		return err
	}},
	{"revoke", nil, revoke},
}

func mintFor(policy string) func(context.Context, *rig.Client) error {
	return func(ctx context.Context, c *rig.Client) (err error) {
		c.Lent, err = c.Mint(ctx, policy)
		return err
	}
}

func staffWith(policy string) func(context.Context, *rig.Client) error {
	return func(ctx context.Context, c *rig.Client) error {
		if err := mintFor(policy)(ctx, c); err != nil {
			return err
		}
		return c.SignInStaff(ctx)
	}
}

func signedIn(ctx context.Context, c *rig.Client) (err error) {
	if err = mintFor("holder")(ctx, c); err == nil {
		c.Session, err = c.SignIn(ctx, rig.Jar{}, c.Lent)
	}
	return err
}

// introspect wants to be told whether the token is alive.
func introspect(ctx context.Context, c *rig.Client, want bool) error {
	active, err := c.Active(ctx, c.Session.Access)
	if err == nil && active != want {
		err = errors.New("introspection says the contrary")
	}
	return err
}

func userinfo(ctx context.Context, c *rig.Client) error {
	status, err := c.Userinfo(ctx, c.Session.Access)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("userinfo is answered with %d", status)
	}
	return err
}

// refresh uses the refresh token, which is another one each time.
func refresh(ctx context.Context, c *rig.Client) (err error) {
	c.Session, err = c.Refresh(ctx, c.Session)
	return err
}

// revoke is the whole life: mint, sign in, take back, and the token is dead.
func revoke(ctx context.Context, c *rig.Client) error {
	if err := signedIn(ctx, c); err != nil {
		return err
	}
	got, err := c.API(ctx, "settings", http.MethodDelete, "/accounts/"+c.Lent.Account+"/credentials/"+c.Lent.ID, nil)
	if err == nil {
		err = got.Want(http.StatusNoContent, "a revocation")
	}
	if err != nil {
		return err
	}
	return introspect(ctx, c, false)
}
