package e2e

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestARestoredBackupRevivesNothing: what was revoked after the backup would
// come back to life with it, and `recover` is why it does not.
func TestARestoredBackupRevivesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		pin, waiting := b.pin("support-pin"), b.pin("two-day-pin")
		login := b.mint(mint{account: globex, policy: "temporary-login"})
		got, visit := b.session(dana, pin), b.session(agent(1), login)
		before := b.keyIDs()

		restore := b.backUp()
		b.revoke(pin)
		b.wantDead("after the revocation", got)
		b.stop()
		restore()

		b.serve() // which nobody should: here it proves that there is something to end
		b.wantAlive("the restored copy, served as it is", got)
		if out, err := b.command("recover", "--config", b.config()).CombinedOutput(); err == nil && strings.HasPrefix(b.dsn, "sqlite") {
			t.Errorf("recover runs beside a running broker: %s", out)
		}
		b.stop()

		b.must("recover", "--config", b.config())
		b.serve()
		b.wantDead("after recover", got)
		b.wantDead("after recover, a reusable login's visit", visit)
		if b.attempt(agent(2), waiting) || b.attempt(agent(3), login) {
			t.Error("a credential of the backup still opens a session")
		}
		for id := range b.keyIDs() {
			if before[id] {
				t.Errorf("key %s, which signed the tokens from before, is still published", id)
			}
		}
		if answer := b.tryMint(mint{account: acme, policy: "support-pin"}); answer.status != http.StatusUnauthorized {
			t.Errorf("an API token from before: %d %s, want 401", answer.status, answer.body)
		}
		b.forgetTokens()
		b.wantAlive("what is made afterwards", b.session(agent(4), b.pin("support-pin")))
		for _, where := range []account{acme, globex} {
			if record := b.verifiedRecord(where); !strings.Contains(record, "operator") {
				t.Errorf("the record of %s does not say that the operator ended it: %s", where.id, record)
			}
		}
	})
}

// TestErasedPeopleAreNamedNoMore, neither in the record, which still verifies,
// nor anywhere else in the database.
func TestErasedPeopleAreNamedNoMore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		login := b.mint(mint{account: acme, policy: "temporary-login"})
		got := b.session(dana, login)
		stays := b.session(agent(1), login)
		if !strings.Contains(b.verifiedRecord(acme), dana.name) {
			t.Fatal("the record does not name the agent in the first place")
		}

		b.must("erase", "--person", b.issuer+",local:"+dana.username, "--config", b.config())
		b.wantDead("the erased person's session", got)
		b.wantAlive("a colleague's", stays)
		record := b.verifiedRecord(acme)
		if strings.Contains(record, dana.name) || !strings.Contains(record, agent(1).name) {
			t.Errorf("the record after an agent was erased: %s", record)
		}
		shown := b.api(b.settings(), http.MethodGet, acme.path()+"/record", nil)
		if !strings.Contains(string(shown.body), `"[erased]"`) || strings.Contains(string(shown.body), dana.name) {
			t.Errorf("the record as the API shows it after an agent was erased: %s", shown.body)
		}

		b.must("erase", "--account", acme.id, "--config", b.config())
		b.wantDead("the erased account's session", stays)
		record = b.verifiedRecord(acme)
		b.stop()
		b.must("erase", "--account", acme.id, "--config", b.config()) // what a running broker's files still hold
		left := b.database()
		for what, name := range map[string]string{
			"the agent": dana.name, "the colleague": agent(1).name, "the owner": kim.name,
			"the owner's email": kim.email, "the ticket": "ticket 4711", "the account": acme.name,
		} {
			if strings.Contains(record, name) {
				t.Errorf("the record still names %s: %s", what, record)
			}
			if strings.Contains(left, name) && what != "the colleague" { // who was not erased as a person
				t.Errorf("the database still names %s", what)
			}
		}
		if !strings.Contains(left, agent(1).name) {
			t.Error("the search of the database does not even find who was not erased")
		}
	})
}

// forgetTokens has the next requests to the API ask for new tokens.
func (b *broker) forgetTokens() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.tokens)
}

// must runs a command of the program that has to end well.
func (b *broker) must(args ...string) string {
	b.t.Helper()
	out, err := b.command(args...).CombinedOutput()
	if err != nil {
		b.t.Fatalf("valetkey %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// verifiedRecord exports an account's record and verifies it offline, as an
// owner or auditor does with the file alone.
func (b *broker) verifiedRecord(of account) string {
	b.t.Helper()
	record := b.must("audit", "export", "--account", of.id, "--config", b.config())
	verify := b.command("audit", "verify")
	verify.Stdin, verify.Dir = strings.NewReader(record), b.t.TempDir()
	out, err := verify.CombinedOutput()
	if err != nil || !strings.Contains(string(out), strconv.Itoa(strings.Count(record, "\n"))+" entries hold together") {
		b.t.Errorf("the record of %s does not verify: %v %s", of.id, err, out)
	}
	return record
}

// keyIDs are those of the published keys.
func (b *broker) keyIDs() map[string]bool {
	b.t.Helper()
	var set struct {
		Keys []struct{ Kid string } `json:"keys"`
	}
	b.get(b.metadata().JWKS, "").decode(b.t, &set)
	ids := map[string]bool{}
	for _, key := range set.Keys {
		ids[key.Kid] = true
	}
	if len(ids) == 0 {
		b.t.Fatal("no key is published")
	}
	return ids
}

// backUp copies the database as it is now: SQLite's file while nobody serves
// it, PostgreSQL by pg_dump while it is served. What it returns puts the copy
// back.
func (b *broker) backUp() (restore func()) {
	b.t.Helper()
	path, sqlite := strings.CutPrefix(b.dsn, "sqlite:")
	if !sqlite {
		dump, err := exec.Command(storetest.Program(b.t, "pg_dump"), "--no-owner", "--dbname", b.dsn).Output()
		if err != nil {
			b.t.Fatalf("pg_dump: %v", err)
		}
		return func() { b.load(dump) }
	}
	b.stop()
	kept, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	b.serve()
	return func() {
		for _, suffix := range []string{"-wal", "-shm"} {
			if err := os.Remove(path + suffix); err != nil && !os.IsNotExist(err) {
				b.t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, kept, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
}

// load puts a dump into a new database, and has the broker use that.
func (b *broker) load(dump []byte) {
	b.t.Helper()
	b.dsn = storetest.Postgres(b.t)
	load := exec.Command(storetest.Program(b.t, "psql"), "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", b.dsn)
	load.Stdin = bytes.NewReader(dump)
	if out, err := load.CombinedOutput(); err != nil {
		b.t.Fatalf("psql: %v %s", err, out)
	}
	at, err := url.Parse(b.at)
	if err != nil {
		b.t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		b.t.Fatal(err)
	}
	b.listen(port)
}
