package demo

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// token exchanges a code, once (OpenID Connect Core 1.0 section 3.1.3).
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) || r.URL.RawQuery != "" {
		tokenError(w, http.StatusBadRequest, "invalid_request")
		return
	}
	client, ok := i.authenticate(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
		tokenError(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	if r.PostForm.Get("grant_type") != "authorization_code" {
		tokenError(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	g, ok := i.codes.take(r.PostForm.Get("code")) // whoever presents it, it is used now
	if !ok || g.client.ID != client.ID || g.redirectURI != r.PostForm.Get("redirect_uri") || challengeOf(r.PostForm.Get("code_verifier")) != g.challenge {
		tokenError(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	access := i.tokens.put(g, tokenLife)
	id, err := i.idToken(g, access)
	if err != nil {
		tokenError(w, http.StatusInternalServerError, "server_error")
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"access_token": access, "token_type": "Bearer",
		"expires_in": int(tokenLife.Seconds()), "id_token": id, "scope": strings.Join(g.scope, " ")})
}

// authenticate is RFC 6749 section 2.3.1: in the header, or in the form, and
// not in both.
func (i *Issuer) authenticate(r *http.Request) (Client, bool) {
	id, secret, basic := r.BasicAuth()
	if basic {
		var wrong, wronger error
		id, wrong = url.QueryUnescape(id)
		secret, wronger = url.QueryUnescape(secret)
		if wrong != nil || wronger != nil || r.PostForm.Has("client_secret") {
			return Client{}, false
		}
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	at := slices.IndexFunc(i.Clients, func(c Client) bool { return c.ID == id })
	if at < 0 || i.Clients[at].Secret == "" || subtle.ConstantTimeCompare([]byte(i.Clients[at].Secret), []byte(secret)) != 1 {
		return Client{}, false
	}
	return i.Clients[at], true
}

func (i *Issuer) idToken(g grant, access string) (string, error) {
	claims, now := claimsOf(g), i.Now()
	claims["iss"], claims["aud"] = i.URL, g.client.ID
	claims["iat"], claims["exp"], claims["auth_time"] = now.Unix(), now.Add(tokenLife).Unix(), g.at.Unix()
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	sum := sha256.Sum256([]byte(access))
	claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:16]) // OpenID Connect Core 1.0 section 3.1.3.6
	return i.sign(claims)
}

// claimsOf is what is said of the person: the standard claims by scope (OpenID
// Connect Core 1.0 section 5.4), and Northwind's own always.
func claimsOf(g grant) map[string]any {
	claims := maps.Clone(g.person.Claims)
	if claims == nil {
		claims = map[string]any{}
	}
	claims["sub"] = g.person.ID
	if slices.Contains(g.scope, "profile") {
		claims["name"] = g.person.Name
	}
	if slices.Contains(g.scope, "email") {
		claims["email"], claims["email_verified"] = g.person.Email, true
	}
	return claims
}

func (i *Issuer) userinfo(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	g, ok := i.tokens.get(token)
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		tokenError(w, http.StatusUnauthorized, "invalid_token")
		return
	}
	writeJSON(w, http.StatusOK, claimsOf(g))
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func tokenError(w http.ResponseWriter, status int, code string) {
	writeJSON(w, status, map[string]string{"error": code})
}

// maxForm bounds a posted form, in bytes.
const maxForm = 64 << 10

func readForm(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	return r.ParseForm() == nil
}
