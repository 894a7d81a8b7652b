package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/internal/testkit"
)

// program is the broker: the one of this source tree.
var program string

func TestMain(m *testing.M) {
	os.Exit(testkit.Program(func(path string) int {
		program = path
		return m.Run()
	}))
}

// house is the demonstration with a broker of its own. Its agents are local
// people of the broker, and its owners speak through the API, so that these
// tests are of the app and the broker alone.
type house struct {
	t      *testing.T
	world  *World
	docs   *Docs
	broker *exec.Cmd
	file   string // the broker's configuration
	heard  *testkit.Log
	more   string // of the configuration
}

const agentPassword = "a password for agents"

func start(t *testing.T) *house {
	t.Helper()
	return startWith(t, "")
}

// startWith starts a broker with more in its configuration.
func startWith(t *testing.T, more string) *house {
	t.Helper()
	h := &house{t: t, heard: &testkit.Log{}, more: more}
	world, err := Open(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(world.Close)
	h.world = world
	customers := world.customersIssuer(time.Now)
	h.docs = world.northwind(customers, time.Now, slog.New(slog.NewTextHandler(h.heard, nil)))
	mux := http.NewServeMux()
	if err := errors.Join(h.docs.Mount(mux), customers.Mount(mux)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.docs.Close(); err != nil {
			t.Error(err)
		}
	})
	server := &http.Server{Handler: named(world.docs, mux), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(world.docs.Listener) }()
	t.Cleanup(func() { _ = server.Close() })
	h.configure(t.TempDir())
	h.restart()
	t.Cleanup(h.kill)
	return h
}

