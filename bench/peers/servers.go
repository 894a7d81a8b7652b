package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/bench/internal/rig"
)

// server is one of those that are compared.
type server struct {
	name    string // with where it keeps what it knows, and what it signs ID tokens with
	site    *rig.Site
	broker  *rig.Broker // nil: a peer
	running *rig.Process
	db      *rig.Database // nil: in memory
	forms   [][]string    // that a peer's people fill in
	clashes bool          // some of what is asked at once fails, and is counted
	close   func()
}

// withOffline is a site as an app sees it that has refresh tokens. Those that people
// sign in to without have none, at any server.
func withOffline(s *rig.Site, scope string, app rig.App) *rig.Site {
	offline := *s
	offline.Scope, offline.App = scope, app
	return &offline
}

// process is what is measured, which the broker has since its start.
func (s *server) process() *rig.Process {
	if s.broker != nil {
		return s.broker.Process
	}
	return s.running
}

func (s *server) usage() rig.Usage {
	if s.broker != nil {
		return s.broker.Usage()
	}
	return rig.Usage{Server: s.running.Processor(), Database: s.db.Processor()}
}

const peersPassword = "verysecure" // is fixed in zitadel's example

// enlist starts the servers that are wanted.
func enlist(ctx context.Context, p plan, dir string) (all []*server, err error) {
	type starter struct {
		name  string
		start func() (*server, error)
	}
	starters := []starter{
		{"oidc-provider memory ES256", func() (*server, error) { return startNode(ctx, dir) }},
		{"zitadel memory RS256", func() (*server, error) { return startZitadel(ctx, dir) }},
	}
	for _, alg := range []string{"ES256", "RS256"} {
		if p.dex != "" {
			starters = append(starters, starter{"dex postgres " + alg, func() (*server, error) { return startDex(ctx, p.dex, dir, alg) }})
		}
		if p.hydra != "" {
			starters = append(starters, starter{"hydra postgres " + alg, func() (*server, error) { return startHydra(ctx, p.hydra, dir, alg) }})
		}
	}
	program := ""
	for _, db := range []string{"sqlite", "postgres"} {
		for _, alg := range []string{"ES256", "RS256"} {
			starters = append(starters, starter{"valetkey " + db + " " + alg, func() (_ *server, err error) {
				if program == "" {
					program, err = rig.Build(ctx, dir)
				}
				if err != nil {
					return nil, err
				}
				return startBroker(ctx, program, db, alg)
			}})
		}
	}
	for _, s := range starters {
		if !wanted(p.servers, s.name) {
			continue
		}
		started, err := s.start()
		if err != nil {
			return all, fmt.Errorf("%s: %w", s.name, err)
		}
		started.name = s.name
		all = append(all, started)
	}
	return all, nil
}

func startBroker(ctx context.Context, program, name, alg string) (*server, error) {
	b, err := rig.Install(program, name, alg)
	if err != nil {
		return nil, err
	}
	s := &server{broker: b, db: b.DB, site: b.Site(), close: b.Remove}
	s.site.Offline = b.Site()
	s.site.App.ID = "docs-once"
	if err := b.Start(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// app is what peers know as their client.
func app() rig.App { return rig.App{ID: "docs", Secret: rand.Text()} }

// discovery is where an issuer says what it offers.
const discovery = "/.well-known/openid-configuration"

// launch runs a peer that ends when its standard input does, waits until it answers
// at a path, prepares it, and asks it what it offers.
func launch(ctx context.Context, cmd *exec.Cmd, dir, name, issuer, ready string, site *rig.Site, prepare func(context.Context) error) (*server, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	running, err := rig.StartProcess(ctx, cmd, filepath.Join(dir, name+".log"), issuer+ready)
	if err != nil {
		return nil, err
	}
	s := &server{site: site, running: running, close: func() { _ = in.Close(); _ = running.Stop() }}
	if prepare != nil {
		err = prepare(ctx)
	}
	if err == nil {
		err = site.Discover(ctx, issuer)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// nodeFolder has the peer that runs on Node.
const nodeFolder = "bench/peers/oidc-provider"

func startNode(ctx context.Context, dir string) (*server, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, errors.New("Node is missing: install Node 20 or newer, or measure without it: -servers valetkey,zitadel") //nolint:staticcheck // a name
	}
	if _, err := os.Stat(filepath.Join(nodeFolder, "node_modules", "oidc-provider")); err != nil {
		return nil, errors.New("its packages are not there: run «make bench-peers», or «npm ci» in " + nodeFolder)
	}
	port, err := rig.FreePort()
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	client := app()
	offline := client
	offline.ID += "-offline"
	given, err := json.Marshal(map[string]any{"port": port, "alg": "ES256", "redirect_uri": rig.Callback, "secret": client.Secret, "once": client.ID, "offline": offline.ID,
		"jwks": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "e", Algorithm: "ES256", Use: "sig"}}}})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(node, "server.mjs", string(given)) //nolint:gosec // ours
	cmd.Dir, cmd.Env = nodeFolder, append(os.Environ(), "NODE_ENV=production")
	site := &rig.Site{App: client, Machine: client, Asker: client, Scope: "openid", Alg: "ES256"}
	s, err := launch(ctx, cmd, dir, "oidc-provider", fmt.Sprintf("http://127.0.0.1:%d", port), discovery, site, nil)
	if err == nil {
		site.Offline = withOffline(site, "openid", offline)
		s.forms = [][]string{{"login", "somebody", "password", client.Secret}}
	}
	return s, err
}

func startZitadel(ctx context.Context, dir string) (*server, error) {
	program := filepath.Join(dir, "zitadel")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", program, "./bench/peers/zitadel") //nolint:gosec // ours
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building it: %w\n%s", err, out)
	}
	port, err := rig.FreePort()
	if err != nil {
		return nil, err
	}
	client, address := app(), fmt.Sprintf("127.0.0.1:%d", port)
	site := &rig.Site{App: client, Machine: rig.App{ID: "sid1", Secret: "verysecret"}, Asker: client, Scope: "openid", Alg: "RS256"}
	s, err := launch(ctx, exec.Command(program, address, client.ID, client.Secret, rig.Callback), dir, "zitadel", "http://"+address, discovery, site, nil) //nolint:gosec // ours
	if err == nil {
		site.Offline = withOffline(site, "openid offline_access", client)
		s.forms = [][]string{{"username", "test-user2", "password", peersPassword}}
	}
	return s, err
}
