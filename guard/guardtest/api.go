package guardtest

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Action is one entry of the record: what an agent did, or was refused.
type Action struct {
	ID      string `json:"id"`
	SID     string `json:"sid"`
	Action  string `json:"action"`
	Target  string `json:"target"`
	Scope   string `json:"scope"`
	Outcome string `json:"outcome"` // started or refused
}

// Actions are the actions that were recorded so far.
func (b *Broker) Actions() []Action {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.actions)
}

func (b *Broker) mount() {
	b.mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{
			"issuer": b.URL, "authorization_endpoint": b.URL + "/authorize", "token_endpoint": b.URL + "/token", "jwks_uri": b.URL + "/jwks",
			"introspection_endpoint": b.URL + "/introspect", "revocation_endpoint": b.URL + "/revoke", "end_session_endpoint": b.URL + "/logout",
			"pushed_authorization_request_endpoint": b.URL + "/par",
		})
	})
	b.mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_ = json.NewEncoder(w).Encode(b.keySet()) // nobody to tell, if not there
	})
	b.mux.HandleFunc("GET /authorize", b.authorize)
	b.mux.HandleFunc("POST /par", b.push)
	b.mux.HandleFunc("POST /token", b.token)
	b.mux.HandleFunc("POST /introspect", b.introspect)
	b.mux.HandleFunc("POST /revoke", b.revoke)
	b.mux.HandleFunc("GET /api/v1/endings", b.feed)
	b.mux.HandleFunc("POST /api/v1/endings/ack", b.ack)
	b.mux.HandleFunc("POST /api/v1/actions", b.act)
}

// isClient checks the client's credentials: client_secret_basic, or private_key_jwt
// where it has a key.
func (b *Broker) isClient(w http.ResponseWriter, r *http.Request) bool {
	b.mu.Lock()
	keyed := b.clientKey != nil
	b.mu.Unlock()
	known := authenticated(r) == ClientID
	if keyed {
		known = b.asserted(r)
	}
	if !known && authenticated(r) != APIClientID {
		w.Header().Set("WWW-Authenticate", `Basic realm="guardtest"`)
		reply(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return false
	}
	return true
}

// authenticated is the client whose secret a request has; empty for none.
func authenticated(r *http.Request) string {
	id, secret, _ := r.BasicAuth()
	plainID, errID := url.QueryUnescape(id)
	plain, err := url.QueryUnescape(secret)
	if errID != nil || err != nil || plain != ClientSecret || plainID != ClientID && plainID != APIClientID {
		return ""
	}
	return plainID
}

func (b *Broker) token(w http.ResponseWriter, r *http.Request) {
	if !b.isClient(w, r) {
		return
	}
	if r.FormValue("grant_type") != "client_credentials" {
		b.redeem(w, r)
		return
	}
	if authenticated(r) != APIClientID {
		if _, wrong := b.proven(w, r); wrong != "" {
			reply(w, http.StatusBadRequest, unproven(wrong))
			return
		}
	}
	token := rand.Text()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens[token] = time.Now().Add(b.life)
	reply(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(b.life / time.Second), "scope": r.FormValue("scope")})
}

// caller checks a token for the API, and returns until when it lives.
func (b *Broker) caller(w http.ResponseWriter, r *http.Request) (time.Time, bool) {
	raw, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	b.mu.Lock()
	until := b.tokens[raw]
	b.mu.Unlock()
	if time.Now().Before(until) {
		return until, true
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="guardtest", error="invalid_token"`)
	problem(w, http.StatusUnauthorized, "", nil)
	return until, false
}

// ForgetAPITokens makes every API token issued so far worthless.
func (b *Broker) ForgetAPITokens() { b.change(func() { clear(b.tokens) }) }

// sidOf opens a token that was signed by a current key and is alive.
func (b *Broker) sidOf(raw string) (sid string, claims map[string]any, ok bool) {
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", nil, false
	}
	payload, err := jws.Verify(b.keySet())
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return "", nil, false
	}
	expires, _ := claims["exp"].(float64)
	sid, _ = claims["sid"].(string)
	return sid, claims, float64(time.Now().Unix()) < expires && sid != ""
}

func (b *Broker) introspect(w http.ResponseWriter, r *http.Request) {
	if !b.isClient(w, r) {
		return
	}
	sid, claims, ok := b.sidOf(r.FormValue("token"))
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sessions[sid]; !ok || s == nil || s.ended != nil || claims["aud"] != Audience {
		reply(w, http.StatusOK, map[string]bool{"active": false})
		return
	}
	claims["active"] = true
	reply(w, http.StatusOK, claims)
}

func (b *Broker) revoke(w http.ResponseWriter, r *http.Request) {
	if !b.isClient(w, r) {
		return
	}
	sid, _, _ := b.sidOf(r.FormValue("token")) // of an expired one, too
	if sid == "" {
		sid = b.sidOfRefresh(r.FormValue("token"))
	}
	if sid != "" {
		b.End(sid, "signed_out")
	}
	w.WriteHeader(http.StatusOK)
}

func (b *Broker) act(w http.ResponseWriter, r *http.Request) {
	if _, ok := b.caller(w, r); !ok {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	var batch struct {
		Actions []Action `json:"actions"`
	}
	var one Action
	if err != nil || json.Unmarshal(body, &batch) != nil || json.Unmarshal(body, &one) != nil || len(batch.Actions) > 100 {
		problem(w, http.StatusUnprocessableEntity, "invalid", nil)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if batch.Actions == nil {
		status, kind, more := b.take(one)
		if kind == "" {
			reply(w, status, more)
			return
		}
		problem(w, status, kind, more)
		return
	}
	items := []map[string]any{}
	for _, a := range batch.Actions {
		status, _, more := b.take(a)
		more["status"] = status
		items = append(items, more)
	}
	reply(w, http.StatusOK, map[string]any{"items": items})
}

// take records one action, or says what kind of problem there is.
func (b *Broker) take(a Action) (status int, kind string, more map[string]any) {
	more = map[string]any{}
	s := b.sessions[a.SID]
	switch {
	case a.ID == "" || a.Action == "" || a.Scope == "" || (a.Outcome != "started" && a.Outcome != "refused"):
		return http.StatusUnprocessableEntity, "invalid", more
	case s == nil || s.audience != Audience:
		return http.StatusForbidden, "not-audience", more
	case s.ended != nil && a.Outcome == "started":
		more["ended_at"], more["cause"] = s.ended.at, s.ended.cause
		return http.StatusConflict, "session-ended", more
	case a.Outcome == "started" && !slices.Contains(s.scopes, a.Scope):
		return http.StatusForbidden, "scope-not-lent", more
	}
	if at, repeat := b.byID[a.ID]; repeat {
		if b.actions[at] != a {
			return http.StatusUnprocessableEntity, "key-reused", more
		}
		more["seq"] = at + 1
		return http.StatusOK, "", more
	}
	b.actions = append(b.actions, a)
	b.byID[a.ID] = len(b.actions) - 1
	more["seq"] = len(b.actions)
	return http.StatusCreated, "", more
}

// problem answers as RFC 9457 says.
func problem(w http.ResponseWriter, status int, kind string, more map[string]any) {
	body := map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status}
	if kind != "" {
		body["type"] = "urn:valetkey:problem:" + kind
	}
	for name, value := range more {
		body[name] = value
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // nobody to tell, if not there
}
