// Package testkit starts what tests of several packages need besides a database
// (for that see internal/store/storetest): the built program, Chromium, and an
// OpenID Provider that is not ours. It keeps what they log, too. It knows nothing of the broker's code, and no
// program may contain it. What is missing on a machine fails the test, which says
// how to get it.
package testkit

import (
	"fmt"
	"os"
	"path/filepath"
)

const install = "run `make setup` and the tests again"

// root is the folder of the module that the tests which run belong to.
func root() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is in no module", here)
		}
	}
}
