package guard_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/guard/guardtest"
)

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// signed signs claims with a key, as a token of access.
func (w *world) signed(key any, alg jose.SignatureAlgorithm, id string, claims any) string {
	w.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: id}}, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		w.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		w.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		w.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

// published is the broker's key, as anybody can fetch it.
func (w *world) published() jose.JSONWebKey {
	w.Helper()
	response, err := w.broker.Client().Get(w.broker.URL + "/jwks")
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	var set jose.JSONWebKeySet
	if err != nil || json.Unmarshal(body, &set) != nil || len(set.Keys) == 0 {
		w.Fatal("no key set")
	}
	return set.Keys[0]
}

// TestHostileTokens: none of these is let in, and none reaches the own login that
// says it is of the broker.
func TestHostileTokens(t *testing.T) {
	bubble(t, func(w *world) {
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // a whole second, for exp
		good := w.broker.Claims(guardtest.Session{ID: "s1", Scopes: []string{"documents.read"}})
		with := func(name string, value any) map[string]any {
			c := maps.Clone(good)
			if c[name] = value; value == nil {
				delete(c, name)
			}
			return c
		}
		sign := func(c map[string]any) string { return w.broker.Sign("at+jwt", c) }
		raw := sign(good)
		head, rest, _ := strings.Cut(raw, ".")
		payload, signature, _ := strings.Cut(rest, ".")
		key := w.published()
		id := key.KeyID
		der, err := x509.MarshalPKIXPublicKey(key.Key)
		if err != nil {
			w.Fatal(err)
		}
		asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		mine, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			w.Fatal(err)
		}
		now := time.Now()
		header := func(text string) string { return b64(text) + "." + payload + "." + signature }
		for name, c := range map[string]struct{ token, code string }{
			"alg none":                        {b64(`{"alg":"none","typ":"at+jwt","kid":"`+id+`"}`) + "." + payload + ".", "malformed"},
			"alg none with a signature":       {header(`{"alg":"none","typ":"at+jwt","kid":"` + id + `"}`), "bad_signature"},
			"alg nOnE":                        {header(`{"alg":"nOnE","typ":"at+jwt","kid":"` + id + `"}`), "bad_signature"},
			"HS256 with the public key's PEM": {w.signed(asPEM, jose.HS256, id, good), "bad_signature"},
			"HS256 with the public key's DER": {w.signed(der, jose.HS256, id, good), "bad_signature"},
			"a key of their own":              {w.signed(mine, jose.ES256, id, good), "bad_signature"},
			"a key of their own, inside":      {w.signed(mine, jose.ES256, "", with("jwk", 1)), "bad_signature"},
			"a kid that is unknown":           {w.signed(mine, jose.ES256, "unknown", good), "bad_signature"},
			"no kid":                          {header(`{"alg":"ES256","typ":"at+jwt"}`), "bad_signature"},
			"a kid that is no text":           {header(`{"alg":"ES256","typ":"at+jwt","kid":1}`), "malformed"},
			"typ JWT":                         {w.broker.Sign("JWT", good), "wrong_type"},
			"typ logout+jwt":                  {w.broker.Sign("logout+jwt", good), "wrong_type"},
			"no typ":                          {header(`{"alg":"ES256","kid":"` + id + `"}`), "wrong_type"},
			"crit":                            {header(`{"alg":"ES256","typ":"at+jwt","kid":"` + id + `","crit":["b64"],"b64":false}`), "malformed"},
			"a header that is no JSON":        {header(`{`), "malformed"},
			"a header that is no object":      {header(`[]`), "malformed"},
			"a header that is not base64":     {"!" + "." + payload + "." + signature, "malformed"},
			"a signature that is short":       {head + "." + payload + "." + b64(strings.Repeat("a", 60)), "bad_signature"},
			"a signature that is long":        {head + "." + payload + "." + longer(signature), "bad_signature"},
			"a signature of zeros":            {head + "." + payload + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)), "bad_signature"},
			"a signature that is not base64":  {head + "." + payload + ".!!!!", "malformed"},
			"a signature spelled otherwise":   {raw[:len(raw)-1] + respell(raw[len(raw)-1]), "malformed"},
			"a payload of another token":      {head + "." + strings.Split(sign(with("sid", "s2")), ".")[1] + "." + signature, "bad_signature"},
			"another audience":                {sign(with("aud", "https://other.example")), "wrong_audience"},
			"aud [1]":                         {sign(with("aud", []int{1})), "wrong_audience"},
			"aud 1":                           {sign(with("aud", 1)), "wrong_audience"},
			"aud null":                        {w.broker.Sign("at+jwt", with("aud", json.RawMessage("null"))), "wrong_audience"},
			"aud {}":                          {sign(with("aud", map[string]string{guardtest.Audience: guardtest.Audience})), "wrong_audience"},
			"aud []":                          {sign(with("aud", []string{})), "wrong_audience"},
			"aud of two":                      {sign(with("aud", []string{guardtest.Audience, "https://other.example"})), "wrong_audience"},
			"aud of a list in a list":         {sign(with("aud", [][]string{{guardtest.Audience}})), "wrong_audience"},
			"no aud":                          {sign(with("aud", nil)), "wrong_audience"},
			"no sid: a token for the API":     {sign(with("sid", nil)), "malformed"},
			"a sid that is no text":           {sign(with("sid", 1)), "malformed"},
			"a sid with control characters":   {sign(with("sid", "a\nb")), "malformed"},
			"a sid that is long":              {sign(with("sid", strings.Repeat("a", 201))), "malformed"},
			"no exp":                          {sign(with("exp", nil)), "malformed"},
			"exp 0":                           {sign(with("exp", 0)), "malformed"},
			"an exp that overflows":           {sign(with("exp", int64(1)<<62)), "malformed"},
			"an exp that is text":             {sign(with("exp", "9999999999")), "malformed"},
			"expired by 0 s":                  {sign(with("exp", now.Unix())), "expired"},
			"expired long ago":                {sign(with("exp", 1)), "expired"},
			"no iat":                          {sign(with("iat", nil)), "malformed"},
			"made 12 s from now":              {sign(with("iat", now.Unix()+12)), "not_yet"},
			"not before 12 s from now":        {sign(with("nbf", now.Unix()+12)), "not_yet"},
			"a session that is over": {sign(with("support", map[string]string{
				"ends_at": now.Add(-time.Second).UTC().Format(time.RFC3339)})), "expired"},
			"bound to a certificate":        {sign(with("cnf", map[string]string{"x5t#S256": "abc"})), "dpop_required"},
			"claims that are of wrong kind": {sign(with("account", "acme")), "malformed"},
		} {
			if _, err := w.g.Verify(w.Context(), c.token, nil); err == nil {
				w.Errorf("%s: verified", name)
			}
			r := w.request("GET", document, c.token)
			if c.code == "malformed" && r.ResponseRecorder.Code == http.StatusOK && w.own.Load() == 1 {
				w.own.Store(0) // it does not even say whose it is, and is no business of ours
				w.ran.Store(0)
			} else if r.Code != c.code {
				w.Errorf("%s: answered %d %q, want %q", name, r.ResponseRecorder.Code, r.Code, c.code)
			}
			if w.own.Load() != 0 || w.ran.Load() != 0 {
				w.Fatalf("%s: it ran", name)
			}
		}
		for _, issuer := range []any{nil, "https://other.example", w.broker.URL + "/", strings.ToUpper(w.broker.URL), 1} {
			// Wrap does not even ask guard about these; the web app's login may.
			if _, err := w.g.Verify(w.Context(), sign(with("iss", issuer)), nil); err == nil {
				w.Errorf("issuer %v: verified", issuer)
			}
		}
		w.want(w.request("GET", document, raw), 200, "")
		w.want(w.request("GET", document, sign(with("aud", []string{guardtest.Audience}))), 200, "")
		w.want(w.request("GET", document, sign(with("iat", now.Unix()+10))), 200, "")
		w.want(w.request("GET", document, w.broker.Sign("application/at+JWT", good)), 200, "")
	})
}

