package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/revocation"
)

// What a client may be allowed to do, as the api list of its configuration and
// the scope of its access token say it.
const (
	scopeMint   = "credentials.mint"
	scopeRead   = "credentials.read" // sessions too
	scopeRevoke = "credentials.revoke"
	scopeVerify = "credentials.verify"
	scopeRecord = "record.read"
	scopeAct    = "actions.write"
	scopeFollow = "endings.read"
)

// How a client proves for whom it mints.
const (
	proofTrusted = "trusted" // its word is taken
	proofToken   = "token"   // an ID token of the owner comes with each mint
)

// ErrOwnerToken is what [Handler.OwnerToken] returns for an ID token that does
// not prove anything: the mint is then forbidden. Any other error means that
// the token could not be judged.
var ErrOwnerToken = errors.New("the owner's ID token is not valid")

// ErrActorToken is what [Handler.ActorToken] returns for an ID token that does
// not prove who the agent is. Any other error means that it could not be
// judged.
var ErrActorToken = errors.New("the agent's ID token is not valid")

// Caller is the client that an API token was issued to.
type Caller struct {
	Client   string // client_id
	Audience string // the relying app that it acts for; empty for none
	Scopes   []string
	Expires  time.Time // of the token
	Owners   string    // id of the owner connector that it speaks for; empty for none
	// OwnerProof says what a mint needs as proof of the owner: trusted or
	// token. Empty: this client may not mint.
	OwnerProof    string
	OwnerAudience string // for token: the aud of the owners' ID tokens
	// ActorAudience is the aud of the agents' ID tokens that this client may
	// present. Empty: it may present none.
	ActorAudience string
}

// Connector is what minting needs to know of an owner connector.
type Connector struct {
	ID      string
	Issuer  string // of its people; empty for local people
	Allow   []credentials.ClaimRule
	May     []credentials.MayRule
	Limited bool // there are may rules: who matches none may lend nothing
}

// OwnerProof is what a verified ID token says of an owner.
type OwnerProof struct {
	Subject string
	Account string // id of the account it names
	Claims  map[string][]string
}

// Handler serves the management API. Every field is required.
type Handler struct {
	Minter     *credentials.Minter
	Redeemer   *credentials.Redeemer
	Sessions   *credentials.Sessions
	Store      credentials.Store
	Reader     credentials.Reader
	Connectors map[string]Connector // owner connectors by id
	// Authenticate finds the client that the API token of a request was issued
	// to; dpop: it came by the scheme of that name. A *provider.HolderError says
	// that the request does not show the key of its token, ErrUndecided that
	// nothing could be decided; any other error means that the token is not valid
	// here (401).
	Authenticate func(r *http.Request, token string, dpop bool) (Caller, error)
	// OwnerToken verifies an ID token of an owner: its signature, its issuer
	// (the connector's), its audience and its age. See ErrOwnerToken.
	OwnerToken func(ctx context.Context, connector, audience, token string) (OwnerProof, error)
	// ActorToken verifies an agent's ID token: issued by a configured agents
	// issuer to this audience, at most five minutes ago, to somebody who may
	// give support. See ErrActorToken.
	ActorToken func(ctx context.Context, audience, token string) (credentials.Agent, error)
	// Feed tells relying apps of endings and takes their word that they have
	// applied them.
	Feed *revocation.Feed
	// Cursors seals the cursors of lists.
	Cursors *keys.Sealer
	Now     func() time.Time
	Log     *slog.Logger
}

// mark names the caller in the record.
func (c Caller) mark() credentials.Mark {
	return credentials.Mark{Who: "client", ID: c.Client}
}

// account finds an account that the caller may see. One of another connector
// is as unknown as one that does not exist.
func (h *Handler) account(ctx context.Context, id string) (credentials.Account, error) {
	found, err := h.Reader.Account(ctx, id)
	if err == nil && found.Connector != callerOf(ctx).Owners {
		err = credentials.ErrNotFound
	}
	if errors.Is(err, credentials.ErrNotFound) {
		return found, notFound("There is no such account.")
	}
	return found, h.outcome(ctx, err)
}
