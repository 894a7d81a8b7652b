package guard_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/valetkey/valetkey/guard"
)

// TestDiscoveryIsHeldToTheIssuer: a document that sends the credentials elsewhere
// is not believed, and redirects are not followed.
func TestDiscoveryIsHeldToTheIssuer(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(document map[string]string){
		"another issuer":              func(d map[string]string) { d["issuer"] = "https://other.example" },
		"a token endpoint elsewhere":  func(d map[string]string) { d["token_endpoint"] = "https://other.example/token" },
		"keys elsewhere":              func(d map[string]string) { d["jwks_uri"] = "http://127.0.0.1:1/jwks" },
		"no introspection":            func(d map[string]string) { delete(d, "introspection_endpoint") },
		"a revocation elsewhere":      func(d map[string]string) { d["revocation_endpoint"] = "https://other.example/revoke" },
		"an authorization by data:":   func(d map[string]string) { d["authorization_endpoint"] = "data:text/html,hello" },
		"an endpoint with a password": func(d map[string]string) { d["token_endpoint"] = "http://a:b@" + d["issuer"][7:] + "/token" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(nil)
			asked := make(chan string, 1000)
			server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked <- r.URL.Path
				at := "http://" + server.Listener.Addr().String()
				d := map[string]string{"issuer": at, "token_endpoint": at + "/token", "jwks_uri": at + "/jwks", "introspection_endpoint": at + "/introspect"}
				change(d)
				json.NewEncoder(w).Encode(d)
			})
			server.Start()
			defer server.Close()
			g, err := guard.New(t.Context(), guard.Config{Issuer: server.URL, Audience: "a", ClientID: "c", ClientSecret: "s", Instance: "i"})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			for range 3 {
				if path := <-asked; path != "/.well-known/openid-configuration" {
					t.Fatalf("%s was asked", path)
				}
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	asked := make(chan struct{}, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		asked <- struct{}{}
	}))
	defer server.Close()
	g, err := guard.New(t.Context(), guard.Config{Issuer: server.URL, Audience: "a", ClientID: "c", ClientSecret: "s", HTTPClient: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for range 3 {
		<-asked
	}
}
