package keys

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// TestCompactIsWhatJOSEMakes: the same header and payload, and a signature that
// go-jose accepts, over these and no others. Numbers in a signature that begin
// with zeros are common enough in 2,000 to be among them.
func TestCompactIsWhatJOSEMakes(t *testing.T) {
	t.Parallel()
	key, err := NewSigningKey(ForAccess, "ES256", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ours, err := key.signer(TypAccess)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key.private},
		(&jose.SignerOptions{}).WithType(TypAccess).WithHeader("kid", key.ID))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		payload := fmt.Sprintf(`{"n":%d,"text":"%s"}`, i, strings.Repeat("é", i%50))
		got, err := ours.sign([]byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := theirs.Sign([]byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		want, _ := signed.CompactSerialize()
		if a, b := got[:strings.LastIndexByte(got, '.')], want[:strings.LastIndexByte(want, '.')]; a != b {
			t.Fatalf("what is signed is %s, want %s", a, b)
		}
		parsed, err := jose.ParseSignedCompact(got, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := parsed.Verify(key.private.Public()); err != nil || string(plain) != payload {
			t.Fatalf("%s: %s, %v", got, plain, err)
		}
		head, _, _ := strings.Cut(got, ".")
		other := head + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"n":-1}`)) + got[strings.LastIndexByte(got, '.'):]
		if parsed, err = jose.ParseSignedCompact(other, []jose.SignatureAlgorithm{jose.ES256}); err == nil {
			_, err = parsed.Verify(key.private.Public())
		}
		if err == nil {
			t.Fatal("another payload has the same signature")
		}
	}
}
