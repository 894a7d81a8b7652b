package api

import (
	"context"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/valetkey/valetkey/credentials"
)

type listInput struct {
	Account string `path:"account" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]+$" patternDescription:"text without control characters"`
	Limit   int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor  string `query:"cursor" maxLength:"1000" doc:"next of the page before"`
}

type accountInput struct {
	Account string `path:"account" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]+$" patternDescription:"text without control characters"`
}

type credentialInput struct {
	Account string `path:"account" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]+$" patternDescription:"text without control characters"`
	ID      string `path:"id" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]+$" patternDescription:"text without control characters"`
}

type credentialList struct {
	Items []credentialItem `json:"items" nullable:"false"`
	Next  string           `json:"next,omitempty" doc:"The cursor of the next page; absent on the last"`
}

type credentialsOutput struct{ Body credentialList }

type credentialOutput struct{ Body credentialItem }

// credentialItem is a credential without its secret, which nothing gives twice.
type credentialItem struct {
	ID            string    `json:"id"`
	Kind          string    `json:"kind" enum:"pin,password"`
	Policy        string    `json:"policy"`
	State         string    `json:"state" enum:"live,used,replaced,revoked,burned,expired"`
	AccountHandle string    `json:"account_handle"`
	MadeAt        time.Time `json:"made_at"`
	RedeemBy      time.Time `json:"redeem_by"`
	Scopes        []string  `json:"scopes" nullable:"false"`
	Uses          uses      `json:"uses"`
	UsesLeft      *int      `json:"uses_left,omitempty" doc:"Absent where uses is unlimited"`
	WrongTries    int       `json:"wrong_tries"`
	TriesLeft     *int      `json:"tries_left,omitempty" doc:"Of a PIN: wrong tries until it is dead"`
	Ticket        string    `json:"ticket,omitempty"`
	Contact       string    `json:"contact,omitempty" doc:"The person it is bound to"`
	Email         string    `json:"email,omitempty" doc:"The temporary address"`
	MintedBy      mintedBy  `json:"minted_by"`
}

type mintedBy struct {
	Name string `json:"name,omitempty"`
}

func (h *Handler) listCredentials(ctx context.Context, in *listInput) (*credentialsOutput, error) {
	account, page, err := h.page(ctx, "credentials", in)
	if err != nil {
		return nil, err
	}
	found, err := h.Reader.Credentials(ctx, account.ID, page)
	if err != nil {
		return nil, h.outcome(ctx, err)
	}
	found, next := cut(found, in.Limit, func(c credentials.Credential) string {
		return h.seal(ctx, "credentials", account.ID, position{At: c.MadeAt.UnixMicro(), ID: c.ID})
	})
	out := &credentialsOutput{Body: credentialList{Items: make([]credentialItem, 0, len(found)), Next: next}}
	for _, c := range found {
		out.Body.Items = append(out.Body.Items, h.credential(c, account))
	}
	return out, nil
}

func (h *Handler) getCredential(ctx context.Context, in *credentialInput) (*credentialOutput, error) {
	account, err := h.account(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	c, err := h.Reader.Credential(ctx, account.ID, in.ID)
	if err != nil {
		return nil, h.outcome(ctx, err)
	}
	return &credentialOutput{Body: h.credential(c, account)}, nil
}

func (h *Handler) revokeCredential(ctx context.Context, in *credentialInput) (*struct{}, error) {
	account, err := h.account(ctx, in.Account)
	if err == nil {
		err = h.Minter.Revoke(ctx, account.ID, in.ID, callerOf(ctx).mark())
	}
	return nil, h.notRevoked(ctx, err, "credential")
}

func (h *Handler) revokeCredentials(ctx context.Context, in *accountInput) (*struct{}, error) {
	account, err := h.account(ctx, in.Account)
	if err == nil {
		err = h.Minter.Revoke(ctx, account.ID, "", callerOf(ctx).mark())
	}
	return nil, h.notRevoked(ctx, err, "account's access")
}

func (h *Handler) credential(c credentials.Credential, account credentials.Account) credentialItem {
	out := credentialItem{
		ID: c.ID, Kind: string(c.Kind), Policy: c.Policy, State: string(c.StateAt(h.Now())), AccountHandle: account.Handle,
		MadeAt: c.MadeAt.UTC(), RedeemBy: c.RedeemBy.UTC(), Scopes: c.Scopes, Uses: uses(c.Uses), WrongTries: c.Wrong,
		Ticket: c.Ticket, Contact: c.Contact, Email: c.Email, MintedBy: mintedBy{Name: c.Minter.Name},
	}
	if c.Uses > 0 {
		out.UsesLeft = new(max(0, c.UsesLeft))
	}
	if c.Kind == credentials.PIN {
		out.TriesLeft = new(max(0, c.Tries-c.Wrong))
	}
	return out
}

// uses is how often a credential opens a session; 0 is written "unlimited".
type uses int

// Schema makes it a huma.SchemaProvider.
func (uses) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeInteger, Minimum: new(1.0)}, {Type: huma.TypeString, Enum: []any{"unlimited"}},
	}}
}

// MarshalJSON writes a number, or "unlimited".
func (u uses) MarshalJSON() ([]byte, error) {
	if u == 0 {
		return []byte(`"unlimited"`), nil
	}
	return []byte(strconv.Itoa(int(u))), nil
}
