package keys

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// MaxToken is the size of a JWT that is looked at, in bytes.
const MaxToken = 8 << 10

// ErrToken says that a token is not one of ours of the wanted type. No more is
// told.
var ErrToken = errors.New("the token is not valid")

// Ring signs and verifies with the installation's keys. It is immutable and
// safe for concurrent use.
type Ring struct {
	byID    map[string]*SigningKey
	newest  map[Purpose]map[string]*SigningKey // purpose → alg → the key that signs
	signers map[string]jose.Signer             // key id + typ → cached signer
	public  jose.JSONWebKeySet
}

// The types of token that are signed (the JOSE typ header).
const (
	TypAccess     = "at+jwt" // RFC 9068
	TypID         = "JWT"
	TypStatusList = "statuslist+jwt" // draft-ietf-oauth-status-list
	TypEvent      = "secevent+jwt"   // RFC 8417
	TypLogout     = "logout+jwt"     // OpenID Connect Back-Channel Logout 1.0 section 2.4
)

// NewRing builds a ring; of several keys for one purpose and algorithm the
// newest signs.
func NewRing(list []*SigningKey) (*Ring, error) {
	r := &Ring{byID: map[string]*SigningKey{}, newest: map[Purpose]map[string]*SigningKey{}, signers: map[string]jose.Signer{}}
	for _, k := range list {
		r.byID[k.ID] = k
		r.public.Keys = append(r.public.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.ID, Algorithm: string(k.Alg), Use: "sig"})
		if r.newest[k.Purpose] == nil {
			r.newest[k.Purpose] = map[string]*SigningKey{}
		}
		if old := r.newest[k.Purpose][string(k.Alg)]; old == nil || k.MadeAt.After(old.MadeAt) {
			r.newest[k.Purpose][string(k.Alg)] = k
		}
		for _, typ := range []string{TypAccess, TypID, TypStatusList, TypEvent, TypLogout} {
			opts := (&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("kid", k.ID)
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.Alg, Key: k.private}, opts)
			if err != nil {
				return nil, fmt.Errorf("signing key %s: %w", k.ID, err)
			}
			r.signers[k.ID+typ] = signer
		}
	}
	return r, nil
}

// Public is the JSON Web Key Set (RFC 7517) that relying apps verify with.
func (r *Ring) Public() jose.JSONWebKeySet { return r.public }

// Sign signs the payload as a compact JWS with the purpose's key for alg.
func (r *Ring) Sign(purpose Purpose, alg, typ string, payload []byte) (string, error) {
	k := r.newest[purpose][alg]
	if k == nil {
		return "", fmt.Errorf("there is no %s key for %s", alg, purpose)
	}
	signed, err := r.signers[k.ID+typ].Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// Verify returns the payload of a token that was signed for this purpose with
// this typ. Everything else, of whatever shape, is ErrToken.
func (r *Ring) Verify(raw string, purpose Purpose, typ string) ([]byte, error) {
	if len(raw) > MaxToken || strings.Count(raw, ".") != 2 {
		return nil, ErrToken
	}
	algs := make([]jose.SignatureAlgorithm, 0, 4)
	for alg := range r.newest[purpose] {
		algs = append(algs, jose.SignatureAlgorithm(alg))
	}
	signed, err := jose.ParseSignedCompact(raw, algs)
	if err != nil || len(signed.Signatures) != 1 {
		return nil, ErrToken
	}
	header := signed.Signatures[0].Protected
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return nil, ErrToken
	}
	k := r.byID[header.KeyID]
	if k == nil || k.Purpose != purpose || string(k.Alg) != header.Algorithm {
		return nil, ErrToken
	}
	payload, err := signed.Verify(k.private.Public())
	if err != nil {
		return nil, ErrToken
	}
	return payload, nil
}
