package staff

import (
	"os"
	"testing"

	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Migrated(m, store.Migrate)) }
