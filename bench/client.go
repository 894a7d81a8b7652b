package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// client is one of those that work at the same time, with connections of its
// own.
type client struct {
	b       *broker
	name    string
	agent   string // whom it signs in as
	http    *http.Client
	n       int               // of what it has made
	tokens  map[string]string // of the API, by client_id
	keys    *keySet
	staff   jar // the agent's sign-in, where the mode has one
	lent    minted
	session tokens
}

// minted is a credential with its secret.
type minted struct {
	ID       string `json:"id"`
	PIN      string `json:"pin"`
	Email    string `json:"email"`
	Password string `json:"password"`
	Handle   string `json:"account_handle"`
	account  string
}

func newClient(b *broker, name string, i int) *client {
	return &client{b: b, name: name, agent: fmt.Sprintf("agent%d", i), tokens: map[string]string{}, http: &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 2, DisableCompression: true},
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// reply is an answer that has been read.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (c *client) send(r *http.Request) (reply, error) {
	answer, err := c.http.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	return reply{answer.StatusCode, answer.Header, body}, err
}

// want is an answer of this status, or an error that says what came.
func (r reply) want(status int, what string) error {
	if r.status == status {
		return nil
	}
	return fmt.Errorf("%s is answered with %d, want %d: %.400s", what, r.status, status, r.body)
}

// post sends a form as one of the apps.
func (c *client) post(ctx context.Context, path, id string, form url.Values) (reply, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.b.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(id, c.b.secret)
	return c.send(r)
}

// api asks the management API as one of the apps, with a token that it keeps.
func (c *client) api(ctx context.Context, id, method, path string, body any) (reply, error) {
	if c.tokens[id] == "" {
		token, err := c.apiToken(ctx, id)
		if err != nil {
			return reply{}, err
		}
		c.tokens[id] = token
	}
	text, err := json.Marshal(body)
	if err != nil {
		return reply{}, err
	}
	r, err := http.NewRequestWithContext(ctx, method, c.b.issuer+"/api/v1"+path, bytes.NewReader(text))
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+c.tokens[id])
	return c.send(r)
}

func (c *client) apiToken(ctx context.Context, id string) (string, error) {
	got, err := c.post(ctx, "/token", id, url.Values{"grant_type": {"client_credentials"}})
	if err == nil {
		err = got.want(http.StatusOK, "client_credentials")
	}
	var said tokens
	if err == nil {
		err = json.Unmarshal(got.body, &said)
	}
	return said.Access, err
}

// mint makes a credential for an account of this client's own.
func (c *client) mint(ctx context.Context, policy string) (minted, error) {
	c.n++
	account := fmt.Sprintf("%s-%d", c.name, c.n)
	got, err := c.api(ctx, "settings", http.MethodPost, "/accounts/"+account+"/credentials", map[string]any{
		"policy": policy, "account_name": account, "handle": account, "owner": map[string]any{"sub": "o-" + account, "name": "Olivia", "email": "o@bench.example"},
	})
	if err == nil {
		err = got.want(http.StatusCreated, "a mint")
	}
	out := minted{account: account}
	if err == nil {
		err = json.Unmarshal(got.body, &out)
	}
	return out, err
}

// jar is a browser's cookies. The broker's all belong to one host.
type jar map[string]string

func (j jar) clone() jar {
	out := jar{}
	for name, value := range j {
		out[name] = value
	}
	return out
}

func (j jar) add(r *http.Request) {
	for name, value := range j {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
}

func (j jar) take(h http.Header) {
	for _, line := range h.Values("Set-Cookie") {
		if c, err := http.ParseSetCookie(line); err == nil {
			if j[c.Name] = c.Value; c.MaxAge < 0 || c.Value == "" {
				delete(j, c.Name)
			}
		}
	}
}

var (
	formTag   = regexp.MustCompile(`(?s)<form[^>]* action="([^"]*)"[^>]*>(.*?)</form>`)
	hiddenTag = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// form finds the form of a page that has a field or button of this name, with
// what it sends unseen.
func form(page []byte, field string) (action string, values url.Values, err error) {
	for _, f := range formTag.FindAllSubmatch(page, -1) {
		if !bytes.Contains(f[2], []byte(`name="`+field+`"`)) {
			continue
		}
		values = url.Values{}
		for _, h := range hiddenTag.FindAllSubmatch(f[2], -1) {
			values.Set(html.UnescapeString(string(h[1])), html.UnescapeString(string(h[2])))
		}
		return html.UnescapeString(string(f[1])), values, nil
	}
	return "", nil, fmt.Errorf("the page has no form with %q: %.600s", field, page)
}
