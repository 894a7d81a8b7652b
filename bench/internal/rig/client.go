package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Client is a visitor of the broker, with what it knows of it.
type Client struct {
	*Visitor
	Broker  *Broker
	agent   string             // whom it signs in as
	n       int                // of what it has made
	tokens  map[string]string  // of the API, by client_id
	Account func(n int) string // of what it mints as the n-th; at first one that nobody has had before
	Staff   Jar                // the agent's sign-in, where the mode has one
	Lent    Minted
	Session Tokens
}

// Minted is a credential with its secret.
type Minted struct {
	ID       string `json:"id"`
	PIN      string `json:"pin"`
	Email    string `json:"email"`
	Password string `json:"password"`
	Handle   string `json:"account_handle"`
	Account  string
}

// wish is what a mint asks for.
type wish struct {
	Policy string `json:"policy"`
	Name   string `json:"account_name"`
	Handle string `json:"handle"`
	Owner  owner  `json:"owner"`
}

type owner struct {
	Sub   string `json:"sub"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// NewClient makes the i-th client.
func NewClient(b *Broker, name string, i int) *Client {
	return &Client{Visitor: NewVisitor(b.Site()), Broker: b, agent: fmt.Sprintf("agent%d", i), tokens: map[string]string{},
		Account: func(n int) string { return fmt.Sprintf("%sn%d", name, n) }}
}

// API asks the management API as one of the apps, with a token that it keeps.
func (c *Client) API(ctx context.Context, id, method, path string, body any) (Reply, error) {
	if c.tokens[id] == "" {
		token, err := c.APIToken(ctx, App{id, c.Broker.Secret})
		if err != nil {
			return Reply{}, err
		}
		c.tokens[id] = token
	}
	r := Request{Method: method, URL: c.Broker.At + "/api/v1" + path, Auth: "Bearer " + c.tokens[id]}
	if body != nil {
		var err error
		if r.Body, err = json.Marshal(body); err != nil {
			return Reply{}, err
		}
		r.Type = "application/json"
	}
	return c.Send(ctx, r)
}

// Mint makes a credential for the client's next account.
func (c *Client) Mint(ctx context.Context, policy string) (Minted, error) {
	c.n++
	account := c.Account(c.n)
	got, err := c.API(ctx, "settings", http.MethodPost, "/accounts/"+account+"/credentials", wish{
		policy, account, account, owner{"o-" + account, "Olivia", "o@bench.example"},
	})
	if err == nil {
		err = got.Want(http.StatusCreated, "a mint")
	}
	out := Minted{Account: account}
	if err == nil {
		err = json.Unmarshal(got.Body, &out)
	}
	return out, err
}

// SignIn signs in with what the customer gave, in a browser with these cookies.
func (c *Client) SignIn(ctx context.Context, cookies Jar, lent Minted) (Tokens, error) {
	return c.Visitor.SignIn(ctx, cookies, lent.Forms())
}

// Forms are what somebody fills in who was given it: what it is, and the button
// of the summary.
func (m Minted) Forms() [][]string {
	first := []string{"email", m.Email, "password", m.Password, "reason", "bench"}
	if m.PIN != "" {
		first = []string{"pin", m.PIN, "account", m.Account, "reason", "bench"}
	}
	return [][]string{first, {"enter", "1"}}
}

// SignInStaff signs the agent in, and keeps their cookies.
func (c *Client) SignInStaff(ctx context.Context) error {
	b, err := c.open(ctx, Jar{})
	if err != nil {
		return err
	}
	if _, _, missing := form(b.page, "username"); missing != nil {
		if err := b.fetch(ctx, Request{URL: c.Broker.Issuer + choice(b.page)}); err != nil {
			return err
		}
	}
	err = b.fill(ctx, "username", c.agent, "password", staffPassword)
	c.Staff = b.cookies
	return err
}
