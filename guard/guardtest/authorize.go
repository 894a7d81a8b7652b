package guardtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// signIns is the part of a broker that signs agents in to apps with pages: the
// authorization endpoint, codes and refresh tokens.
type signIns struct {
	visitor   *Session // whom the broker's sign-in page would let in
	refusal   string   // the error that it answers with instead
	refresh   bool
	alg       string
	tamper    func(map[string]any)
	asked     []url.Values
	codes     map[string]grant
	refreshes map[string]*refreshToken
	begun     map[string]time.Time // by sid
}

func newSignIns() signIns {
	return signIns{codes: map[string]grant{}, refreshes: map[string]*refreshToken{}, begun: map[string]time.Time{}}
}

// grant is what a code stands for.
type grant struct {
	session                    Session
	redirect, challenge, nonce string
	jkt                        string // dpop_jkt
}

// refreshToken follows the real broker's rules: rotated at each use, good for 30
// seconds more while its successor is unused.
type refreshToken struct {
	session  Session
	parent   *refreshToken
	used     time.Time // zero: not yet
	followed bool      // a successor was used
}

// rsaKey signs ID tokens and logout tokens by RS256. Making one is slow: there is
// one for all brokers of a process.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // the system has no randomness
	}
	return private
})

const rsaKeyID = "rs256"

// Enter has the broker sign in whoever an app sends to it, at once, as the agent
// of s and with its session, which is the same until Enter is called again.
func (b *Broker) Enter(s Session) {
	s = s.complete()
	b.Claims(s) // the session begins
	b.change(func() {
		b.visitor, b.refusal = &s, ""
		if _, known := b.begun[s.ID]; !known {
			b.begun[s.ID] = time.Now()
		}
	})
}

// Decline has the broker send whoever comes back with an error, such as
// access_denied.
func (b *Broker) Decline(code string) { b.change(func() { b.refusal = code }) }

// GiveRefreshTokens says whether the app's client has the refresh_token grant. It
// has not, at first.
func (b *Broker) GiveRefreshTokens(give bool) { b.change(func() { b.refresh = give }) }

// SignIDTokens sets the client's id_token_alg: RS256, as it is at first, or ES256.
func (b *Broker) SignIDTokens(alg string) { b.change(func() { b.alg = alg }) }

// TamperIDTokens has a test change what ID tokens say before they are signed.
func (b *Broker) TamperIDTokens(how func(claims map[string]any)) {
	b.change(func() { b.tamper = how })
}

// Authorizations are the requests to the authorization endpoint so far.
func (b *Broker) Authorizations() []url.Values {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.asked)
}

