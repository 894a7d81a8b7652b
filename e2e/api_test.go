package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// owner is an account owner or authorised user, as the product knows them.
type owner struct {
	sub, name, email, role string
}

var (
	kim = owner{sub: "u-1", name: "Kim Ostrow", email: "kim@acme.example", role: "owner"}
	ash = owner{sub: "u-2", name: "Ash Lindqvist", email: "ash@acme.example", role: "user"}
)

// account is a customer account with the handle that people say on the phone.
type account struct {
	id, name, handle string
}

var (
	acme   = account{id: "acct-acme", name: "Acme Lighting", handle: "NW-1001"}
	globex = account{id: "acct-globex", name: "Globex Freight", handle: "NW-2002"}
)

// credential is the answer to a mint.
type credential struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"`
	PIN      string    `json:"pin"`
	Email    string    `json:"email"`
	Password string    `json:"password"`
	Handle   string    `json:"account_handle"`
	RedeemBy time.Time `json:"redeem_by"`
	Scopes   []string  `json:"scopes"`

	account account
}

// mint is what to mint; the zero owner is kim.
type mint struct {
	account account
	policy  string
	owner   owner
	scopes  []string
	extra   map[string]any
	key     string // Idempotency-Key
}

// apiToken is a client's own token for the management API.
type apiToken struct {
	text string
	had  time.Time
}

// apiToken returns a client's own token for the management API, which is asked
// for anew long before it expires: some tests take longer than a token lives.
func (b *broker) apiToken(client app) string {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if token, ok := b.tokens[client.id]; ok && time.Since(token.had) < time.Minute {
		return token.text
	}
	asked := time.Now()
	answer := b.post(b.metadataLocked().Token, client, url.Values{"grant_type": {"client_credentials"}})
	token := answer.field("access_token")
	if answer.status != http.StatusOK || token == "" {
		b.t.Fatalf("client_credentials for %s: %d %s", client.id, answer.status, answer.body)
	}
	b.tokens[client.id] = apiToken{token, asked}
	return token
}

// api sends a request to the management API as client.
func (b *broker) api(client app, method, path string, body any, header ...string) exchange {
	b.t.Helper()
	var encoded bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&encoded).Encode(body); err != nil {
			b.t.Fatal(err)
		}
	}
	request := b.request(method, "/api/v1"+path, &encoded)
	request.Header.Set("Authorization", "Bearer "+b.apiToken(client))
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return b.send(request)
}

func (a account) path() string { return "/accounts/" + url.PathEscape(a.id) }

func (c credential) path() string { return c.account.path() + "/credentials/" + url.PathEscape(c.ID) }

// tryMint asks for a credential and returns whatever comes.
func (b *broker) tryMint(m mint) exchange {
	b.t.Helper()
	if m.owner == (owner{}) {
		m.owner = kim
	}
	body := map[string]any{
		"policy": m.policy, "account_name": m.account.name, "handle": m.account.handle,
		"owner": map[string]any{
			"sub": m.owner.sub, "name": m.owner.name, "email": m.owner.email,
			"claims": map[string]any{"role": m.owner.role},
		},
	}
	if m.scopes != nil {
		body["scopes"] = m.scopes
	}
	for name, value := range m.extra {
		body[name] = value
	}
	var header []string
	if m.key != "" {
		header = []string{"Idempotency-Key", m.key}
	}
	return b.api(b.settings(), http.MethodPost, m.account.path()+"/credentials", body, header...)
}

// mint wants a credential.
func (b *broker) mint(m mint) credential {
	b.t.Helper()
	answer := b.tryMint(m)
	if answer.status != http.StatusCreated {
		b.t.Fatalf("minting a %s: %d %s, want 201", m.policy, answer.status, answer.body)
	}
	c := credential{account: m.account}
	answer.decode(b.t, &c)
	if c.ID == "" || c.Handle != m.account.handle || c.RedeemBy.IsZero() || (c.PIN == "" && c.Password == "") {
		b.t.Fatalf("minting a %s answers without what it must hold: %s", m.policy, answer.body)
	}
	return c
}

// pin mints a PIN of a policy for acme.
func (b *broker) pin(policy string) credential {
	b.t.Helper()
	return b.mint(mint{account: acme, policy: policy})
}

// revoke ends a credential and wants the acknowledgement.
func (b *broker) revoke(c credential) {
	b.t.Helper()
	if answer := b.api(b.settings(), http.MethodDelete, c.path(), nil); answer.status != http.StatusNoContent {
		b.t.Fatalf("revoking: %d %s, want 204", answer.status, answer.body)
	}
}