// configure writes the demonstration's own configuration, except that
// agents are local people, and that there is a client to mint with.
func (h *house) configure(dir string) {
	h.t.Helper()
	text, err := h.world.Config()
	if err != nil {
		h.t.Fatal(err)
	}
	hash := exec.Command(program, "hash-password")
	hash.Stdin = strings.NewReader(agentPassword)
	hashed, err := hash.Output()
	if err != nil {
		h.t.Fatal(err)
	}
	upstream := fmt.Sprintf("oidc: {issuer: %q, client_id: valetkey, client_secret: %q}", h.world.staff.URL(), h.world.secrets.Staff)
	local := "local:\n"
	for _, p := range Staff() {
		local += fmt.Sprintf("      - {username: %s, name: %s, claims: {groups: [support]}, password_hash: %q}\n", p.ID, p.Name, strings.TrimSpace(string(hashed)))
	}
	changed := strings.Replace(string(text), upstream, local, 1)
	if changed == string(text) {
		h.t.Fatalf("the configuration has no %s", upstream)
	}
	changed += fmt.Sprintf("  - {id: settings, secret: %s, grants: [client_credentials], owner_proof: trusted,\n"+
		"     api: [credentials.mint, credentials.read, credentials.revoke, record.read]}\n", h.world.secrets.API) + h.more
	h.file = filepath.Join(dir, "valetkey.yaml")
	if err := os.WriteFile(h.file, []byte(changed), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// restart runs the broker, on the database that is there.
func (h *house) restart() {
	h.t.Helper()
	h.broker = exec.Command(program, "serve", "--config", h.file)
	h.broker.Stdout, h.broker.Stderr = h.heard, h.heard
	if err := h.broker.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.awaitReady()
}

func (h *house) kill() {
	_ = h.broker.Process.Kill()
	_ = h.broker.Wait() // it says that it was killed, and the second time that it has ended
	if h.t.Failed() {
		h.t.Logf("the broker and the app say:\n%s", h.heard)
	}
}

func (h *house) awaitReady() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	for again := time.NewTicker(20 * time.Millisecond); ; <-again.C {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.world.BrokerURL+"/readyz", nil)
		if err != nil {
			h.t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if errors.Is(err, context.DeadlineExceeded) {
			h.t.Fatal("the broker does not become ready")
		}
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
	}
}

// token is one of the management API. Each call has its own: where access tokens
// are short those of the API are, too.
func (h *house) token() string {
	h.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"settings"}, "client_secret": {h.world.secrets.API}}
	answer, err := http.PostForm(h.world.BrokerURL+"/token", form)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var got struct {
		Access string `json:"access_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || got.Access == "" {
		h.t.Fatalf("no API token: %d %v", answer.StatusCode, err)
	}
	return got.Access
}

// call asks the management API as the product's settings page would.
func (h *house) call(method, path string, body any) (int, []byte) {
	h.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.world.BrokerURL+"/api/v1/accounts/acme/"+path, bytes.NewReader(text))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token())
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer.StatusCode, said
}

// pin has Olivia lend the scopes.
func (h *house) pin(scopes ...string) string {
	h.t.Helper()
	status, said := h.call(http.MethodPost, "credentials", map[string]any{
		"policy": "support-pin", "scopes": scopes, "account_name": "Acme Inc", "handle": "4821",
		"owner": map[string]any{"sub": "olivia", "name": "Olivia Owner", "claims": map[string]any{"role": "owner"}}})
	var got struct{ PIN string }
	if err := json.Unmarshal(said, &got); err != nil || status != http.StatusCreated {
		h.t.Fatalf("minting: %d %s", status, said)
	}
	return got.PIN
}

// revoke has Olivia take everything back, and waits until the app knows, and why:
// one that does not follow the endings yet learns by asking that a session has
// ended, and no more.
func (h *house) revoke() {
	h.t.Helper()
	live := h.sessions()
	if status, said := h.call(http.MethodDelete, "credentials", nil); status != http.StatusNoContent {
		h.t.Fatalf("revoking: %d %s", status, said)
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	for again := time.NewTicker(time.Millisecond); len(live) > 0; {
		var why *guard.Refusal
		if errors.As(h.docs.guard.Live(ctx, live[0]), &why) && why.Ending != nil {
			live = live[1:]
			continue
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			h.t.Fatal("the app is not told that the session has ended")
		}
	}
}

// sessions are the ids of the account's living ones.
func (h *house) sessions() (out []string) {
	h.t.Helper()
	status, said := h.call(http.MethodGet, "sessions", nil)
	var page struct {
		Items []struct {
			SID   string `json:"sid"`
			State string `json:"state"`
		}
	}
	if err := json.Unmarshal(said, &page); err != nil || status != http.StatusOK {
		h.t.Fatalf("the sessions: %d %s", status, said)
	}
	for _, s := range page.Items {
		if s.State == "live" {
			out = append(out, s.SID)
		}
	}
	return out
}

// actions are what the account's record says of them, the oldest first: what
// came of it, the words, and the target.
func (h *house) actions() (out []string) {
	h.t.Helper()
	status, said := h.call(http.MethodGet, "record", nil)
	var page struct {
		Items []struct {
			Kind            string
			Facts, Personal map[string]string
		}
	}
	if err := json.Unmarshal(said, &page); err != nil || status != http.StatusOK {
		h.t.Fatalf("the record: %d %s", status, said)
	}
	for _, e := range page.Items {
		if outcome, ok := strings.CutPrefix(e.Kind, "action."); ok {
			out = append(out, strings.TrimSpace(outcome+": "+e.Facts["action"]+" "+e.Personal["target"]))
		}
	}
	slices.Reverse(out)
	return out
}

// wantActions checks the actions in the record, all but the first few, which a
// test has seen before. Those that were refused come there soon after, in any
// order with the others.
func (h *house) wantActions(seen int, want ...string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	slices.Sort(want)
	for again := time.NewTicker(20 * time.Millisecond); ; {
		got := h.actions()
		got = got[min(seen, len(got)):]
		slices.Sort(got)
		if slices.Equal(got, want) {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			h.t.Fatalf("the record has, after %d: %q; want %q", seen, got, want)
		}
	}
}

// agent walks from the app's door into the account, and returns the browser.
func (h *house) agent(pin string) *browser {
	h.t.Helper()
	b := newBrowser(h.t)
	h.enter(b, pin)
	return b
}

func (h *house) enter(b *browser, pin string) {
	h.t.Helper()
	b.open(h.url("/")).press("Sign in for support")
	if b.form("username", "", "password", "") != nil {
		b.fill("username", "dana", "password", agentPassword)
	}
	b.fill("account", "4821", "pin", pin, "reason", "ticket 4711")
	b.fill("enter", "1").wants(http.StatusOK, "Travel policy")
}

func (h *house) url(path string) string { return h.world.docs.URL() + path }
