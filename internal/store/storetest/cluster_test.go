package storetest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hostVariable makes a copy of this test program start a server and hold it.
const hostVariable = "STORETEST_HOST"

// TestHost is what the copy runs: it tells where its server is, then panics or
// waits to be killed. In an ordinary run it only starts a server and stops it.
func TestHost(t *testing.T) {
	t.Parallel()
	how := os.Getenv(hostVariable)
	c, err := startCluster()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("HOST %d %s\n", c.port, c.folder.path)
	switch how {
	case "panic":
		panic("ended by a panic")
	case "wait":
		select {}
	}
	c.stop()
	if _, err := os.Stat(c.folder.path); !os.IsNotExist(err) {
		t.Errorf("the folder stayed: %v", err)
	}
	if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.port)); err == nil {
		_ = conn.Close()
		t.Error("the server still listens")
	}
}

func TestServerDiesWithItsProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(hostVariable) != "" {
		return // The copy must not start copies.
	}
	for _, how := range []string{"panic", "wait"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			port, folder := hostThatDies(t, how)
			awaitClosed(t, port)
			// The next process to start a server here removes the folder. The
			// server may still be ending after it has closed its port.
			again := time.NewTicker(20 * time.Millisecond)
			defer again.Stop()
			for deadline := time.After(2 * time.Minute); ; {
				sweep(filepath.Dir(folder))
				if _, err := os.Stat(folder); os.IsNotExist(err) {
					return
				}
				select {
				case <-again.C:
				case <-deadline:
					t.Fatal("the folder of a dead process stayed")
				}
			}
		})
	}
}

// hostThatDies runs a copy of this program until it has started a server and
// died, and returns where that server was.
func hostThatDies(t *testing.T, how string) (port, folder string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestHost$")
	cmd.Env = append(os.Environ(), hostVariable+"="+how)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for port == "" && scanner.Scan() {
		if fields := strings.Fields(scanner.Text()); len(fields) == 3 && fields[0] == "HOST" {
			port, folder = fields[1], fields[2]
		}
	}
	if how == "wait" {
		_ = cmd.Process.Kill()
	}
	_ = cmd.Wait()
	if port == "" {
		t.Fatal("the copy started no server")
	}
	return port, folder
}

// awaitClosed returns when nobody listens on port any more; go test's own
// limit ends a wait in vain. A dying server usually closes the connection, but
// may leave a backend waiting for its password, hence the deadline.
func awaitClosed(t *testing.T, port string) {
	t.Helper()
	for {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return
		}
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.Close()
	}
}

func TestNewestFirst(t *testing.T) {
	t.Parallel()
	got := newestFirst([]string{"/usr/lib/postgresql/9/bin", "/usr/lib/postgresql/odd/bin",
		"/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/15/bin"})
	want := []string{"/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/15/bin",
		"/usr/lib/postgresql/9/bin", "/usr/lib/postgresql/odd/bin"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFindProgramsWantsAServer(t *testing.T) {
	t.Parallel()
	client, server := t.TempDir(), t.TempDir()
	for _, path := range []string{
		filepath.Join(client, "psql"), filepath.Join(server, "initdb"), filepath.Join(server, "postgres"),
	} {
		if err := os.WriteFile(path, nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := findPrograms([]string{"/nowhere", client, server}); err != nil || got != server {
		t.Errorf("got %q, %v; want %q", got, err, server)
	}
	_, err := findPrograms([]string{"/nowhere", client})
	if !errors.Is(err, errMissing) || !strings.Contains(err.Error(), "apt-get install postgresql") {
		t.Errorf("a machine without a server is told %v", err)
	}
}

func TestReachableSkipsAClosedFolder(t *testing.T) {
	t.Parallel()
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.MkdirAll(filepath.Join(closed, "inner"), 0o700); err != nil {
		t.Fatal(err)
	}
	inner := filepath.Join(closed, "inner")
	other := &syscall.Credential{Uid: 1, Gid: 1}
	if got, err := reachable([]string{inner, "/"}, other); err != nil || got != "/" {
		t.Errorf("another user is sent to %q, %v", got, err)
	}
	if got, err := reachable([]string{inner}, nil); err != nil || got != inner {
		t.Errorf("we ourselves are sent to %q, %v", got, err)
	}
	if _, err := reachable([]string{inner}, other); err == nil {
		t.Error("a folder that cannot be reached is accepted")
	}
}

func TestCleanEnvDropsPostgresVariables(t *testing.T) {
	t.Setenv("PGPORT", "1")
	t.Setenv("LANG", "de_DE")
	for _, entry := range cleanEnv() {
		if strings.HasPrefix(entry, "PGPORT=") || strings.HasPrefix(entry, "LANG=") {
			t.Errorf("%s reaches the server", entry)
		}
	}
}
