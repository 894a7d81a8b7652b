package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/testkit"
)

// patience bounds every wait for the program; it is no expectation of speed.
const patience = 90 * time.Second

// broker is one installation of valetkey with its process, as a test sees it.
type broker struct {
	t        testing.TB
	issuer   string
	at       string // where this node listens; the issuer, unless it is a second one
	dsn      string
	dir      string
	file     string // of the configuration, in dir
	env      map[string]string
	nodePort int      // of the callback that the Node client listens on
	company  *company // how owners and agents sign in elsewhere; nil: nobody does

	cmd   *exec.Cmd
	ended chan struct{}
	logs  *testkit.Log // what its processes printed, over restarts
	tape  *tape        // every exchange with the program

	mu     sync.Mutex
	tokens map[string]apiToken // by client
	meta   *metadata
}

// start serves on an empty database that nobody has migrated. On PostgreSQL
// it makes the secrets file first, as an operator does.
func start(t testing.TB, dsn string) *broker {
	t.Helper()
	return startWith(t, dsn, "")
}

// startWith does it with further clients, as the configuration lists them.
func startWith(t testing.TB, dsn, clients string) *broker {
	t.Helper()
	b := prepare(t, dsn)
	b.configure("\ntokens: ", clients+"\ntokens: ")
	b.begin()
	return b
}

// begin serves for the first time.
func (b *broker) begin() {
	b.t.Helper()
	if strings.HasPrefix(b.dsn, "postgres") {
		if out, err := b.command("secrets", "init", "--config", b.config()).CombinedOutput(); err != nil {
			b.t.Fatalf("valetkey secrets init: %v\n%s", err, out)
		}
	}
	b.serve()
}

// configure changes a text of the configuration.
func (b *broker) configure(from, to string) {
	b.t.Helper()
	text, err := os.ReadFile(b.config())
	if err != nil {
		b.t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		b.t.Fatalf("the configuration has no %q", from)
	}
	if err := os.WriteFile(b.config(), []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// prepare writes the configuration, and has the process ended with the test.
func prepare(t testing.TB, dsn string) *broker {
	t.Helper()
	return prepareFor(t, dsn, nil)
}

// prepareFor does it for an installation whose people sign in elsewhere.
func prepareFor(t testing.TB, dsn string, there *company) *broker {
	t.Helper()
	b := &broker{
		t: t, dsn: dsn, dir: t.TempDir(), env: environment(), nodePort: testkit.Port(t), company: there,
		logs: &testkit.Log{}, tape: &tape{}, tokens: map[string]apiToken{},
	}
	b.listen(testkit.Port(t))
	t.Cleanup(func() { b.end() })
	return b
}

// listen names the address in the configuration; the issuer is the first one
// that was, since all nodes of an installation share it.
func (b *broker) listen(port int) {
	b.t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", port)
	b.at = "http://" + address
	if b.issuer == "" {
		b.issuer = b.at
	}
	owners, agents := ownersElsewhere, localPeople()
	if b.company != nil {
		owners, agents = b.company.configured(b)
	}
	text := fmt.Sprintf(configuration, b.issuer, address, b.dsn,
		filepath.Join(b.dir, "valetkey.secrets"), agents,
		docsCallback, b.nodeCallback(), filesCallback, metricsCallback, docsAudience, metricsAudience, owners)
	if err := os.WriteFile(b.config(), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "bank.jwks"), bankKeys(), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// sibling starts a second node on the same database with the same secrets. It
// is reached at its own address, and says the shared issuer.
func (b *broker) sibling() *broker {
	b.t.Helper()
	return b.siblingOn(b.dsn)
}

// siblingOn does it for a node that reaches the database at another address.
func (b *broker) siblingOn(dsn string) *broker {
	b.t.Helper()
	port := testkit.Port(b.t)
	second := b.seenBy(b.t)
	second.dsn, second.file = dsn, fmt.Sprintf("node-%d.yaml", port)
	second.listen(port)
	b.t.Cleanup(func() { second.end() })
	second.serve()
	return second
}

// seenBy is the same node as another test sees it.
func (b *broker) seenBy(t testing.TB) *broker {
	return &broker{
		t: t, dsn: b.dsn, dir: b.dir, file: b.file, env: b.env, nodePort: b.nodePort, issuer: b.issuer, at: b.at,
		logs: &testkit.Log{}, tape: &tape{}, tokens: map[string]apiToken{},
	}
}

// end is what is left to do when the test is over.
func (b *broker) end() {
	b.kill()
	if b.t.Failed() {
		b.t.Logf("the program's output:\n%s", tail(b.logs.String(), 6000))
	}
}

func (b *broker) config() string {
	if b.file != "" {
		return filepath.Join(b.dir, b.file)
	}
	return filepath.Join(b.dir, "valetkey.yaml")
}

func (b *broker) nodeCallback() string {
	return fmt.Sprintf("http://127.0.0.1:%d/callback", b.nodePort)
}

// command prepares a run of the program with the environment of this broker.
func (b *broker) command(args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = b.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "TMPDIR=" + b.dir}
	for name, value := range b.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// serve starts the process and waits until it says that it is ready.
func (b *broker) serve() {
	b.t.Helper()
	b.cmd, b.ended = b.command("serve", "--config", b.config()), make(chan struct{})
	b.cmd.Stdout, b.cmd.Stderr = b.logs, b.logs
	b.cmd.SysProcAttr = dieWithParent()
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(b.cmd, b.ended)
	b.awaitReady()
}

func (b *broker) awaitReady() {
	b.t.Helper()
	client := http.Client{Timeout: 5 * time.Second}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if response, err := client.Get(b.at + "/readyz"); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-again.C:
		case <-b.ended:
			b.t.Fatalf("valetkey serve ended (%v) instead of becoming ready", b.cmd.ProcessState)
		case <-deadline.C:
			b.t.Fatalf("valetkey serve was not ready within %v", patience)
		}
	}
}

// kill ends the process as a power cut would: it gets no chance to say a word.
func (b *broker) kill() {
	if b.cmd == nil || b.cmd.Process == nil {
		return
	}
	_ = b.cmd.Process.Kill()
	<-b.ended
}

// stop asks the process to end, as an operator would, and wants exit code 0.
func (b *broker) stop() {
	b.t.Helper()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.t.Fatal(err)
	}
	select {
	case <-b.ended:
	case <-time.After(patience):
		b.t.Fatalf("valetkey serve did not stop within %v of SIGTERM", patience)
	}
	if code := b.cmd.ProcessState.ExitCode(); code != 0 {
		b.t.Errorf("valetkey serve exits with %d after SIGTERM, want 0", code)
	}
}

// listenOn takes a port of loopback that [testkit.Port] has found.
func listenOn(t testing.TB, port int) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// tail is the end of what was printed.
func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
