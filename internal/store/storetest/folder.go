package storetest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// folderPrefix marks the folders of clusters, so that a later process can
// remove what a killed one left behind.
const folderPrefix = "valetkey-postgres-"

// folder is the temporary home of one cluster. Its lock is held for as long as
// this process lives, and released by the kernel however it ends.
type folder struct {
	path string
	who  *syscall.Credential
	lock *os.File
}

// unprivileged returns whom to run PostgreSQL as: nil (ourselves), or, since
// its server refuses to run as root, another user of this machine.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(found.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(found.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("reading the ids of user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and this machine has neither " +
		"a user postgres nor a user nobody: add one, or run the tests as another user")
}

// newFolder makes a folder that who owns and can reach.
func newFolder(who *syscall.Credential) (*folder, error) {
	parent, err := reachable([]string{os.TempDir(), "/tmp", "/var/tmp"}, who)
	if err != nil {
		return nil, err
	}
	sweep(parent)
	path, err := os.MkdirTemp(parent, folderPrefix)
	if err != nil {
		return nil, err
	}
	f := &folder{path: path, who: who}
	// The lock gets its name once it is held, so a sweep never finds it free.
	unnamed := filepath.Join(path, "unnamed")
	if f.lock, err = lockFile(unnamed); err == nil {
		err = errors.Join(os.Rename(unnamed, filepath.Join(path, "lock")), f.give(path))
	}
	if err != nil {
		f.remove()
		return nil, err
	}
	return f, nil
}

// reachable returns the first of dirs whose every parent who may traverse.
// A TMPDIR below root's home, for instance, is none.
func reachable(dirs []string, who *syscall.Credential) (string, error) {
	for _, dir := range dirs {
		path, err := filepath.Abs(dir)
		if err != nil {
			return "", err
		}
		if who == nil || traversable(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("none of %v can be reached by an unprivileged user: set TMPDIR to a folder that can", dirs)
}

func traversable(path string) bool {
	for {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(path)
		if parent == path {
			return true
		}
		path = parent
	}
}

// lockFile makes a file where there is none, and locks it without waiting.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// sweep removes the folders of processes that are gone. A folder without a
// lock file was made a moment ago and is about to be locked: it stays.
func sweep(parent string) {
	left, _ := filepath.Glob(filepath.Join(parent, folderPrefix+"*"))
	for _, path := range left {
		name := filepath.Join(path, "lock")
		if _, err := os.Lstat(name); err != nil {
			continue
		}
		if lock, err := lockFile(name); err == nil {
			_ = os.RemoveAll(path)
			_ = lock.Close()
		}
	}
}

// write makes a file that only the cluster's user may read.
func (f *folder) write(path, content string) error {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return err
	}
	return f.give(path)
}

func (f *folder) give(path string) error {
	if f.who == nil {
		return nil
	}
	return os.Chown(path, int(f.who.Uid), int(f.who.Gid))
}

func (f *folder) remove() {
	_ = os.RemoveAll(f.path)
	if f.lock != nil {
		_ = f.lock.Close()
	}
}