// LogoutClaims are what a logout token says that ends a session (OpenID Connect
// Back-Channel Logout 1.0 section 2.4). A test may change them first.
func (b *Broker) LogoutClaims(sid string) map[string]any {
	now := time.Now()
	return map[string]any{"iss": b.URL, "aud": ClientID, "sid": sid, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
}

// SignRS256 signs any claims by RS256, as a token of any type.
func (b *Broker) SignRS256(typ string, claims any) string {
	return b.sign(jose.RS256, jose.JSONWebKey{Key: rsaKey(), KeyID: rsaKeyID}, typ, claims)
}

// authorize signs in without asking (OpenID Connect Core 1.0 section 3.1.2). What
// the real broker would not send back to the app is an error here, too.
func (b *Broker) authorize(w http.ResponseWriter, r *http.Request) {
	query, taken := b.asks(r.URL.Query())
	to, err := url.Parse(query.Get("redirect_uri"))
	if err != nil || to.Host == "" || query.Get("client_id") != ClientID {
		http.Error(w, "unknown client or redirect_uri", http.StatusBadRequest)
		return
	}
	answer := url.Values{"iss": {b.URL}, "state": query["state"]}
	challenge, _ := base64.RawURLEncoding.DecodeString(query.Get("code_challenge"))
	b.change(func() {
		b.asked = append(b.asked, query)
		ended := b.visitor != nil && b.sessions[b.visitor.ID].ended != nil
		switch {
		case !taken:
			answer.Set("error", "invalid_request")
		case query.Get("response_type") != "code" || query.Get("code_challenge_method") != "S256" || len(challenge) != sha256.Size || query.Get("state") == "":
			answer.Set("error", "invalid_request")
		case b.refusal != "":
			answer.Set("error", b.refusal)
		case (b.visitor == nil || ended) && query.Get("prompt") == "none":
			answer.Set("error", "login_required")
		case b.visitor == nil || ended:
			answer.Set("error", "access_denied")
		default:
			code := rand.Text()
			b.codes[code] = grant{*b.visitor, query.Get("redirect_uri"), query.Get("code_challenge"), query.Get("nonce"), query.Get("dpop_jkt")}
			answer.Set("code", code)
		}
	})
	to.RawQuery = answer.Encode()
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// redeem answers a code or refresh token at the token endpoint.
func (b *Broker) redeem(w http.ResponseWriter, r *http.Request) {
	var s Session
	var nonce string
	var from *refreshToken
	var ok bool
	jkt, wrong := b.proven(w, r)
	if wrong != "" {
		reply(w, http.StatusBadRequest, unproven(wrong))
		return
	}
	switch r.FormValue("grant_type") {
	case "authorization_code":
		s, nonce, ok = b.redeemCode(r, jkt)
	case "refresh_token":
		s, from, ok = b.redeemRefresh(r.FormValue("refresh_token"))
	default:
		reply(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	}
	if !ok {
		reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	now := b.aged(s)
	now.Thumbprint = jkt
	access := b.Mint(now)
	said := map[string]any{"access_token": access, "token_type": map[bool]string{true: "DPoP", false: "Bearer"}[jkt != ""], "expires_in": int(now.Life / time.Second)}
	if from == nil {
		said["id_token"] = b.idToken(now, nonce, access)
	}
	b.change(func() {
		if b.refresh {
			next := rand.Text()
			b.refreshes[next] = &refreshToken{session: s, parent: from}
			said["refresh_token"] = next
		}
	})
	reply(w, http.StatusOK, said)
}

func (b *Broker) redeemCode(r *http.Request, jkt string) (s Session, nonce string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	code := r.FormValue("code")
	g, known := b.codes[code]
	delete(b.codes, code)
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	ok = known && (g.jkt == "" || g.jkt == jkt) && g.redirect == r.FormValue("redirect_uri") && g.challenge == base64.RawURLEncoding.EncodeToString(sum[:]) && b.sessions[g.session.ID].ended == nil
	return g.session, g.nonce, ok
}

// redeemRefresh ends the session of a token that is used again too late.
func (b *Broker) redeemRefresh(raw string) (s Session, t *refreshToken, ok bool) {
	b.mu.Lock()
	t = b.refreshes[raw]
	if t == nil || b.sessions[t.session.ID].ended != nil {
		b.mu.Unlock()
		return s, nil, false
	}
	now := time.Now()
	if !t.used.IsZero() && (t.followed || now.Sub(t.used) > 30*time.Second) {
		b.mu.Unlock()
		b.End(t.session.ID, "reuse")
		return s, nil, false
	}
	if t.used.IsZero() {
		t.used = now
	}
	if t.parent != nil {
		t.parent.followed = true
	}
	b.mu.Unlock()
	return t.session, t, true
}

// aged is a session whose end comes nearer: EndsIn is counted from Enter.
func (b *Broker) aged(s Session) Session {
	b.mu.Lock()
	defer b.mu.Unlock()
	if begun, ok := b.begun[s.ID]; ok {
		s.EndsIn -= time.Since(begun)
		s.Life = min(s.Life, s.EndsIn)
	}
	return s
}

func (b *Broker) idToken(s Session, nonce, access string) string {
	claims := b.Claims(s)
	for _, name := range []string{"client_id", "scope", "jti"} {
		delete(claims, name)
	}
	sum := sha256.Sum256([]byte(access))
	claims["aud"], claims["nonce"], claims["at_hash"] = ClientID, nonce, base64.RawURLEncoding.EncodeToString(sum[:16])
	b.mu.Lock()
	tamper, alg := b.tamper, b.alg
	b.mu.Unlock()
	if tamper != nil {
		tamper(claims)
	}
	if alg == "ES256" {
		return b.Sign("JWT", claims)
	}
	return b.SignRS256("JWT", claims)
}

// sidOfRefresh is the session of a refresh token; empty for an unknown one.
func (b *Broker) sidOfRefresh(raw string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t, ok := b.refreshes[raw]; ok {
		return t.session.ID
	}
	return ""
}
