package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The superuser creates and drops databases; the role owns them and is what
// tests connect as, so that a missing grant shows in a test.
const (
	superuser = "storetest"
	role      = "valetkey"
)

const (
	startTimeout = 90 * time.Second
	stopTimeout  = 20 * time.Second
	// portTries covers another process taking the free port between our
	// looking and the server's binding.
	portTries = 5
)

// shared is the one cluster of this process.
var shared lazyCluster

// lazyCluster starts a cluster at the first get and stops it at most once.
type lazyCluster struct {
	once    sync.Once
	cluster *cluster
	err     error
}

func (l *lazyCluster) get() (*cluster, error) {
	l.once.Do(func() {
		l.cluster, l.err = startCluster()
		if l.cluster == nil && l.err == nil {
			l.err = errors.New("the PostgreSQL server of this process was stopped")
		}
	})
	return l.cluster, l.err
}

// stop is called when no test runs any more. It also spends the Once, so that
// a server can't be started after it.
func (l *lazyCluster) stop() {
	l.once.Do(func() { l.err = errors.New("the PostgreSQL server of this process was stopped") })
	if l.cluster != nil {
		l.cluster.stop()
	}
}

// cluster is one running PostgreSQL server with its folder.
type cluster struct {
	folder   *folder
	password string
	port     int
	child    *child
	more     []string // settings beyond those of tests, which they override
	pooler   pooler   // before it, if a test asks for one
}

// startCluster initialises a cluster in a new folder and starts its server.
func startCluster(settings ...string) (*cluster, error) {
	if _, err := programs(); err != nil {
		return nil, err
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := newFolder(who)
	if err != nil {
		return nil, err
	}
	c := &cluster{folder: dir, password: rand.Text(), more: settings}
	if err := c.start(who); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *cluster) start(who *syscall.Credential) error {
	if err := c.initdb(who); err != nil {
		return err
	}
	if err := c.serve(who); err != nil {
		return err
	}
	return c.admin(fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", role, c.password))
}

// initdb creates the data folder. Every connection needs the password: the
// server listens on loopback, where any user of the machine could reach it.
func (c *cluster) initdb(who *syscall.Credential) error {
	pwfile := filepath.Join(c.folder.path, "password")
	if err := c.folder.write(pwfile, c.password+"\n"); err != nil {
		return err
	}
	initdb, err := program("initdb")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, initdb, "--pgdata", c.data(), "--username", superuser,
		"--pwfile", pwfile, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	cmd.Dir = c.folder.path
	cmd.Env = cleanEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// serve starts the server on a free port of loopback.
func (c *cluster) serve(who *syscall.Credential) (err error) {
	for range portTries {
		if c.port, err = freePort(); err != nil {
			return err
		}
		if err = c.run(who); err == nil || !strings.Contains(err.Error(), "could not bind") {
			return err
		}
	}
	return err
}

// run starts the server on its port.
func (c *cluster) run(who *syscall.Credential) error {
	postgres, err := program("postgres")
	if err != nil {
		return err
	}
	cmd := exec.Command(postgres, append([]string{"-D", c.data()}, c.settings()...)...)
	cmd.Dir = c.folder.path
	cmd.Env = cleanEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	child, err := startChild(cmd, "ready to accept connections", startTimeout)
	if err == nil {
		c.child = child
	}
	return err
}

func (c *cluster) restart() error {
	who, err := unprivileged()
	if err != nil {
		return err
	}
	c.child.stop(syscall.SIGINT, stopTimeout)
	return c.run(who)
}

// settings makes the server fast and small. Nothing here outlives the test
// process, so durability is not worth a single flush; what a transaction may
// see, on the other hand, stays exactly as in production.
func (c *cluster) settings() []string {
	var args []string
	for _, setting := range []string{
		"listen_addresses=127.0.0.1",
		fmt.Sprintf("port=%d", c.port),
		"unix_socket_directories=",
		"max_connections=200",
		"shared_buffers=64MB",
		"fsync=off",
		"full_page_writes=off",
		"wal_level=minimal",
		"max_wal_senders=0",
		"jit=off",
		"timezone=UTC",
		"lc_messages=C",
		"logging_collector=off",
		"log_destination=stderr",
	} {
		args = append(args, "-c", setting)
	}
	for _, setting := range c.more {
		args = append(args, "-c", setting)
	}
	return args
}

func (c *cluster) data() string { return filepath.Join(c.folder.path, "data") }

// tail is the end of the server's log, for a failure's message.
func (c *cluster) tail() string {
	if c.child == nil {
		return ""
	}
	return "\nthe server's log ends:\n" + c.child.log()
}

// stop ends the server and removes its folder. It is safe on a cluster that
// never came up.
func (c *cluster) stop() {
	c.pooler.stop()
	if c.child != nil {
		// SIGINT is PostgreSQL's "fast" shutdown: it does not wait for clients.
		c.child.stop(syscall.SIGINT, stopTimeout)
	}
	c.folder.remove()
}

// freePort finds a port of loopback that nobody listens on, among those that the
// kernel gives nobody who asks for any: it is to be free still when it is used.
func freePort() (port int, err error) {
	for range portTries {
		port = 10_000 + mathrand.IntN(32_768-10_000) //nolint:gosec // no secret
		var listener net.Listener
		if listener, err = net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, listener.Close()
		}
	}
	return 0, err
}

// cleanEnv drops PG… variables: a developer's PGPORT or PGDATA must not reach
// a server that belongs to a test.
func cleanEnv() []string {
	var env []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "PG") && !strings.HasPrefix(entry, "LC_") && !strings.HasPrefix(entry, "LANG") {
			env = append(env, entry)
		}
	}
	return append(env, "LC_ALL=C")
}
