package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func secrets(t testing.TB) *Secrets {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.secrets")
	if err := InitSecrets(path); err != nil {
		t.Fatal(err)
	}
	s, err := LoadSecrets(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestInitSecretsNeverOverwrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.secrets")
	if err := InitSecrets(path); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	if err := InitSecrets(path); err == nil {
		t.Fatal("a second init did not complain")
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("a second init changed the file")
	}
}

func TestLoadSecretsModes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.secrets")
	if err := InitSecrets(path); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o440: true, 0o400: true, 0o644: false, 0o640: false, 0o666: false, 0o604: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadSecrets(path); (err == nil) != ok {
			t.Errorf("mode %04o: err = %v, want ok %v", mode, err, ok)
		}
	}
}

func TestLoadSecretsRefusesDamage(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no JSON": "x", "no keys": "{}", "short": `{"pepper":[{"key":"YQ=="}],"sealing":[{"key":"YQ=="}]}`,
	} {
		path := filepath.Join(t.TempDir(), "s")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadSecrets(path); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := LoadSecrets(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "secrets init") {
		t.Errorf("missing file: %v", err)
	}
}

func TestSealerBindsPurposeAndPlace(t *testing.T) {
	t.Parallel()
	s := secrets(t)
	sealed := s.Sealer("code").Seal([]byte("hello"), "here")
	if got, err := s.Sealer("code").Open(sealed, "here"); err != nil || string(got) != "hello" {
		t.Fatalf("open = %q, %v", got, err)
	}
	changed := []byte(sealed)
	changed[10] ^= 1
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	loose := s.Sealer("code").Seal([]byte("hello!"), "here")
	last := len(loose) - 1 // its last bits mean nothing
	if len(loose)%4 == 0 {
		t.Fatal("each bit of it means something")
	}
	spelled := loose[:last] + string(alphabet[strings.IndexByte(alphabet, loose[last])^1])
	for name, f := range map[string]func() ([]byte, error){
		"another purpose":   func() ([]byte, error) { return s.Sealer("request").Open(sealed, "here") },
		"another place":     func() ([]byte, error) { return s.Sealer("code").Open(sealed, "there") },
		"other secrets":     func() ([]byte, error) { return secrets(t).Sealer("code").Open(sealed, "here") },
		"changed":           func() ([]byte, error) { return s.Sealer("code").Open(string(changed), "here") },
		"truncated":         func() ([]byte, error) { return s.Sealer("code").Open(sealed[:20], "here") },
		"empty":             func() ([]byte, error) { return s.Sealer("code").Open("", "here") },
		"much too long":     func() ([]byte, error) { return s.Sealer("code").Open(strings.Repeat("A", 1<<20), "here") },
		"spelled otherwise": func() ([]byte, error) { return s.Sealer("code").Open(spelled, "here") },
		"trailing newline":  func() ([]byte, error) { return s.Sealer("code").Open(sealed+"\n", "here") },
	} {
		if _, err := f(); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: err = %v, want ErrSealed", name, err)
		}
	}
}

