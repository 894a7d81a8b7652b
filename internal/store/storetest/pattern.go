package storetest

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// pattern is what the databases of this process are copies of. To prepare one
// takes a thousand times as long as to copy it.
var pattern prepared

// emptyPattern is PostgreSQL's own.
const emptyPattern = "template1"

type prepared struct {
	prepare func(dsn string) error // nil: nothing is prepared

	fileOnce sync.Once
	file     []byte // of SQLite
	fileErr  error

	nameOnce sync.Once
	nameErr  error
}

// copyFile writes a copy of the prepared file, if there is one.
func (p *prepared) copyFile(to string) error {
	if p.prepare == nil {
		return nil
	}
	p.fileOnce.Do(func() { p.fileErr = p.makeFile() })
	if p.fileErr != nil {
		return p.fileErr
	}
	return os.WriteFile(to, p.file, 0o600)
}

func (p *prepared) makeFile() error {
	dir, err := os.MkdirTemp("", "valetkey-pattern-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "valetkey.db")
	if err := p.prepare("sqlite:" + path); err != nil {
		return err
	}
	if left, err := os.Stat(path + "-wal"); err == nil && left.Size() > 0 {
		return fmt.Errorf("a connection was left open: %s has %d bytes", left.Name(), left.Size())
	}
	p.file, err = os.ReadFile(path)
	return err
}

// database is the name of the prepared database in a server.
func (p *prepared) database(c *cluster) (string, error) {
	const name = "vk_pattern"
	if p.prepare == nil {
		return emptyPattern, nil
	}
	p.nameOnce.Do(func() {
		if p.nameErr = c.admin(fmt.Sprintf("CREATE DATABASE %s OWNER %s", name, role)); p.nameErr == nil {
			p.nameErr = p.prepare(c.dsn(role, name))
		}
	})
	return name, p.nameErr
}
