package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Purpose keeps the keys of different token types apart.
type Purpose string

// The purposes.
const (
	ForAccess Purpose = "access" // access tokens; always ES256
	ForID     Purpose = "id"     // ID tokens, by the client's algorithm
)

// rsaBits is the size of RSA keys (RFC 7518 section 3.3 asks for 2048 or more).
const rsaBits = 2048

// State is where a key is in its life.
type State string

// The states. A key of any of them is published and verifies.
const (
	Next     State = "next"     // will sign
	Active   State = "active"   // signs
	Retiring State = "retiring" // has signed: what it signed still lives
)

// Stage is a key's state, since when, and when it goes on to the next one: a
// retiring key goes altogether. An active key goes on when the next one does.
type Stage struct {
	State State
	Since time.Time
	Due   time.Time // zero for an active key
}

// SigningKey is a private key with its purpose and algorithm.
type SigningKey struct {
	ID      string // RFC 7638 thumbprint
	Purpose Purpose
	Alg     jose.SignatureAlgorithm
	MadeAt  time.Time
	Stage
	private crypto.Signer
	signers sync.Map // typ → tokenSigner, made when first asked for
}

// tokenSigner makes a compact JWS of one type with one key.
type tokenSigner interface {
	sign(payload []byte) (string, error)
}

// signer is the key's signer of a type of token. Types are ours, so there are
// few.
func (k *SigningKey) signer(typ string) (tokenSigner, error) {
	if s, ok := k.signers.Load(typ); ok {
		return s.(tokenSigner), nil
	}
	s, err := k.newSigner(typ)
	if err != nil {
		return nil, err
	}
	k.signers.Store(typ, s)
	return s, nil
}

func (k *SigningKey) newSigner(typ string) (tokenSigner, error) {
	if private, is := k.private.(*ecdsa.PrivateKey); is && k.Alg == jose.ES256 && private.Curve == elliptic.P256() {
		return newCompact(private, k.ID, typ)
	}
	opts := (&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("kid", k.ID)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: k.Alg, Key: k.private}, opts)
	return throughJOSE{s}, err
}

// StoredKey is a signing key as the database holds it: sealed, with its row as
// associated data. Its stage changes and is no part of that.
type StoredKey struct {
	ID      string
	Purpose Purpose
	Alg     string
	Sealed  []byte
	MadeAt  time.Time
	Stage
}

// NewSigningKey makes a key for RS256, PS256, ES256 or EdDSA that signs from now
// on.
func NewSigningKey(purpose Purpose, alg string, now time.Time) (*SigningKey, error) {
	var private crypto.Signer
	var err error
	switch jose.SignatureAlgorithm(alg) {
	case jose.RS256, jose.PS256:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("no signing with %q: choose RS256, PS256, ES256 or EdDSA", alg)
	}
	if err != nil {
		return nil, err
	}
	return newSigningKey(purpose, jose.SignatureAlgorithm(alg), private, now)
}

func newSigningKey(purpose Purpose, alg jose.SignatureAlgorithm, private crypto.Signer, made time.Time) (*SigningKey, error) {
	public := jose.JSONWebKey{Key: private.Public()}
	thumb, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return &SigningKey{ID: base64.RawURLEncoding.EncodeToString(thumb), Purpose: purpose, Alg: alg, MadeAt: made,
		Stage: Stage{State: Active, Since: made}, private: private}, nil
}

func (k StoredKey) bound() string {
	return "signing_keys/" + k.ID + "/" + string(k.Purpose) + "/" + k.Alg
}

// Store seals the key for its row.
func (k *SigningKey) Store(s *Sealer) (StoredKey, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return StoredKey{}, err
	}
	out := StoredKey{ID: k.ID, Purpose: k.Purpose, Alg: string(k.Alg), MadeAt: k.MadeAt, Stage: k.Stage}
	out.Sealed = s.SealBytes(der, out.bound())
	return out, nil
}

// Open unseals a key from its row.
func (k StoredKey) Open(s *Sealer) (*SigningKey, error) {
	der, err := s.OpenBytes(k.Sealed, k.bound())
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", k.ID, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("signing key %s is damaged", k.ID)
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("signing key %s cannot sign", k.ID)
	}
	key, err := newSigningKey(k.Purpose, jose.SignatureAlgorithm(k.Alg), private, k.MadeAt)
	if err == nil && k.State != "" {
		key.Stage = k.Stage
	}
	return key, err
}
