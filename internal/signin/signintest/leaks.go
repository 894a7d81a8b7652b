package signintest

import (
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // looks at the database from outside
)

// Watch returns a function that tells whether anybody has written to an SQLite
// database since it was called last.
func Watch(t testing.TB, dsn string) func() bool {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(dsn, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1) // data_version is a connection's own
	version := func() (n int64) {
		if err := db.QueryRowContext(t.Context(), `PRAGMA data_version`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	last := version()
	return func() bool {
		now := version()
		changed := now != last
		last = now
		return changed
	}
}

// Leaks looks for secrets, by their names, in everything that was answered,
// logged, and stored in an SQLite database that is closed by now. The answers of
// shown, by method and path, may have them in their body.
func Leaks(t testing.TB, secrets map[string]string, tape *Tape, log fmt.Stringer, dsn string, shown ...string) {
	t.Helper()
	places := map[string]string{"the log": log.String()}
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(strings.TrimPrefix(dsn, "sqlite:") + suffix)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		places["the database"+suffix] = string(content)
	}
	for _, a := range tape.All() {
		var all strings.Builder
		_ = a.Header.Write(&all)
		u, _ := url.Parse(a.URL)
		where := a.Method + " " + u.Path
		if !slices.Contains(shown, where) {
			all.WriteString(a.Body)
		}
		places["the answer to "+where] += all.String()
		places["an address"] += a.URL + "\n"
	}
	for name, secret := range secrets {
		for place, content := range places {
			for form, written := range map[string]string{"as it is": secret, "escaped": url.QueryEscape(secret),
				"in hex": hex.EncodeToString([]byte(secret)), "in base64": base64.RawStdEncoding.EncodeToString([]byte(secret))[:len(secret)]} {
				if holds(content, written) {
					t.Errorf("%s is in %s (%s)", name, place, form)
				}
			}
		}
	}
}

// holds finds digits only where none stand beside them: six digits of a longer
// number are no PIN.
func holds(content, secret string) bool {
	digit := func(at int) bool { return at >= 0 && at < len(content) && content[at] >= '0' && content[at] <= '9' }
	for from := 0; ; {
		at := strings.Index(content[from:], secret)
		if at < 0 {
			return false
		}
		at += from
		if strings.Trim(secret, "0123456789") != "" || !digit(at-1) && !digit(at+len(secret)) {
			return true
		}
		from = at + 1
	}
}
