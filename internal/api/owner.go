package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/valetkey/valetkey/credentials"
)

// issuer is what makes a subject of this connector somebody.
func (c Connector) issuer() string {
	if c.Issuer == "" {
		return c.ID
	}
	return c.Issuer
}

// ownerClaims are the claims of whom the client mints for, from the source
// that its owner_proof names. nil: nothing is known about them.
func (h *Handler) ownerClaims(ctx context.Context, in *mintInput, connector Connector) (map[string][]string, error) {
	var claims map[string][]string
	switch caller := callerOf(ctx); caller.OwnerProof {
	case proofTrusted:
		claims = postedClaims(in.Body.Owner.Claims)
	case proofToken:
		proof, err := h.ownerProof(ctx, caller, in, connector)
		if err != nil {
			return nil, err
		}
		if claims = proof.Claims; claims == nil {
			claims = map[string][]string{} // a token without claims says that there are none
		}
	default:
		return nil, newProblem(http.StatusForbidden, "not-allowed", "This client may not mint: it has no owner_proof.")
	}
	if claims != nil && !credentials.Allowed(connector.Allow, claims) {
		return nil, newProblem(http.StatusForbidden, "not-allowed", "This person is not among those who may sign in as owner.")
	}
	return claims, nil
}

// ownerProof verifies the ID token and that it speaks of the same person and
// account as the mint.
func (h *Handler) ownerProof(ctx context.Context, caller Caller, in *mintInput, connector Connector) (OwnerProof, error) {
	if in.Body.OwnerToken == "" {
		return OwnerProof{}, invalid("body.owner_token", "expected an ID token of the owner")
	}
	proof, err := h.OwnerToken(ctx, connector.ID, caller.OwnerAudience, in.Body.OwnerToken)
	if errors.Is(err, ErrOwnerToken) {
		return proof, unproven("body.owner_token", "expected a valid ID token of the owner, at most 5 minutes old")
	}
	switch {
	case err != nil:
		return proof, err
	case proof.Subject == "" || proof.Subject != in.Body.Owner.Sub:
		return proof, unproven("body.owner.sub", "expected the subject of owner_token")
	case proof.Account == "" || proof.Account != in.Account:
		return proof, unproven("path.account", "expected the account of owner_token")
	}
	return proof, nil
}

func unproven(location, message string) *problem {
	p := newProblem(http.StatusForbidden, "owner-not-proven", "The ID token does not prove that this owner asks for this account.")
	p.Errors = []wanted{{location, message}}
	return p
}

func postedClaims(posted map[string]claim) map[string][]string {
	if posted == nil {
		return nil
	}
	claims := make(map[string][]string, len(posted))
	for name, values := range posted {
		claims[name] = values
	}
	return claims
}

// claim is the value of a claim as ID tokens have them: a text, a number, a
// boolean, or a list of these.
type claim []string

// Schema makes it a huma.SchemaProvider.
func (claim) Schema(huma.Registry) *huma.Schema {
	scalars := []*huma.Schema{{Type: huma.TypeString, MaxLength: new(1000)}, {Type: huma.TypeNumber}, {Type: huma.TypeBoolean}}
	list := &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{AnyOf: scalars}}
	s := &huma.Schema{AnyOf: append(append([]*huma.Schema(nil), scalars...), list)}
	for _, part := range append(s.AnyOf, list.Items) {
		part.PrecomputeMessages()
	}
	return s
}

// UnmarshalJSON keeps numbers as they are written.
func (c *claim) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return err
	}
	list, is := value.([]any)
	if !is {
		list = []any{value}
	}
	out := make(claim, 0, len(list))
	for _, v := range list {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case json.Number:
			out = append(out, v.String())
		case bool:
			out = append(out, boolText(v))
		default:
			return errors.New("a claim is a text, a number, a boolean, or a list of these")
		}
	}
	*c = out
	return nil
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
