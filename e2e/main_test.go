package e2e

import (
	"os"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/internal/testkit"
)

// program is the path of the valetkey binary under test.
var program string

func TestMain(m *testing.M) {
	os.Exit(testkit.Program(func(path string) int {
		program = path
		return storetest.Main(m)
	}))
}
