package rig

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Build compiles the broker as it is released.
func Build(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "valetkey")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", program, "./cmd/valetkey")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the broker (run this from the project's folder): %w\n%s", err, out)
	}
	return program, nil
}

// Broker is one installation, and its node that is measured.
type Broker struct {
	program  string
	dir      string
	file     string // of the configuration, in dir
	DB       *Database
	Issuer   string
	At       string // where this node listens: the issuer, or another address
	Secret   string // of every client
	alg      string // of ID tokens
	owns     bool   // DB, which is closed with it
	*Process        // since Start
}

// MaxClients is how many can work at once.
const MaxClients = 64

const staffPassword = "a long password of the bench"

// NewBroker writes the configuration of an installation with an empty database.
func NewBroker(program string, db *Database, alg string) (*Broker, error) {
	dir, err := os.MkdirTemp("", "valetkey-bench-")
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	b := &Broker{program: program, dir: dir, DB: db, Issuer: fmt.Sprintf("http://127.0.0.1:%d", port), Secret: rand.Text() + rand.Text(), file: "valetkey", alg: alg}
	b.At = b.Issuer
	salt := []byte(rand.Text())[:16]
	hash := fmt.Sprintf("$argon2id$v=19$m=8192,t=1,p=1$%s$%s", base64.RawStdEncoding.EncodeToString(salt),
		base64.RawStdEncoding.EncodeToString(argon2.IDKey([]byte(staffPassword), salt, 1, 8192, 1, 32)))
	dsn := db.DSN
	if dsn == "" {
		dsn = "sqlite:" + filepath.Join(dir, "valetkey.db")
	}
	people := make([]string, 0, MaxClients)
	for i := range MaxClients { // one a client: the limits on guessing are per agent
		people = append(people, fmt.Sprintf(`{username: agent%d, name: Agent %d, password_hash: "%s"}`, i, i, hash))
	}
	text := strings.NewReplacer("STAFF", strings.Join(people, ", "), "ISSUER", b.Issuer, "LISTEN", strings.TrimPrefix(b.Issuer, "http://"), "DATABASE", dsn,
		"SECRETS", filepath.Join(dir, "valetkey.secrets"), "HASH", hash, "SECRET", b.Secret, "ALG", alg).Replace(configuration)
	if err := os.WriteFile(b.config(), []byte(text), 0o600); err != nil {
		return nil, err
	}
	out, err := exec.Command(program, "secrets", "init", "--config", b.config()).CombinedOutput() //nolint:gosec // built by us
	if err != nil {
		return nil, fmt.Errorf("valetkey secrets init: %w\n%s", err, out)
	}
	return b, nil
}

// Install prepares an installation with a database of its own: sqlite or postgres.
func Install(program, database, alg string) (*Broker, error) {
	db, err := OpenDatabase(database)
	if err != nil {
		return nil, err
	}
	b, err := NewBroker(program, db, alg)
	if err != nil {
		db.Close()
		return nil, err
	}
	b.owns = true
	return b, nil
}

// Sibling prepares another node of the same installation, with an address of its
// own. It is to be removed before the first.
func (b *Broker) Sibling(n int) (*Broker, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(b.config())
	if err != nil {
		return nil, err
	}
	other := *b
	other.Process, other.owns = nil, false
	other.file, other.At = fmt.Sprintf("node%d", n), fmt.Sprintf("http://127.0.0.1:%d", port)
	mine, its := "listen: "+strings.TrimPrefix(b.At, "http://"), "listen: "+strings.TrimPrefix(other.At, "http://")
	return &other, os.WriteFile(other.config(), []byte(strings.Replace(string(text), mine, its, 1)), 0o600)
}

func (b *Broker) config() string { return filepath.Join(b.dir, b.file+".yaml") }

// Start starts the node and waits until it is ready.
func (b *Broker) Start(ctx context.Context) (err error) {
	cmd := exec.Command(b.program, "serve", "--config", b.config()) //nolint:gosec // built by us
	b.Process, err = StartProcess(ctx, cmd, filepath.Join(b.dir, b.file+".log"), b.At+"/readyz")
	return err
}

// Remove ends the node, and leaves nothing of the installation.
func (b *Broker) Remove() {
	_ = b.Stop()
	_ = os.RemoveAll(b.dir)
	if b.owns {
		b.DB.Close()
	}
}

// FreePort is one that nobody listens on.
func FreePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

const configuration = `
issuer: ISSUER
listen: LISTEN
database: DATABASE
secrets: SECRETS
drain: 0s
log: {level: warn}
brand: {product: Bench, support: Bench Support}
owners:
  - {id: customers, local: [{username: nobody, password_hash: "HASH", claims: {id: none}}], account: {id: id, name: id, handle: id}}
agents:
  - {id: local, max_age: 8h, local: [STAFF]}
scopes:
  documents.read:   {label: View documents, kind: view}
  documents.write:  {label: Edit documents, kind: change}
  documents.delete: {label: Delete documents, kind: delete}
policies:
  holder: {name: Temporary login, kind: password, email_domain: support.bench.example, redeem_within: 24h, uses: unlimited, session: 8h, idle: 30m, scopes: [documents.read, documents.write], agent: holder}
  login:  {name: Team login, kind: password, email_domain: support.bench.example, redeem_within: 24h, uses: unlimited, session: 8h, idle: 30m, scopes: [documents.read, documents.write]}
  pin:    {name: Support PIN, kind: pin, digits: 6, redeem_within: 15m, uses: 1, tries: 5, session: 30m, idle: 10m, scopes: [documents.read]}
clients:
  - {id: docs, secret: "SECRET", redirect_uris: ["http://127.0.0.1:1/callback"], audience: "https://docs.bench.example/api", scopes: ["documents.*"], grants: [authorization_code, refresh_token], enforces: guard, id_token_alg: ALG}
  - {id: docs-once, secret: "SECRET", redirect_uris: ["http://127.0.0.1:1/callback"], audience: "https://docs.bench.example/api", scopes: ["documents.*"], grants: [authorization_code], enforces: guard, id_token_alg: ALG}
  - {id: docs-api, secret: "SECRET", audience: "https://docs.bench.example/api", grants: [client_credentials], api: [actions.write, endings.read]}
  - {id: settings, secret: "SECRET", grants: [client_credentials], api: [credentials.mint, credentials.read, credentials.revoke, record.read], owners: customers, owner_proof: trusted}
`
