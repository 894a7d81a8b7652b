package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/valetkey/valetkey/bench/internal/rig"
)

// hydraConfiguration has Ory Hydra keep everything in PostgreSQL, and hash what
// its clients know as little as it can.
const hydraConfiguration = `
dsn: "DSN"
serve:
  public: {host: 127.0.0.1, port: PUBLIC}
  admin: {host: 127.0.0.1, port: ADMIN}
urls: {self: {issuer: "http://127.0.0.1:PUBLIC"}, login: "http://LOGIN/login", consent: "http://LOGIN/consent"}
secrets: {system: [SECRET]}
oauth2: {hashers: {algorithm: pbkdf2, pbkdf2: {iterations: 1}}}
log: {level: error}
sqa: {opt_out: true}
`

// hydraConnections are more than twice as many as ask it at once: a request of its
// takes a second one while it has the first, and with 20 all wait for one another.
const hydraConnections = 80

// startHydra runs a given program of Hydra, with the pages that it leaves to others
// in a process of their own, which is not measured.
func startHydra(ctx context.Context, program, dir, alg string) (*server, error) {
	db, err := rig.OpenDatabase("postgres")
	if err != nil {
		return nil, err
	}
	h := &hydra{program: program, dir: dir, name: "hydra-" + alg, alg: alg, client: app()}
	s, err := h.start(ctx, db)
	if err != nil {
		_ = h.login.Stop()
		db.Close()
		return nil, err
	}
	ended := s.close
	s.db, s.close = db, func() { ended(); _ = h.login.Stop(); db.Close() }
	return s, nil
}

// hydra is one that is being started.
type hydra struct {
	program, dir, name, alg string
	client                  rig.App
	login                   *rig.Process
	admin                   string // the address of its API
}

func (h *hydra) start(ctx context.Context, db *rig.Database) (*server, error) {
	var ports [3]int
	for i := range ports {
		var err error
		if ports[i], err = rig.FreePort(); err != nil {
			return nil, err
		}
	}
	address := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	h.admin = "http://" + address(1)
	dsn := db.DSN + "&"
	if !strings.Contains(db.DSN, "?") {
		dsn = db.DSN + "?"
	}
	file := filepath.Join(h.dir, h.name+".yaml")
	text := strings.NewReplacer("DSN", dsn+fmt.Sprintf("max_conns=%d&max_idle_conns=%[1]d", hydraConnections), "PUBLIC", fmt.Sprint(ports[0]), "ADMIN", fmt.Sprint(ports[1]), "LOGIN", address(2),
		"SECRET", h.client.Secret+h.client.Secret).Replace(hydraConfiguration)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, h.program, "migrate", "sql", "up", "-e", "--yes", "--config", file).CombinedOutput(); err != nil { //nolint:gosec // what the flag names
		return nil, fmt.Errorf("making its tables: %w\n%s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h.login, err = rig.StartProcess(ctx, exec.Command(self, loginCommand, address(2), h.admin, h.client.Secret), filepath.Join(h.dir, h.name+"-login.log"), "http://"+address(2)+"/ready") //nolint:gosec // this program
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(h.program, "serve", "all", "--dev", "--config", file) //nolint:gosec // what the flag names
	site := &rig.Site{App: h.client, Machine: h.client, Asker: h.client, Scope: "openid", Alg: h.alg}
	s, err := launch(ctx, cmd, h.dir, h.name, "http://"+address(0), "/health/ready", site, h.prepare)
	if err == nil {
		site.Introspection = h.admin + "/admin/oauth2/introspect"
		site.Offline = withOffline(site, "openid offline_access", h.client)
		s.forms = [][]string{{"login", "somebody", "password", h.client.Secret}}
	}
	return s, err
}

// prepare makes the key that ID tokens are signed with, and the client.
func (h *hydra) prepare(ctx context.Context) error {
	err := ask(ctx, http.MethodPost, h.admin+"/admin/keys/hydra.openid.id-token", map[string]string{"alg": h.alg, "use": "sig", "kid": h.alg}, nil)
	if err != nil {
		return err
	}
	return ask(ctx, http.MethodPost, h.admin+"/admin/clients", map[string]any{
		"client_id": h.client.ID, "client_secret": h.client.Secret, "redirect_uris": []string{rig.Callback}, "response_types": []string{"code"},
		"grant_types": []string{"authorization_code", "refresh_token", "client_credentials"}, "scope": "openid offline_access",
		"token_endpoint_auth_method": "client_secret_basic", "skip_consent": true,
	}, nil)
}
