package provider_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// FuzzAssertion: whatever claims an assertion has and whatever it looks like, it
// is answered, and only what says all that it must is good.
func FuzzAssertion(f *testing.F) {
	w := newWorld(f)
	whole, err := json.Marshal(w.assertionClaims("bank"))
	must(f, err)
	for _, claims := range []string{
		string(whole), `{}`, `[]`, `null`, `{"aud":[1]}`, `{"aud":{}}`, `{"exp":1e400}`, `{"exp":-0.0,"iat":null}`, `{"sub":"bank","sub":"vault"}`, `{"jti":{}}`, "{\"sub\":\"\xff\"}",
	} {
		f.Add(claims, "")
		f.Add(claims, "."+segment(claims))
	}
	f.Add(string(whole), w.assertion("vault"))
	f.Fuzz(func(t *testing.T, claims, raw string) {
		signed := raw
		if json.Valid([]byte(claims)) && raw == "" {
			signed = bankKey.sign(json.RawMessage(claims), nil)
		}
		r := w.present(signed)
		if r.Code >= 500 || strings.Contains(w.log.String(), "panicked") {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		if r.Code != http.StatusOK {
			return
		}
		var said struct{ Iss, Sub, Aud, Jti string }
		if raw == "" && (json.Unmarshal([]byte(claims), &said) != nil || said.Iss != "bank" || said.Sub != "bank" || said.Aud != issuer || said.Jti == "") {
			t.Fatalf("%s is good", claims)
		}
	})
}

// FuzzProof: whatever claims and key a proof has and whatever it looks like, it
// is answered, and a token comes only bound to the key that signed it.
func FuzzProof(f *testing.F) {
	w := newWorld(f)
	for _, claims := range []string{
		`{"jti":"1","htm":"POST","htu":"https://access.example/token","iat":1}`, `{}`, `[]`, `null`, `{"htu":[1]}`, `{"iat":1e400}`, `{"htu":"https://[::1"}`, `{"htm":1}`, "{\"htu\":\"\xff\"}",
	} {
		f.Add(claims, `{"kty":"EC"}`, "")
		f.Add(claims, `{"kty":"oct","k":"x"}`, "."+segment(claims)+".")
	}
	f.Add(`{}`, `[]`, w.proof(appKey, "POST", "/token"))
	f.Fuzz(func(t *testing.T, claims, jwk, raw string) {
		proof := raw
		if json.Valid([]byte(claims)) && json.Valid([]byte(jwk)) && raw == "" {
			headers := proofHeaders(appKey)
			if jwk != `{"kty":"EC"}` {
				headers["jwk"] = json.RawMessage(jwk)
			}
			proof = appKey.sign(json.RawMessage(claims), headers)
		}
		if strings.ContainsAny(proof, "\r\n\x00") || proof == "" {
			return // no header can hold it
		}
		r := w.prove("/token", "settings", proof, form("grant_type", "client_credentials"))
		if r.Code >= 500 || strings.Contains(w.log.String(), "panicked") {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		if r.Code == http.StatusOK && (r.text("token_type") != "DPoP" || raw == "" && !strings.Contains(claims, "POST")) {
			t.Fatalf("%s with %s: %s", claims, jwk, r.Body)
		}
	})
}

// FuzzRequestURI: whatever a request_uri is, it is no request, unless it was made
// by the provider for the client.
func FuzzRequestURI(f *testing.F) {
	w := newWorld(f)
	good := w.pushes("docs")
	f.Add("docs", "")
	f.Add("docs", strings.TrimPrefix(good, requestURI))
	f.Add("notes", strings.TrimPrefix(good, requestURI))
	f.Add("nobody", "A\x00")
	f.Fuzz(func(t *testing.T, client, sealed string) {
		before := len(w.asked)
		r := w.visit(client, requestURI+sealed)
		mine := client == "docs" && requestURI+sealed == good
		if len(w.asked) > before != mine || !mine && r.Code != http.StatusBadRequest {
			t.Fatalf("%s: %d %s", client, r.Code, r.Body)
		}
	})
}
