package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// refused runs serve where it must not start, and returns what it says.
func refused(t *testing.T, b *broker) string {
	t.Helper()
	out, err := b.command("serve", "--config", b.config()).CombinedOutput()
	if err == nil {
		t.Fatalf("valetkey serve ends well where it must refuse: %s", out)
	}
	return string(out)
}

// TestStartsOnlyWithItsSecrets: without the file that opens what the database
// holds, or with another one, the program does not serve.
func TestStartsOnlyWithItsSecrets(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		got := b.session(dana, b.pin("support-pin"))
		b.stop()
		path := filepath.Join(b.dir, "valetkey.secrets")
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o037 != 0 {
			t.Errorf("the secrets file: %v, %v; want it readable by few", info, err)
		}

		kept := path + ".kept"
		if err := os.Rename(path, kept); err != nil {
			t.Fatal(err)
		}
		if said := refused(t, b); !strings.Contains(said, "secrets") {
			t.Errorf("without its secrets file it says: %s", said)
		}
		if out, err := b.command("secrets", "init", "--config", b.config()).CombinedOutput(); err != nil {
			t.Fatalf("secrets init: %v %s", err, out)
		}
		if said := refused(t, b); !strings.Contains(said, "secrets") {
			t.Errorf("with another installation's secrets file it says: %s", said)
		}
		if err := os.Rename(kept, path); err != nil {
			t.Fatal(err)
		}
		b.serve()
		b.wantAlive("after the restarts", got)
	})
}

// TestPostgresWantsItsSecretsFirst: several nodes share one file, so none of
// them makes it.
func TestPostgresWantsItsSecretsFirst(t *testing.T) {
	t.Parallel()
	b := prepare(t, storetest.Postgres(t))
	if said := refused(t, b); !strings.Contains(said, "secrets init") {
		t.Errorf("on an empty PostgreSQL without a secrets file it says: %s", said)
	}
}

// TestAMistakeInTheFileIsNamed with its line, before anything is touched.
func TestAMistakeInTheFileIsNamed(t *testing.T) {
	t.Parallel()
	b := prepare(t, storetest.SQLite(t))
	text, err := os.ReadFile(b.config())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Count(string(text), "\n")
	wrong := string(text) + "colour: green\npoll: soon\n"
	if err := os.WriteFile(b.config(), []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	said := refused(t, b)
	for i, key := range []string{"colour", "poll"} {
		if !strings.Contains(said, key) || !strings.Contains(said, fmt.Sprint(lines+1+i)) {
			t.Errorf("serve does not name %s in line %d: %s", key, lines+1+i, said)
		}
	}
	if _, err := os.Stat(strings.TrimPrefix(b.dsn, "sqlite:")); !os.IsNotExist(err) {
		t.Errorf("the database was touched: %v", err)
	}
}

// TestTwoNodesOfOneInstallation serve the same sessions: what is ended at one
// is refused by the other in the next request.
func TestTwoNodesOfOneInstallation(t *testing.T) {
	t.Parallel()
	b := start(t, storetest.Postgres(t))
	second := b.sibling()
	pin := b.pin("support-pin")
	v, code := b.browser().signIn(b.docs(), dana, pin)
	got := v.exchange(code)
	ask := func() (status int, inactive bool) {
		answer := second.userinfo(got.Access)
		return answer.status, !second.active(got.Access)
	}
	if status, inactive := ask(); status != 200 || inactive {
		t.Fatalf("the second node: userinfo %d, inactive %v", status, inactive)
	}
	b.revoke(pin)
	if status, inactive := ask(); status != 401 || !inactive {
		t.Errorf("the second node after the revocation at the first: userinfo %d, inactive %v; want 401 and true", status, inactive)
	}
	wantInvalidGrant(t, "the second node's refresh", second.refresh(second.docs(), got.Refresh))
}
