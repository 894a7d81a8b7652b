package guard

import (
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	proofLife = time.Minute // how old a proof may be
	maxProofs = 1 << 16     // that are remembered
)

// proofAlgorithms are those that a proof may be signed with.
func proofAlgorithms() []string { return []string{string(jose.ES256), string(jose.EdDSA)} }

// proof is what a DPoP proof says (RFC 9449 section 4.2).
type proof struct {
	ID     string `json:"jti"`
	Method string `json:"htm"`
	URL    string `json:"htu"`
	Issued int64  `json:"iat"`
	Hash   string `json:"ath"`
}

// bound checks that who sends a token may: a bound one needs a proof for this
// request (RFC 9449 section 7), and any other none. The login has its own tokens
// from the broker or from a cookie that it sealed, and holds their key itself.
func (g *Guard) bound(t *token, c carried, r *http.Request) error {
	if source := g.source.Load(); t.jkt != "" && c.scheme == "" && source != nil && source.holds(t.jkt) {
		return nil
	}
	if t.jkt == "" {
		if r != nil && (hasScheme(r, "dpop") || len(r.Header.Values("DPoP")) > 0) {
			return errDPoP
		}
		return nil
	}
	if r == nil || !hasScheme(r, "dpop") || len(r.Header.Values("DPoP")) != 1 {
		return errDPoPMissing
	}
	raw := r.Header.Get("DPoP")
	thumbprint, payload, ok := openProof(raw)
	var p proof
	if !ok || subtle.ConstantTimeCompare([]byte(thumbprint), []byte(t.jkt)) == 0 || json.Unmarshal(payload, &p) != nil {
		return errDPoP
	}
	now := g.clock.read().wall
	issued := p.Issued * int64(time.Second)
	sum := sha256.Sum256([]byte(t.raw))
	switch {
	case p.ID == "" || p.Issued <= 0 || p.Issued > farthest,
		p.Method != r.Method, !sameURL(p.URL, g.addressOf(r)),
		p.Hash != base64.RawURLEncoding.EncodeToString(sum[:]),
		issued > now+int64(skew), issued <= now-int64(proofLife):
		return errDPoP
	}
	return g.proofs.once(thumbprint+" "+p.ID, now, issued+int64(proofLife))
}

// hasScheme reports whether a request's credentials are of a scheme (lower case).
func hasScheme(r *http.Request, scheme string) bool {
	has, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.ToLower(has) == scheme
}

// addressOf is the URL that a request was sent to; empty where the configuration
// does not say.
func (g *Guard) addressOf(r *http.Request) string {
	switch {
	case g.cfg.URL != nil:
		return g.cfg.URL(r)
	case g.cfg.BaseURL != "":
		return strings.TrimSuffix(g.cfg.BaseURL, "/") + r.URL.EscapedPath()
	}
	g.log.Error("guard: a token is bound to a key, and cannot be accepted before Config.BaseURL says where the app is")
	return ""
}

// openProof checks a proof's form and that the key in it signed it, and returns
// that key's thumbprint (RFC 7638).
func openProof(raw string) (thumbprint string, payload []byte, ok bool) {
	if _, err := headerOf(raw, "dpop+jwt"); err != nil {
		return "", nil, false
	}
	algorithms := make([]jose.SignatureAlgorithm, 0, 2)
	for _, a := range proofAlgorithms() {
		algorithms = append(algorithms, jose.SignatureAlgorithm(a))
	}
	jws, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil || len(jws.Signatures) != 1 {
		return "", nil, false
	}
	key := jws.Signatures[0].Protected.JSONWebKey
	if key == nil || !key.Valid() || !key.IsPublic() {
		return "", nil, false
	}
	if payload, err = jws.Verify(key); err != nil {
		return "", nil, false
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), payload, err == nil
}

// sameURL compares as RFC 9449 section 4.3 says: without query and fragment, with
// scheme and host normalised; the path byte by byte.
func sameURL(claimed, address string) bool {
	a, errA := url.Parse(claimed)
	b, errB := url.Parse(address)
	return errA == nil && errB == nil && a.Host != "" && normal(a) == normal(b)
}

func normal(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if port := map[string]string{"https": ":443", "http": ":80"}[scheme]; port != "" {
		host = strings.TrimSuffix(host, port)
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + path
}

// proofs remembers which proofs were used while they could be used again.
type proofs struct {
	mu   sync.Mutex
	used map[digest]int64 // until when, in ns since 1970
}

// once takes a proof that was not used before. When there is no room for it, it
// cannot be known whether it will be used again: the request is to come later.
func (p *proofs) once(id string, now, until int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := digestOf(id)
	if p.used == nil {
		p.used = map[digest]int64{}
	}
	if known, found := p.used[key]; found && now < known {
		return errDPoP
	}
	if len(p.used) >= maxProofs {
		for old, end := range p.used {
			if now >= end {
				delete(p.used, old)
			}
		}
		if len(p.used) >= maxProofs {
			return ErrUnknown
		}
	}
	p.used[key] = until
	return nil
}
