package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/config"
)

// TestConnectAsksAsASignInWould: an issuer that answers is not enough; people must
// be able to sign in there with what is configured.
func TestConnectAsksAsASignInWould(t *testing.T) {
	t.Parallel()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": server.URL, "authorization_endpoint": server.URL + "/a", "token_endpoint": server.URL + "/t",
			"jwks_uri": server.URL + "/k", "token_endpoint_auth_methods_supported": []string{"private_key_jwt"}})
	}))
	defer server.Close()
	for name, c := range map[string]struct {
		oidc config.OIDC
		said string
	}{
		"well":        {config.OIDC{}, "register there the redirect URI https://access.example/sign-in/return/corp"},
		"no userinfo": {config.OIDC{ClaimsFrom: "userinfo"}, "its userinfo_endpoint is"},
		"no secret":   {config.OIDC{ClientSecret: "s"}, "neither as client_secret_basic"},
	} {
		c.oidc.Issuer = server.URL
		cfg := &config.Config{Issuer: "https://access.example", Database: config.Database{SQLite: config.Path(t.TempDir() + "/none.db")},
			Agents: []config.AgentConnector{{Connector: config.Connector{ID: "corp", OIDC: &c.oidc}}}}
		var out strings.Builder
		err := connect(t.Context(), &out, cfg)
		if (err == nil) != (name == "well") || !strings.Contains(out.String(), c.said) {
			t.Errorf("%s: %v: %s", name, err, &out)
		}
	}
}
