package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// program is the path of the valetkey binary under test.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the program once for all tests, as a release is built: without
// the race detector, which the packages' own tests use.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "valetkey-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program = filepath.Join(dir, "valetkey")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, "../cmd/valetkey")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the program: %v\n%s", err, out)
		return 1
	}
	return storetest.Main(m)
}
