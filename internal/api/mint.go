package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

type mintInput struct {
	Account string `path:"account" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]+$" patternDescription:"text without control characters" doc:"The product's own key of the account"`
	Key     string `header:"Idempotency-Key" maxLength:"200" doc:"A random text; sent again it makes nothing new"`
	Body    mintBody
}

type mintBody struct {
	Policy       string    `json:"policy" minLength:"1" maxLength:"100"`
	Scopes       []string  `json:"scopes,omitempty" maxItems:"100" doc:"What is lent; default: the policy's viewing scopes"`
	RedeemWithin string    `json:"redeem_within,omitempty" maxLength:"20" example:"4h" doc:"One of the policy's choices, in d, h, m, s; default: the policy's"`
	Confirm      bool      `json:"confirm,omitempty" doc:"Must be false or absent: owner confirmation is not available in this version"`
	Ticket       string    `json:"ticket,omitempty" maxLength:"100" doc:"The agent must name it in the reason"`
	AccountName  string    `json:"account_name" maxLength:"200"`
	Handle       string    `json:"handle" maxLength:"200" doc:"What people say on the phone; unique, without regard to case and space"`
	Owner        mintOwner `json:"owner"`
	OwnerToken   string    `json:"owner_token,omitempty" maxLength:"8192" doc:"An ID token of the owner, for clients with owner_proof: token"`
}

// mintOwner is the person for whom a client mints.
type mintOwner struct {
	Sub    string           `json:"sub" maxLength:"200" doc:"The subject at the owners' identity provider"`
	Name   string           `json:"name" maxLength:"200"`
	Email  string           `json:"email,omitempty" maxLength:"200"`
	Claims map[string]claim `json:"claims,omitempty" doc:"Judged like those of an ID token"`
}

type mintOutput struct {
	Status int
	Body   mintedCredential
}

// mintedCredential is the one reply with a secret.
type mintedCredential struct {
	ID             string    `json:"id"`
	Kind           string    `json:"kind" enum:"pin,password"`
	Policy         string    `json:"policy"`
	State          string    `json:"state"`
	PIN            string    `json:"pin,omitempty" doc:"Shown this once"`
	Email          string    `json:"email,omitempty" doc:"The temporary address"`
	Password       string    `json:"password,omitempty" doc:"Shown this once"`
	SecretShown    bool      `json:"secret_shown,omitempty" doc:"An earlier reply to this Idempotency-Key had the secret; it cannot be shown again"`
	AccountHandle  string    `json:"account_handle"`
	MadeAt         time.Time `json:"made_at"`
	RedeemBy       time.Time `json:"redeem_by"`
	SessionSeconds int64     `json:"session_seconds" doc:"How long a session of it lasts at most"`
	Scopes         []string  `json:"scopes" nullable:"false"`
	Uses           uses      `json:"uses"`
	Ticket         string    `json:"ticket,omitempty"`
	Contact        string    `json:"contact,omitempty" doc:"The person it is bound to"`
}

func (h *Handler) mint(ctx context.Context, in *mintInput) (*mintOutput, error) {
	request, err := h.mintRequest(ctx, in)
	if err != nil {
		return nil, h.outcome(ctx, err)
	}
	made, err := h.Minter.Mint(ctx, request)
	var refused *credentials.Refused
	if errors.As(err, &refused) {
		return nil, h.refusal(request, refused)
	}
	if err != nil {
		return nil, h.outcome(ctx, err)
	}
	out := &mintOutput{Status: http.StatusCreated, Body: h.minted(made, credentials.AsWritten(in.Body.Handle))}
	if made.Repeated {
		out.Status = http.StatusOK
	}
	return out, nil
}

