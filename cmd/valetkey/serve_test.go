package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/testkit"
)

// logs is what a running broker says, with a way to wait for a line of it.
type logs struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	lines chan string
}

func newLogs() *logs { return &logs{lines: make(chan string, 1000)} }

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	l.buf.Write(p)
	l.mu.Unlock()
	l.lines <- string(p)
	return len(p), nil
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// await returns the log's entry with this message.
func (l *logs) await(t *testing.T, message string) map[string]any {
	t.Helper()
	for limit := time.After(time.Minute); ; {
		select {
		case line := <-l.lines:
			var entry map[string]any
			if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == message {
				return entry
			}
		case <-limit:
			t.Fatalf("%q is not logged: %s", message, l)
		}
	}
}

// running is a broker in this process.
type running struct {
	address string
	logs    *logs
	stop    context.CancelFunc
	ended   chan error
}

func startServe(t *testing.T, change ...string) *running {
	t.Helper()
	path := filepath.Join(t.TempDir(), "valetkey.yaml")
	text := strings.NewReplacer(change...).Replace(smallConfig + "log: {format: json}\n")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, r, err := loadRules(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out := &running{logs: newLogs(), stop: cancel, ended: make(chan error, 1)}
	go func() { out.ended <- serve(ctx, cfg, r, newLog(cfg, out.logs)) }()
	t.Cleanup(func() { cancel(); <-out.ended })
	out.address, _ = out.logs.await(t, "serving")["listen"].(string)
	return out
}

func (r *running) get(t *testing.T, path string) *http.Response {
	t.Helper()
	answer, err := http.Get("http://" + r.address + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// wait returns how the broker ended, for the cleanup to see it once more.
func (r *running) wait() error {
	err := <-r.ended
	r.ended <- err
	return err
}

// TestServe: with a new configuration and nothing else it becomes ready, serves
// what it should, and ends well when it is told to.
func TestServe(t *testing.T) {
	r := startServe(t)
	for path, want := range map[string]int{
		"/healthz": http.StatusOK, "/readyz": http.StatusOK, "/metrics": http.StatusOK, "/jwks": http.StatusOK,
		"/.well-known/openid-configuration": http.StatusOK, "/.well-known/oauth-authorization-server": http.StatusOK,
		"/api/openapi.json": http.StatusOK, "/": http.StatusNotFound, "/authorize": http.StatusBadRequest,
		"/redeem": http.StatusMethodNotAllowed, "/api/v1/accounts/acme/credentials": http.StatusUnauthorized,
	} {
		if got := r.get(t, path); got.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, got.StatusCode, want)
		}
	}
	r.stop()
	if err := r.wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	if _, err := net.Dial("tcp", r.address); err == nil {
		t.Error("it still takes connections")
	}
}

// TestDrain: who is told to end says so first, and goes on serving meanwhile.
func TestDrain(t *testing.T) {
	t.Parallel()
	r := startServe(t, "drain: 0s", "drain: 10s")        // long enough for what is asked meanwhile, on a busy machine
	client := &http.Client{Transport: &http.Transport{}} // a connection from before
	if _, err := client.Get("http://" + r.address + "/readyz"); err != nil {
		t.Fatal(err)
	}
	r.stop()
	r.logs.await(t, "draining")
	if got := r.get(t, "/readyz"); got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz while draining: %d", got.StatusCode)
	}
	for _, path := range []string{"/healthz", "/jwks"} {
		if got := r.get(t, path); got.StatusCode != http.StatusOK {
			t.Errorf("%s while draining: %d", path, got.StatusCode)
		}
	}
	client.CloseIdleConnections()
	http.DefaultClient.CloseIdleConnections()
	if err := r.wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestMetricsApart: a separate listener takes them off the public one.
func TestMetricsApart(t *testing.T) {
	address := fmt.Sprintf("127.0.0.1:%d", testkit.Port(t))
	r := startServe(t, "drain: 0s", "drain: 0s\nmetrics: "+address)
	if got := r.get(t, "/metrics"); got.StatusCode != http.StatusNotFound {
		t.Errorf("/metrics on the public listener: %d", got.StatusCode)
	}
	apart := &running{address: address}
	if got := apart.get(t, "/metrics"); got.StatusCode != http.StatusOK {
		t.Errorf("/metrics on its own: %d", got.StatusCode)
	}
}
