// Package past fills a broker's database with what years leave behind: accounts,
// credentials that are dead, their sessions, the record.
//
// The rows are those that the program writes, as far as any path looks at them;
// what nobody is asked about (that the record's hashes are of what they stand
// for) they need not be. It imports nothing of the broker.
package past

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Past is how much there is of it.
type Past struct {
	Accounts    int // one in a hundred is hot: half of everything is theirs
	Credentials int // dead ones; each had one session
	Entries     int // of the record
	Live        int // credentials that are not dead, of as many accounts, each with a session that goes on
}

// Hot is the first hot account, and every hundredth after it.
const Hot = 7

// Account is the id of the n-th account.
func Account(n int) string { return fmt.Sprintf("past%06d", n) }

// each is how many an ordinary account has of something, and how many a hot one.
func (p Past) each(all int) (ordinary, hot int) {
	ordinary = all / 2 / p.Accounts
	return ordinary, ordinary + all/2/max(1, p.Accounts/100)
}

// days is how long ago it began. Codes and refresh tokens are kept for two days.
const days = 90

// step is one statement of the filling.
type step struct{ what, text string }

var all = []step{
	{"accounts", accounts}, {"agents", agents}, {"credentials", credentials}, {"sessions", sessions}, {"receipts", receipts},
	{"codes", grants}, {"refresh tokens", refreshTokens}, {"record", record}, {"people in the record", people},
}

var living = []step{{"live credentials", liveCredentials}, {"live sessions", liveSessions}}

// steps fill the database, or make the accounts only. $1 is the time of now.
func (p Past) steps(d dialect, accountsOnly bool) (out []step) {
	c, hotC := p.each(p.Credentials)
	e, hotE := p.each(p.Entries)
	which := slices.Concat(all, living)
	if accountsOnly {
		which, e, hotE = all[:1], 0, 0
	}
	const day = int64(24 * time.Hour / time.Microsecond)
	many := func(ordinary, hot int) string {
		return fmt.Sprintf("CASE WHEN a.i %% 100 = %d THEN %d ELSE %d END", Hot, hot, ordinary)
	}
	words := strings.NewReplacer("OFCREDENTIALS", fmt.Sprintf(d.series, many(c, hotC)), "OFENTRIES", fmt.Sprintf(d.series, many(e, hotE)), "ENTRIES", many(e, hotE),
		"LIVING", fmt.Sprint(p.Live), "EACH", fmt.Sprint(max(2, p.Entries/max(1, p.Credentials))), "BEGAN", fmt.Sprintf("($1 - %d)", days*day), "LASTED", fmt.Sprint(days*day), "KEPT", fmt.Sprint(47*day/24))
	for _, s := range which {
		out = append(out, step{s.what, words.Replace(strings.ReplaceAll(s.text, "AT + ", at+" + "))})
	}
	return out
}

// dialect is what the engines differ in.
type dialect struct {
	series  string // m, from 0 to one less than something of a
	indexes string // the text of each index that is not a constraint's
	before  []string
	after   []string
}

var sqlite = dialect{
	series:  `CROSS JOIN past_numbers m WHERE m.i < %s`,
	indexes: `SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND name NOT LIKE 'past%'`,
	after:   []string{`PRAGMA synchronous = FULL`, `PRAGMA journal_mode = WAL`}, // flushes all of it; otherwise the first start would, which is measured
}

var postgres = dialect{
	series: `CROSS JOIN LATERAL generate_series(CAST(0 AS BIGINT), %s - 1) AS m(i) WHERE true`,
	indexes: `SELECT pg_get_indexdef(x.indexrelid) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace s ON s.oid = i.relnamespace
WHERE s.nspname = 'public' AND i.relname NOT LIKE 'past%' AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.oid)`,
	before: []string{
		`CREATE FUNCTION past_id(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT substr(md5($1), 1, 22)'`,
		`CREATE FUNCTION past_hash(text) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$ SELECT sha256(convert_to($1, 'UTF8')) $$`,
	},
	after: []string{`DROP FUNCTION past_id`, `DROP FUNCTION past_hash`, `VACUUM (ANALYZE)`, `CHECKPOINT`},
}

// filling stops at the first error.
type filling struct {
	ctx context.Context //nolint:containedctx // of one call
	db  *sql.DB
	err error
}

func (f *filling) do(text string, args ...any) {
	if f.err != nil {
		return
	}
	if _, err := f.db.ExecContext(f.ctx, text, args...); err != nil {
		f.err = fmt.Errorf("%w in %.200s", err, text)
	}
}

// list reads a column of text.
func (f *filling) list(query string) (out []string) {
	if f.err != nil {
		return nil
	}
	rows, err := f.db.QueryContext(f.ctx, query)
	if err != nil {
		f.err = err
		return nil
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		f.err = errors.Join(f.err, rows.Scan(&text))
		out = append(out, text)
	}
	f.err = errors.Join(f.err, rows.Err())
	return out
}

// name is that of the index which a statement creates.
var name = regexp.MustCompile(`INDEX (\w+)`)

// Fill fills an empty database, or makes the accounts only, and tells said what
// took how long. Indexes are made when the tables are full. PostgreSQL then
// counts what it has, as it does by itself in time; SQLite never does.
func (p Past) Fill(ctx context.Context, db *sql.DB, isPostgres, accountsOnly bool, said func(what string, took time.Duration)) error {
	f, d := &filling{ctx: ctx, db: db}, sqlite
	if isPostgres {
		d = postgres
	}
	_, hot := p.each(p.Entries)
	for _, text := range d.before {
		f.do(text)
	}
	f.do(fmt.Sprintf(`CREATE TABLE past_numbers AS WITH RECURSIVE n(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n`, max(p.Accounts, hot, 1000)))
	f.do(`CREATE UNIQUE INDEX past_number ON past_numbers (i)`)
	f.do(fmt.Sprintf(`CREATE TABLE past_accounts AS SELECT n.i, 'past' || substr(CAST(1000000 + n.i AS TEXT), 2) AS id, past_hash('a' || n.i) AS hash
FROM past_numbers n WHERE n.i < %d ORDER BY n.i`, p.Accounts))
	indexes := f.list(d.indexes)
	for _, text := range indexes {
		f.do(`DROP INDEX ` + name.FindStringSubmatch(text)[1])
	}
	now := time.Now().UnixMicro()
	for _, s := range p.steps(d, accountsOnly) {
		begun := time.Now()
		var args []any
		if strings.Contains(s.text, "$1") {
			args = []any{now}
		}
		f.do(s.text, args...)
		said(s.what, time.Since(begun))
	}
	begun := time.Now()
	for _, text := range slices.Concat(indexes, []string{`DROP TABLE past_accounts`, `DROP TABLE past_numbers`}, d.after) {
		f.do(text)
	}
	said("indexes", time.Since(begun))
	return f.err
}