func ring(t testing.TB, s *Secrets, algs ...string) *Ring {
	t.Helper()
	var list []*SigningKey
	add := func(p Purpose, alg string) {
		k, err := NewSigningKey(p, alg, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		stored, err := k.Store(s.Sealer("signing"))
		if err != nil {
			t.Fatal(err)
		}
		if k, err = stored.Open(s.Sealer("signing")); err != nil {
			t.Fatal(err)
		}
		list = append(list, k)
	}
	add(ForAccess, "ES256")
	for _, alg := range algs {
		add(ForID, alg)
	}
	r, err := NewRing(list)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRingKeepsTypesApart(t *testing.T) {
	t.Parallel()
	r := ring(t, secrets(t), "RS256", "PS256", "ES256", "EdDSA")
	access, err := r.Sign(ForAccess, "ES256", TypAccess, []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Verify(access, ForAccess, TypAccess); err != nil || string(got) != `{"a":1}` {
		t.Fatalf("verify = %s, %v", got, err)
	}
	id, _ := r.Sign(ForID, "ES256", TypID, []byte(`{}`))
	otherKey, _ := r.Sign(ForID, "ES256", TypAccess, []byte(`{}`))
	mistyped, _ := r.Sign(ForAccess, "ES256", TypID, []byte(`{}`))
	untyped, _ := r.Sign(ForAccess, "ES256", "", []byte(`{}`))
	long, _ := r.Sign(ForAccess, "ES256", TypAccess, []byte(`{"a":"`+strings.Repeat("a", MaxToken)+`"}`))
	other, _ := ring(t, secrets(t)).Sign(ForAccess, "ES256", TypAccess, []byte(`{}`))
	for name, raw := range map[string]string{
		"an ID token": id, "the key for ID tokens": otherKey, "another typ": mistyped, "no typ": untyped,
		"another installation": other, "more than 8 KB": long, "four parts": access + ".e30",
		"truncated": access[:len(access)-4], "no signature": access[:strings.LastIndex(access, ".")+1],
		"dots": strings.Repeat(".", 1_000_000), "empty": "", "json": `{"payload":"e30"}`,
		"alg none": "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30.",
	} {
		if _, err := r.Verify(raw, ForAccess, TypAccess); !errors.Is(err, ErrToken) {
			t.Errorf("%s: err = %v, want ErrToken", name, err)
		}
	}
}

// TestOneKeyHasOneAlgorithm: RSA would verify by two.
func TestOneKeyHasOneAlgorithm(t *testing.T) {
	t.Parallel()
	rs, err := NewSigningKey(ForID, "RS256", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ps, err := NewSigningKey(ForID, "PS256", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRing([]*SigningKey{rs, ps})
	if err != nil {
		t.Fatal(err)
	}
	other := &SigningKey{ID: rs.ID, Purpose: ForID, Alg: "PS256", Stage: rs.Stage, private: rs.private}
	theirs, err := NewRing([]*SigningKey{other})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := theirs.Sign(ForID, "PS256", TypID, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(raw, ForID, TypID); !errors.Is(err, ErrToken) {
		t.Errorf("the RS256 key verifies by PS256: %v", err)
	}
}

// TestWhichKeySigns: the active one that began last, and no other, whatever the
// order and the ages. Each exchange of the keys has a number of its own.
func TestWhichKeySigns(t *testing.T) {
	t.Parallel()
	var list []*SigningKey
	for range 4 {
		k, err := NewSigningKey(ForAccess, "ES256", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, k)
	}
	older, signs, next, retiring := at(list[0], Active, 1), at(list[1], Active, 2), at(list[2], Next, 3), at(list[3], Retiring, 4)
	r := &Ring{}
	for _, order := range [][]*SigningKey{{older, signs, next, retiring}, {retiring, next, signs, older}} {
		before := r.Version()
		if err := r.Replace(order); err != nil || r.Version() == before {
			t.Fatalf("version %d after %d: %v", r.Version(), before, err)
		}
		raw, err := r.Sign(ForAccess, "ES256", TypAccess, []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		alone, err := NewRing([]*SigningKey{signs})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := alone.Verify(raw, ForAccess, TypAccess); err != nil {
			t.Errorf("another key has signed: %v", err)
		}
	}
}

// TestOldKeysStillOpen what they have sealed; the newest seals.
func TestOldKeysStillOpen(t *testing.T) {
	t.Parallel()
	before, other := secrets(t), secrets(t)
	now := &Secrets{pepper: before.pepper, sealing: append(other.sealing, before.sealing...)}
	sealed := before.Sealer("code").Seal([]byte("hello"), "here")
	if got, err := now.Sealer("code").Open(sealed, "here"); err != nil || string(got) != "hello" {
		t.Errorf("open = %q, %v", got, err)
	}
	if _, err := before.Sealer("code").Open(now.Sealer("code").Seal([]byte("hello"), "here"), "here"); !errors.Is(err, ErrSealed) {
		t.Errorf("the old key still seals: %v", err)
	}
}

func TestStoredKeyIsBoundToItsRow(t *testing.T) {
	t.Parallel()
	s := secrets(t)
	k, err := NewSigningKey(ForID, "ES256", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	stored, err := k.Store(s.Sealer("signing"))
	if err != nil {
		t.Fatal(err)
	}
	for what, move := range map[string]func(*StoredKey){
		"purpose":   func(k *StoredKey) { k.Purpose = ForAccess },
		"algorithm": func(k *StoredKey) { k.Alg = "EdDSA" },
		"id":        func(k *StoredKey) { k.ID = "another" },
	} {
		moved := stored
		move(&moved)
		if _, err := moved.Open(s.Sealer("signing")); !errors.Is(err, ErrSealed) {
			t.Errorf("a key moved to another %s opens: %v", what, err)
		}
	}
}

// TestPublicHasNoPrivateMember looks at the JSON itself: whatever is not one of
// the public members of RFC 7518 section 6 and RFC 8037 fails, in every state.
func TestPublicHasNoPrivateMember(t *testing.T) {
	t.Parallel()
	public := map[string]bool{"kid": true, "kty": true, "use": true, "alg": true, "n": true, "e": true, "crv": true, "x": true, "y": true}
	var list []*SigningKey
	for _, state := range []State{Next, Active, Retiring} {
		for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
			k, err := NewSigningKey(ForID, alg, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			k.State = state
			list = append(list, k)
		}
	}
	r, err := NewRing(list)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r.Public())
	if err != nil {
		t.Fatal(err)
	}
	var set map[string][]map[string]any
	if err := json.Unmarshal(text, &set); err != nil || len(set) != 1 || len(set["keys"]) != len(list) {
		t.Fatalf("%d keys of %d, %v", len(set["keys"]), len(list), err)
	}
	for _, k := range set["keys"] {
		for member := range k {
			if !public[member] {
				t.Errorf("key %v in the JWKS has %q", k["kid"], member)
			}
		}
	}
}

// TestReplaceWhileSigning: whoever signs and verifies meanwhile sees the keys of
// before or of after, and what a key signed verifies as long as it is there.
func TestReplaceWhileSigning(t *testing.T) {
	t.Parallel()
	var list []*SigningKey
	for range 3 {
		k, err := NewSigningKey(ForAccess, "ES256", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, k)
	}
	r, err := NewRing(list[1:2])
	if err != nil {
		t.Fatal(err)
	}
	var workers sync.WaitGroup
	for i := range 4 {
		workers.Go(func() {
			for n := range 200 {
				typ := fmt.Sprintf("type-%d+jwt", (i+n)%5)
				raw, err := r.Sign(ForAccess, "ES256", typ, []byte(`{}`))
				if err == nil {
					_, err = r.Verify(raw, ForAccess, typ)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 400 {
		// Always two of the three, the middle one signing or about to.
		if err := r.Replace([]*SigningKey{at(list[1], Active, n), at(list[n%2*2], []State{Retiring, Next}[n%2], n)}); err != nil {
			t.Error(err)
		}
	}
	workers.Wait()
}

// at is the key in another state; a key itself never changes.
func at(k *SigningKey, state State, n int) *SigningKey {
	return &SigningKey{ID: k.ID, Purpose: k.Purpose, Alg: k.Alg, MadeAt: k.MadeAt, private: k.private,
		Stage: Stage{State: state, Since: k.MadeAt.Add(time.Duration(n))}}
}

func TestCheckTellsSecretsApart(t *testing.T) {
	t.Parallel()
	a, b := secrets(t), secrets(t)
	if bytes.Equal(a.Check("x"), b.Check("x")) || bytes.Equal(a.Check("x"), a.Check("y")) {
		t.Error("two installations have the same check value")
	}
}
