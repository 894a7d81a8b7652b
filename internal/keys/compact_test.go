package keys

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// TestCompactIsWhatJOSEMakes: the same header and payload, and a signature that
// go-jose accepts, over these and no others. Numbers in a signature that begin
// with zeros are common enough in 2,000 to be among them. No two signatures begin
// with the same number: from such a pair anybody could compute the key.
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
	begun := map[string]bool{}
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
		first := got[strings.LastIndexByte(got, '.')+1:][:42] // 252 bits of it
		if begun[first] {
			t.Fatal("two signatures begin alike")
		}
		begun[first] = true
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

// TestHalves: what is no signature of two numbers of 256 bits is none.
func TestHalves(t *testing.T) {
	t.Parallel()
	long := "022100" + strings.Repeat("ff", 32)
	for text, ok := range map[string]bool{
		"3006020101020102":          true,
		"3046" + long + long:        true,
		"":                          false,
		"3006020101020102" + "00":   false, // something after it
		"3008020101020102" + "0500": false, // something after the numbers
		"3003020101":                false,
		"30060201ff020102":          false, // a negative number
		"3048022201" + strings.Repeat("00", 33) + "0222" + "01" + strings.Repeat("00", 33): false, // more than 256 bits
	} {
		der, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := halves(der); got != ok {
			t.Errorf("%s: %v, want %v", text, got, ok)
		}
	}
	der, _ := hex.DecodeString("3006020101020102")
	if got, _ := halves(der); got[p256-1] != 1 || got[2*p256-1] != 2 || got[0] != 0 || got[p256] != 0 {
		t.Errorf("%x", got)
	}
}
