package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/valetkey/valetkey/bench/internal/rig"
)

// dexConfiguration has Dex keep everything in PostgreSQL and sign people in by
// itself, with a password that it does not hash: as cheap as it can be.
const dexConfiguration = `
issuer: ISSUER
storage: {type: postgres, config: {host: HOST, port: PORT, database: DATABASE, user: USER, password: "PASSWORD", ssl: {mode: disable}, maxOpenConns: 20, maxIdleConns: 20}}
web: {http: LISTEN}
logger: {level: error}
signer: {type: local, config: {keysRotationPeriod: 6h, algorithm: ALG}}
oauth2: {skipApprovalScreen: true, grantTypes: [authorization_code, client_credentials, refresh_token]}
connectors: [{type: mockPassword, id: people, name: People, config: {username: somebody, password: SECRET}}]
staticClients: [{id: docs, secret: SECRET, name: Docs, redirectURIs: ["CALLBACK"]}]
`

// startDex runs a given program of Dex. It names one refresh token for each
// person and app, so that refreshing by many at once is not measured.
func startDex(ctx context.Context, program, dir, alg string) (*server, error) {
	db, err := rig.OpenDatabase("postgres")
	if err != nil {
		return nil, err
	}
	s, err := startDexOn(ctx, program, dir, alg, db)
	if err != nil {
		db.Close()
		return nil, err
	}
	ended := s.close
	s.clashes = true // its transactions are serializable, and not tried again
	s.db, s.close = db, func() { ended(); db.Close() }
	return s, nil
}

func startDexOn(ctx context.Context, program, dir, alg string, db *rig.Database) (*server, error) {
	at, err := url.Parse(db.DSN)
	if err != nil {
		return nil, err
	}
	port, err := rig.FreePort()
	if err != nil {
		return nil, err
	}
	client, address := app(), fmt.Sprintf("127.0.0.1:%d", port)
	issuer, file := "http://"+address, filepath.Join(dir, "dex-"+alg+".yaml")
	password, _ := at.User.Password()
	text := strings.NewReplacer("ISSUER", issuer, "LISTEN", address, "ALG", alg, "SECRET", client.Secret, "CALLBACK", rig.Callback, "HOST", host(at), "PORT", at.Port(),
		"DATABASE", strings.TrimPrefix(at.Path, "/"), "USER", at.User.Username(), "PASSWORD", password).Replace(dexConfiguration)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	site := &rig.Site{App: client, Machine: client, Asker: client, Scope: "openid", Alg: alg}
	if alg == "ES256" {
		site.Asker.ID = "" // it takes its own ES256 tokens for refresh tokens, and calls them dead
	}
	cmd := exec.Command(program, "serve", file) //nolint:gosec // what the flag names
	s, err := launch(ctx, cmd, dir, "dex-"+alg, issuer, discovery, site, nil)
	if err == nil {
		s.forms = [][]string{{"login", "somebody", "password", client.Secret}}
	}
	return s, err
}

// host is where the database listens, perhaps a socket's folder.
func host(at *url.URL) string {
	if socket := at.Query().Get("host"); socket != "" {
		return socket
	}
	return at.Hostname()
}
