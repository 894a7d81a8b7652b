package main

import (
	"slices"
	"testing"

	"github.com/valetkey/valetkey/internal/config"
	"github.com/valetkey/valetkey/provider"
)

// TestEverythingThatIsSignedHasAKey: also what is signed for clients without ID
// tokens; and no key is made for what nobody asks for.
func TestEverythingThatIsSignedHasAKey(t *testing.T) {
	t.Parallel()
	code := []string{"authorization_code"}
	api := []string{"client_credentials"}
	for name, c := range map[string]struct {
		clients []config.Client
		want    []string
	}{
		"ID tokens":           {[]config.Client{{ID: "a", Grants: code, IDTokenAlg: "ES256"}, {ID: "b", Grants: api, IDTokenAlg: "RS256"}}, []string{"ES256"}},
		"token exchange":      {[]config.Client{{ID: "a", Grants: []string{config.GrantExchange}, IDTokenAlg: "EdDSA"}}, []string{"EdDSA"}},
		"logout tokens":       {[]config.Client{{ID: "a", Grants: api, IDTokenAlg: "PS256", BackchannelLogoutURI: "https://a.example/out"}}, []string{"PS256"}},
		"security events":     {[]config.Client{{ID: "a", Grants: code, IDTokenAlg: "ES256"}, {ID: "b", Grants: api, IDTokenAlg: "ES256", API: []string{"ssf.read"}}}, []string{"ES256", "RS256"}},
		"those of the feed's": {[]config.Client{{ID: "b", Grants: api, IDTokenAlg: "RS256", API: []string{"endings.read"}}}, []string{"RS256"}},
		"nothing":             {[]config.Client{{ID: "b", Grants: api, IDTokenAlg: "RS256", API: []string{"actions.write"}}}, nil},
	} {
		p := &provider.Provider{Clients: map[string]*provider.Client{}}
		for _, x := range c.clients {
			p.Clients[x.ID] = &provider.Client{ID: x.ID, Grants: x.Grants, IDTokenAlg: x.IDTokenAlg}
		}
		b := &broker{cfg: &config.Config{Clients: c.clients}}
		if got := b.idAlgs(p); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
