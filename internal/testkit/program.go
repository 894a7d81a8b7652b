package testkit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Program builds the broker as a release is built, without the race detector that
// the packages' own tests use, and calls run with its path; it is removed
// afterwards. For TestMain: what is returned is the tests' exit code.
func Program(run func(path string) int) int {
	dir, path, err := build()
	defer func() { _ = os.RemoveAll(dir) }()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run(path)
}

func build() (dir, path string, err error) {
	module, err := root()
	if err == nil {
		dir, err = os.MkdirTemp("", "valetkey-built-")
	}
	if err != nil {
		return dir, "", err
	}
	path = filepath.Join(dir, "valetkey")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, "./cmd/valetkey") //nolint:gosec // our own
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return dir, path, nil
}
