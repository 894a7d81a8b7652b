package storetest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// errMissing is what a developer reads on a machine without PostgreSQL.
var errMissing = errors.New("PostgreSQL's server programs were not found: install them " +
	"(on Debian and Ubuntu: apt-get install postgresql; or: make setup) and run the tests again")

// program returns the path of one of PostgreSQL's programs.
func program(name string) (string, error) {
	dir, err := programs()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, name), nil
}

// programs finds the folder with PostgreSQL's server programs, once.
var programs = sync.OnceValues(func() (string, error) {
	return findPrograms(candidates())
})

// candidates lists the folders worth a look, best first. What pg_config names
// wins, because whoever put it into PATH chose it. But the client package
// installs pg_config too, so its folder may hold no server.
func candidates() []string {
	var dirs []string
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	installed, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	return append(dirs, newestFirst(installed)...)
}

// newestFirst orders .../<major>/bin folders by major version, descending.
func newestFirst(dirs []string) []string {
	major := func(dir string) int {
		n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err != nil {
			return -1
		}
		return n
	}
	sorted := slices.Clone(dirs)
	slices.SortStableFunc(sorted, func(a, b string) int { return major(b) - major(a) })
	return sorted
}

// findPrograms returns the first folder that holds both programs a cluster
// needs, or errMissing.
func findPrograms(dirs []string) (string, error) {
	for _, dir := range dirs {
		if runnable(filepath.Join(dir, "initdb")) && runnable(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", errMissing
}

func runnable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
