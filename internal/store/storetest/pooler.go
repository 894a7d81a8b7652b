package storetest

import (
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// poolSize is few, so that clients take turns on the server's connections.
const poolSize = 8

// pooler is PgBouncer in transaction mode before a cluster.
type pooler struct {
	once  sync.Once
	port  int
	child *child
	err   error
}

// Pooled returns a DSN that leads to the database of a DSN of [Postgres]
// through PgBouncer in transaction mode, which hands out a connection of the
// server for one transaction at a time. The test fails, and is never skipped,
// when there is no PgBouncer to start.
func Pooled(t testing.TB, dsn string) string {
	t.Helper()
	server, err := shared.get()
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	p := &server.pooler
	if p.once.Do(func() { p.err = p.start(server) }); p.err != nil {
		t.Fatalf("storetest: PgBouncer: %v", p.err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("storetest: this is no DSN of Postgres")
	}
	u.Host = fmt.Sprintf("127.0.0.1:%d", p.port)
	return u.String()
}

// start runs PgBouncer as the cluster's user, in its folder, with its password.
func (p *pooler) start(c *cluster) error {
	path, err := findPooler()
	if err != nil {
		return err
	}
	who, err := unprivileged()
	if err != nil {
		return err
	}
	users := filepath.Join(c.folder.path, "pooler-users")
	if err := c.folder.write(users, fmt.Sprintf("%q %q\n", role, c.password)); err != nil {
		return err
	}
	for range portTries {
		if p.port, err = freePort(); err != nil {
			return err
		}
		config := filepath.Join(c.folder.path, "pooler.ini")
		if err := c.folder.write(config, fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s
pool_mode = transaction
default_pool_size = %d
max_client_conn = 500
`, c.port, p.port, users, poolSize)); err != nil {
			return err
		}
		cmd := exec.Command(path, config)
		cmd.Dir = c.folder.path
		cmd.Env = cleanEnv()
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
		if p.child, err = startChild(cmd, "process up", startTimeout); err == nil || !strings.Contains(err.Error(), "in use") {
			return err
		}
	}
	return err
}

// stop ends PgBouncer if it was started, and keeps it from being started.
func (p *pooler) stop() {
	p.once.Do(func() { p.err = errors.New("it was stopped") })
	if p.child != nil {
		p.child.stop(syscall.SIGTERM, stopTimeout)
	}
}

func findPooler() (string, error) {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path, nil
	}
	const debian = "/usr/sbin/pgbouncer" // not in everybody's PATH
	if runnable(debian) {
		return debian, nil
	}
	return "", errors.New("it was not found: install it (on Debian and Ubuntu: apt-get install pgbouncer; or: make setup) and run the tests again")
}
