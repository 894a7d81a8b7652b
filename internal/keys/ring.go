package keys

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
)

// MaxToken is the size of a JWT that is looked at, in bytes.
const MaxToken = 8 << 10

// ErrToken says that a token is not one of ours of the wanted type. No more is
// told.
var ErrToken = errors.New("the token is not valid")

// Ring signs and verifies with the installation's keys. It is safe for
// concurrent use, also while its keys are exchanged.
type Ring struct {
	held    atomic.Pointer[held]
	version atomic.Uint64
}

// held are a ring's keys; it never changes.
type held struct {
	byID   map[string]*SigningKey
	active map[Purpose]map[string]*SigningKey    // purpose → alg → the key that signs
	algs   map[Purpose][]jose.SignatureAlgorithm // that some key of the purpose verifies
	public jose.JSONWebKeySet
}

// The types of token that are signed (the JOSE typ header). Any other may be
// signed too.
const (
	TypAccess     = "at+jwt" // RFC 9068
	TypID         = "JWT"
	TypStatusList = "statuslist+jwt" // draft-ietf-oauth-status-list
	TypEvent      = "secevent+jwt"   // RFC 8417
	TypLogout     = "logout+jwt"     // OpenID Connect Back-Channel Logout 1.0 section 2.4
)

// NewRing builds a ring; see Replace.
func NewRing(list []*SigningKey) (*Ring, error) {
	r := &Ring{}
	return r, r.Replace(list)
}

// Replace exchanges all keys at once. Of several active keys for one purpose and
// algorithm the latest signs; keys of every state are published and verify.
func (r *Ring) Replace(list []*SigningKey) error {
	h := &held{byID: map[string]*SigningKey{}, active: map[Purpose]map[string]*SigningKey{}, algs: map[Purpose][]jose.SignatureAlgorithm{}}
	for _, k := range list {
		if _, err := k.signer(TypAccess); err != nil { // a key that cannot sign is found out now
			return fmt.Errorf("signing key %s: %w", k.ID, err)
		}
		h.byID[k.ID] = k
		h.algs[k.Purpose] = append(h.algs[k.Purpose], k.Alg)
		h.public.Keys = append(h.public.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.ID, Algorithm: string(k.Alg), Use: "sig"})
		if k.State != Active {
			continue
		}
		if h.active[k.Purpose] == nil {
			h.active[k.Purpose] = map[string]*SigningKey{}
		}
		if old := h.active[k.Purpose][string(k.Alg)]; old == nil || k.Since.After(old.Since) {
			h.active[k.Purpose][string(k.Alg)] = k
		}
	}
	r.held.Store(h)
	r.version.Add(1)
	return nil
}

// Version is another number whenever the keys have been exchanged. What was
// verified after it was read holds as long as it is the same.
func (r *Ring) Version() uint64 { return r.version.Load() }

// Public is the JSON Web Key Set (RFC 7517) that relying apps verify with.
func (r *Ring) Public() jose.JSONWebKeySet { return r.held.Load().public }

// Sign signs the payload as a compact JWS with the purpose's active key for alg.
func (r *Ring) Sign(purpose Purpose, alg, typ string, payload []byte) (string, error) {
	k := r.held.Load().active[purpose][alg]
	if k == nil {
		return "", fmt.Errorf("there is no %s key for %s", alg, purpose)
	}
	signer, err := k.signer(typ)
	if err != nil {
		return "", err
	}
	return signer.sign(payload)
}

// Verify returns the payload of a token that was signed for this purpose with
// this typ. Everything else, of whatever shape, is ErrToken.
func (r *Ring) Verify(raw string, purpose Purpose, typ string) ([]byte, error) {
	if len(raw) > MaxToken || strings.Count(raw, ".") != 2 {
		return nil, ErrToken
	}
	h := r.held.Load()
	signed, err := jose.ParseSignedCompact(raw, h.algs[purpose])
	if err != nil || len(signed.Signatures) != 1 {
		return nil, ErrToken
	}
	header := signed.Signatures[0].Protected
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return nil, ErrToken
	}
	k := h.byID[header.KeyID]
	if k == nil || k.Purpose != purpose || string(k.Alg) != header.Algorithm {
		return nil, ErrToken
	}
	payload, err := signed.Verify(k.private.Public())
	if err != nil {
		return nil, ErrToken
	}
	return payload, nil
}
