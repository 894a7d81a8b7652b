package rig

import (
	"bytes"
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

// NewClient makes the i-th client.
func NewClient(b *Broker, name string, i int) *Client {
	return &Client{Visitor: NewVisitor(b.Site()), Broker: b, agent: fmt.Sprintf("agent%d", i), tokens: map[string]string{},
		Account: func(n int) string { return fmt.Sprintf("%s-%d", name, n) }}
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
	text, err := json.Marshal(body)
	if err != nil {
		return Reply{}, err
	}
	r, err := http.NewRequestWithContext(ctx, method, c.Broker.At+"/api/v1"+path, bytes.NewReader(text))
	if err != nil {
		return Reply{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+c.tokens[id])
	return c.Send(r)
}

// Mint makes a credential for the client's next account.
func (c *Client) Mint(ctx context.Context, policy string) (Minted, error) {
	c.n++
	account := c.Account(c.n)
	got, err := c.API(ctx, "settings", http.MethodPost, "/accounts/"+account+"/credentials", map[string]any{
		"policy": policy, "account_name": account, "handle": account, "owner": map[string]any{"sub": "o-" + account, "name": "Olivia", "email": "o@bench.example"},
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
	c.Staff = Jar{}
	b, err := c.open(ctx, c.Staff)
	if err != nil {
		return err
	}
	if _, _, missing := form(b.page, "username"); missing != nil {
		if err := b.fetch(ctx, http.MethodGet, c.Broker.Issuer+choice(b.page), nil); err != nil {
			return err
		}
	}
	return b.fill(ctx, "username", c.agent, "password", staffPassword)
}

// Jar is a browser's cookies. The broker's all belong to one host.
type Jar map[string]string

// Clone is another browser's, with the same cookies.
func (j Jar) Clone() Jar {
	out := Jar{}
	for name, value := range j {
		out[name] = value
	}
	return out
}

func (j Jar) add(r *http.Request) {
	for name, value := range j {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
}

func (j Jar) take(h http.Header) {
	for _, line := range h.Values("Set-Cookie") {
		if c, err := http.ParseSetCookie(line); err == nil {
			if j[c.Name] = c.Value; c.MaxAge < 0 || c.Value == "" {
				delete(j, c.Name)
			}
		}
	}
}