// longer is an ES256 signature with a zero before its second number, which is the
// same number.
func longer(signature string) string {
	raw, _ := base64.RawURLEncoding.DecodeString(signature)
	return base64.RawURLEncoding.EncodeToString(slices.Insert(raw, 32, 0))
}

// TestTokensThatSayNothing are not looked at closely: they are not of the broker.
func TestTokensThatSayNothing(t *testing.T) {
	bubble(t, func(w *world) {
		raw := w.broker.Mint(reader("s1"))
		for name, token := range map[string]string{
			"a million dots": strings.Repeat(".", 1_000_000), "dots before": strings.Repeat(".", 3) + raw, "one part": strings.Split(raw, ".")[0],
			"two parts": raw[:strings.LastIndexByte(raw, '.')], "four parts": raw + ".a", "JWE": raw + ".a.b",
			"longer than 8 KB": raw + strings.Repeat("A", 8<<10), "line ends in it": raw[:20] + "\n" + raw[20:], "empty": "", "spaces": "   ", "no payload": "a..b", "NUL": "\x00",
		} {
			if _, err := w.g.Verify(w.Context(), token, nil); err == nil {
				w.Errorf("%s: verified", name)
			}
			before := w.own.Load()
			if w.request("GET", document, token); w.own.Load() != before+1 {
				w.Errorf("%s: the own login was not asked", name)
			}
		}
	})
}

// TestTokenTypesAreNotConfused: what is no access token opens nothing here, and an
// access token opens nothing else.
func TestTokenTypesAreNotConfused(t *testing.T) {
	bubble(t, func(w *world) {
		claims := w.broker.Claims(reader("s1"))
		for _, typ := range []string{"JWT", "logout+jwt", "dpop+jwt", "secevent+jwt", "statuslist+jwt", ""} {
			if _, err := w.g.Verify(w.Context(), w.broker.Sign(typ, claims), nil); err == nil {
				w.Errorf("%q is an access token", typ)
			}
		}
		access := w.broker.Sign("at+jwt", claims)
		for _, typ := range []string{"jwt", "logout+jwt"} {
			if _, err := w.g.Payload(w.Context(), access, typ, "ES256"); err == nil {
				w.Errorf("an access token is %q", typ)
			}
		}
		logout := w.broker.Sign("logout+jwt", claims)
		if _, err := w.g.Payload(w.Context(), logout, "logout+jwt", "ES256"); err != nil {
			w.Error(err)
		}
		if _, err := w.g.Payload(w.Context(), logout, "logout+jwt", "RS256"); err == nil {
			w.Error("an algorithm that was not asked for")
		}
	})
}

// respell returns another last letter of 64 bytes in base64url: one that differs
// in the four bits that do not count.
func respell(c byte) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(letters[strings.IndexByte(letters, c)|1])
}
