package keys

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Secrets are the installation's secrets: the same on every node, never in the
// database. Losing the file makes every live PIN and sealed key unreadable;
// leaking it together with the database makes PINs guessable offline.
type Secrets struct {
	pepper  []byte
	sealing []versioned // the first one seals, all of them open
}

type versioned struct {
	Version int    `json:"version"`
	Key     []byte `json:"key"` // 32 bytes, base64
}

// secretsFile is the file's form.
type secretsFile struct {
	About   string      `json:"about"`
	Pepper  []versioned `json:"pepper"`
	Sealing []versioned `json:"sealing"` // newest first
}

const about = "valetkey secrets: keep private, back up apart from the database, the same file on every node"

// keyLength is the length of every key in the file, in bytes.
const keyLength = 32

// ErrSecretsExist says that there is a secrets file already.
var ErrSecretsExist = errors.New("nothing was written")

// InitSecrets writes a new secrets file with mode 0600. It never overwrites
// one.
func InitSecrets(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".valetkey-secrets-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("the secrets file cannot be made: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	text, err := json.MarshalIndent(secretsFile{About: about, Pepper: []versioned{fresh()}, Sealing: []versioned{fresh()}}, "", "  ")
	if err == nil {
		_, err = f.Write(append(text, '\n'))
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Link(f.Name(), path) // the file is there whole, or not at all
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; it is left as it is, since the database may depend on it: %w", path, ErrSecretsExist)
	}
	if err != nil {
		return fmt.Errorf("the secrets file cannot be written: %w", err)
	}
	return nil
}

func fresh() versioned {
	key := make([]byte, keyLength)
	_, _ = rand.Read(key) // crypto/rand.Read never returns an error
	return versioned{Version: 1, Key: key}
}

// LoadSecrets reads the secrets file. Nobody but its owner, and a group that
// may read, may have access: mode 0600 or 0440, or stricter.
func LoadSecrets(path string) (*Secrets, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no secrets file at %s: make one with «valetkey secrets init --config FILE», or copy it from another node of this installation; a database that was used before opens with its own file alone, so restore that one", path)
	}
	if err != nil {
		return nil, fmt.Errorf("the secrets file cannot be read: %w", err)
	}
	if mode := info.Mode().Perm(); mode&^0o600 != 0 && mode&^0o440 != 0 {
		return nil, fmt.Errorf("the secrets file %s has mode %04o; make it 0600 or 0440, so that nobody else can read it", path, mode)
	}
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("the secrets file cannot be read: %w", err)
	}
	var f secretsFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("the secrets file %s is not one that «valetkey secrets init» made; restore it from its backup", path)
	}
	if len(f.Pepper) == 0 || len(f.Sealing) == 0 {
		return nil, fmt.Errorf("the secrets file %s lacks a pepper or a sealing key; restore it from its backup", path)
	}
	for _, v := range append(f.Pepper[:1:1], f.Sealing...) {
		if len(v.Key) != keyLength {
			return nil, fmt.Errorf("the secrets file %s has a key that is not %d bytes long; restore it from its backup", path, keyLength)
		}
	}
	return &Secrets{pepper: f.Pepper[0].Key, sealing: f.Sealing}, nil
}

// Pepper returns the key for the verifiers of credentials.
func (s *Secrets) Pepper() []byte { return derive(s.pepper, "credentials") }

// Check returns the value by which an installation recognises its secrets.
func (s *Secrets) Check(installation string) []byte {
	mac := hmac.New(sha256.New, derive(s.pepper, "check"))
	mac.Write([]byte(installation))
	return mac.Sum(nil)
}

// derive gives a key of its own to each purpose (RFC 5869).
func derive(key []byte, purpose string) []byte {
	out, err := hkdf.Key(sha256.New, key, nil, "valetkey/1/"+purpose, keyLength)
	if err != nil {
		panic(err) // only for an impossible length
	}
	return out
}