// mintRequest turns what was posted into what the rules judge.
func (h *Handler) mintRequest(ctx context.Context, in *mintInput) (credentials.MintRequest, error) {
	caller, none := callerOf(ctx), credentials.MintRequest{}
	if in.Body.Confirm {
		return none, invalid("body.confirm", "owner confirmation is not available in this version: leave it out")
	}
	within, err := redeemWithin(in.Body.RedeemWithin)
	if err != nil {
		return none, err
	}
	connector, ok := h.Connectors[caller.Owners]
	if !ok {
		return none, errors.New("the client's owner connector is not configured")
	}
	claims, err := h.ownerClaims(ctx, in, connector)
	if err != nil {
		return none, err
	}
	body := in.Body
	return credentials.MintRequest{
		Account: credentials.Account{ID: in.Account, Connector: connector.ID, Name: body.AccountName, Handle: body.Handle},
		Owner: credentials.Owner{
			Issuer: connector.issuer(), Subject: body.Owner.Sub, Name: body.Owner.Name, Email: body.Owner.Email, Claims: claims,
		},
		Policy: body.Policy, Scopes: body.Scopes, RedeemWithin: within, Ticket: body.Ticket,
		Limited: connector.Limited, May: credentials.MayLend(connector.May, claims),
		Idempotency: idempotency(caller, in), By: caller.mark(),
	}, nil
}

// idempotency digests what was asked for. A fresh ID token for the same mint
// makes it no other request.
func idempotency(caller Caller, in *mintInput) *credentials.Idempotency {
	if in.Key == "" {
		return nil
	}
	body := in.Body
	body.OwnerToken = ""
	text, _ := json.Marshal([]any{caller.Owners, in.Account, body}) // only texts, lists and maps of them
	sum := sha256.Sum256(text)
	return &credentials.Idempotency{Client: caller.Client, Key: in.Key, Digest: sum[:]}
}

// redeemWithin reads 15m, 4h or 7d; an empty text is the policy's default.
func redeemWithin(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	var days time.Duration
	rest := text
	if before, after, found := strings.Cut(text, "d"); found {
		n, err := strconv.ParseUint(before, 10, 10)
		if err != nil {
			return 0, wrongDuration()
		}
		days, rest = time.Duration(n)*24*time.Hour, after
	}
	if rest == "" {
		rest = "0s"
	}
	part, err := time.ParseDuration(rest)
	if err != nil || part < 0 || part > 1000*24*time.Hour || days+part == 0 {
		return 0, wrongDuration()
	}
	return days + part, nil
}

func wrongDuration() *problem {
	return invalid("body.redeem_within", "expected a duration such as 15m, 4h or 7d")
}

// refusal says what the rules do not allow: 403 when it is the person who may
// not, 422 when the request asks for something wrong.
func (h *Handler) refusal(r credentials.MintRequest, refused *credentials.Refused) *problem {
	p := invalid("body."+refused.Field, refused.Reason)
	switch refused.Field {
	case "account":
		p.Errors[0].Location = "path.account"
	case "scopes":
		p.Errors = h.refusedScopes(r, refused)
	}
	if refused.Who {
		p.Status, p.Title, p.Type = http.StatusForbidden, http.StatusText(http.StatusForbidden), problemType+"not-allowed"
		p.Detail = "This person may not mint this."
	}
	return p
}

// refusedScopes names every refused scope by its place in the list: the rules
// name the first by what was posted.
func (h *Handler) refusedScopes(r credentials.MintRequest, refused *credentials.Refused) (list []wanted) {
	policy, _ := h.Minter.Policy(r.Policy)
	_, why := h.Minter.Catalogue.Lend(r.Scopes, policy.Scopes, r.May, r.Limited)
	for i, name := range r.Scopes {
		if reason, is := why[name]; is {
			list = append(list, wanted{"body.scopes[" + strconv.Itoa(i) + "]", "this scope " + string(reason)})
		}
	}
	if len(list) == 0 { // the list as a whole
		list = []wanted{{"body.scopes", refused.Reason}}
	}
	return list
}

func (h *Handler) minted(made credentials.Minted, handle string) mintedCredential {
	c := made.Credential
	out := mintedCredential{
		ID: c.ID, Kind: string(c.Kind), Policy: c.Policy, State: string(c.StateAt(h.Now())), Email: c.Email,
		SecretShown: made.Repeated, AccountHandle: handle, MadeAt: c.MadeAt.UTC(), RedeemBy: c.RedeemBy.UTC(),
		SessionSeconds: int64(c.Session / time.Second), Scopes: c.Scopes, Uses: uses(c.Uses), Ticket: c.Ticket, Contact: c.Contact,
	}
	switch {
	case made.Repeated:
	case c.Kind == credentials.PIN:
		out.PIN = made.Secret.Reveal()
	default:
		out.Password = made.Secret.Reveal()
	}
	return out
}
