package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/valetkey/valetkey/bench/internal/rig"
)

// loginCommand has this program be the pages.
const loginCommand = "hydra-login"

// loginPages are what Hydra wants of whoever runs it: one form with a name and a
// password. Nobody is asked for consent, as at the other servers.
func loginPages(address, admin, password string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, `<!DOCTYPE html><title>Sign in</title>
<form method="post" action="/login"><input type="hidden" name="challenge" value="%s"><input name="login"><input type="password" name="password"><button>Sign in</button></form>`,
			template.HTMLEscapeString(r.FormValue("login_challenge")))
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("password") != password {
			http.Error(w, "wrong password", http.StatusForbidden)
			return
		}
		accept(w, r, admin, "login", r.FormValue("challenge"), map[string]any{"subject": r.FormValue("login")})
	})
	mux.HandleFunc("GET /consent", func(w http.ResponseWriter, r *http.Request) {
		accept(w, r, admin, "consent", r.FormValue("consent_challenge"), map[string]any{"grant_scope": []string{"openid", "offline_access"}})
	})
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

// accept tells Hydra, and sends the browser where it says.
func accept(w http.ResponseWriter, r *http.Request, admin, what, challenge string, said any) {
	var next struct {
		To string `json:"redirect_to"`
	}
	target := admin + "/admin/oauth2/auth/requests/" + what + "/accept?" + url.Values{what + "_challenge": {challenge}}.Encode()
	if err := ask(r.Context(), http.MethodPut, target, said, &next); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	http.Redirect(w, r, next.To, http.StatusSeeOther)
}

// hydraClient keeps a connection for everybody who signs in at once.
var hydraClient = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: rig.MaxClients}}

// ask sends JSON to Hydra's API.
func ask(ctx context.Context, method, target string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	got, err := hydraClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = got.Body.Close() }()
	said, err := io.ReadAll(got.Body)
	if err != nil {
		return err
	}
	if got.StatusCode != http.StatusOK && got.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s %s is answered with %d: %.400s", method, r.URL.Path, got.StatusCode, said)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(said, into)
}
