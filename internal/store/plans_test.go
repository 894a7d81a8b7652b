package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// few are the tables that hold no more than an installation has of something:
// keys, nodes, apps, hours. They may be read whole. Every other one grows with
// what has happened.
var few = []string{"installation", "endings_counter", "signing_keys", "ssf_streams", "instances", "nodes", "wrong_hours"}

// whole are the statements that may read a table whole, because an operator asked
// for all of it and waits: by file, or by name.
var whole = []string{"recover.go", "erase.go", "erase_person.go", "listAgents"}

// vague are the columns by which alone no statement may look: what lives is found
// by them, whomever it belongs to. (Of tries, only what is in flight is reserved.)
var vague = []string{"sessions.ended_at", "credentials.state", "receipts.state"}

// TestPlans: of no statement that a request or a job sends is a table read whole
// that grows, or all of it that lives, on either engine. PostgreSQL is not let read
// a table whole where it has any index; what it then still reads whole has none.
func TestPlans(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		known, err := statements()
		if err != nil {
			t.Fatal(err)
		}
		if len(known) < 100 {
			t.Fatalf("only %d statements were found in the source", len(known))
		}
		explained := 0
		explain := w.explainer()
		for _, text := range slices.Sorted(maps.Keys(w.assembled(known))) {
			s := known[text]
			if s.file == "listen.go" || s.file == "survey.go" || s.name == "databaseClock" {
				continue // PostgreSQL's own functions
			}
			if slices.Contains([]string{"selectSessions", "saveForeseen", "saveProven", "insertLast", "replaceRefresh"}, s.name) && strings.HasPrefix(w.dsn, "sqlite:") {
				continue // sent to PostgreSQL only
			}
			read, plan := explain(text)
			explained++
			if len(read) > 0 && !slices.Contains(whole, s.file) && !slices.Contains(whole, s.name) {
				t.Errorf("%s, %s: %v is read whole:\n%s\n%s", s.file, s.name, read, text, plan)
			}
		}
		if explained < 100 {
			t.Errorf("only %d plans were looked at", explained)
		}
	})
}

// TestConnectionsKeepToTheIndexes: unless the DSN says otherwise, or a pooler is
// before the database.
func TestConnectionsKeepToTheIndexes(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t)
	const generic = "force_generic_plan"
	for _, c := range []struct{ dsn, seqscan, jit, plans string }{
		{dsn, "off", "off", generic}, {dsn + "&enable_seqscan=on", "on", "off", generic}, {dsn + "&jit=on", "off", "on", generic},
		{dsn + "&plan_cache_mode=auto", "off", "off", "auto"},
	} {
		e, err := openEngine(t.Context(), c.dsn, false, false)
		if err != nil {
			t.Fatal(err)
		}
		var seqscan, jit, plans string
		err = e.look(t.Context(), false, `SELECT current_setting('enable_seqscan'), current_setting('jit'), current_setting('plan_cache_mode')`, nil,
			func(r row) error { return r.Scan(&seqscan, &jit, &plans) })
		if e.close(); err != nil || seqscan != c.seqscan || jit != c.jit || plans != c.plans {
			t.Errorf("%q %q %q %v, want %+v", seqscan, jit, plans, err, c)
		}
	}
}

// assembled is what is known with the statements that code puts together, which
// are caught as the verbs send them.
func (w *world) assembled(known map[string]statement) map[string]statement {
	w.t.Helper()
	var mu sync.Mutex
	out := maps.Clone(known)
	s := w.scene()
	s.probe = func(text string) error {
		mu.Lock()
		defer mu.Unlock()
		if isStatement.MatchString(text) {
			out[text] = known[text]
		}
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.verbs())) {
		if name != "erase" {
			_ = s.verbs()[name](context.Background()) // some have nothing left to do
		}
	}
	s.probe = nil
	return out
}

// explainer explains statements without their values, as a database plans one
// that it will run with any.
func (w *world) explainer() func(text string) (read []string, plan string) {
	w.t.Helper()
	if strings.HasPrefix(w.dsn, "sqlite:") {
		return w.explainSQLite
	}
	c, err := pgx.Connect(w.t.Context(), w.dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close(context.WithoutCancel(w.t.Context())) })
	w.send(c, `SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan`)
	indexes := map[string][]string{}
	for _, index := range strings.Split(string(w.send(c, indexed)[0]), ",") {
		columns := strings.Fields(index)
		indexes[columns[0]] = columns[1:]
	}
	return func(text string) ([]string, string) {
		step, plan := w.explainPostgres(c, text)
		return step.whole(indexes), plan
	}
}

func (w *world) send(c *pgx.Conn, text string) [][]byte {
	w.t.Helper()
	results, err := c.PgConn().Exec(w.t.Context(), text).ReadAll()
	if err != nil {
		w.t.Fatalf("%v in %s", err, text)
	}
	if last := results[len(results)-1]; len(last.Rows) > 0 {
		return last.Rows[0]
	}
	return nil
}

// scanned matches a step by its table, the index and the conditions on it.
var (
	scanned = regexp.MustCompile(`(?m)^(?:SCAN (\w+)|SEARCH (\w+) USING (?:COVERING )?INDEX \w+ \(([^)]*)\))`)
	column  = regexp.MustCompile(`(\w+)[=<>]`)
)

// precise reports whether a look into an index knows more than that something
// lives.
func precise(table string, columns []string) bool {
	return slices.ContainsFunc(columns, func(c string) bool { return !slices.Contains(vague, table+"."+c) })
}

// explainSQLite returns the tables that a statement reads whole.
func (w *world) explainSQLite(text string) (read []string, plan string) {
	w.t.Helper()
	plan = w.plan(text, make([]any, placesOf(text))...) // without statistics, as it runs
	for _, found := range scanned.FindAllStringSubmatch(plan, -1) {
		var columns []string
		for _, c := range column.FindAllStringSubmatch(found[3], -1) {
			columns = append(columns, c[1])
		}
		table := found[1] + found[2]
		if of := regexp.MustCompile(`(?:FROM|JOIN|,) (\w+) (?:AS )?` + table + `\b`).FindStringSubmatch(text); of != nil {
			table = of[1]
		}
		if !precise(table, columns) && slices.Contains(w.tables(), table) && !slices.Contains(few, table) {
			read = append(read, table)
		}
	}
	return read, plan
}

// tables are the names of all of them.
func (w *world) tables() (out []string) {
	w.t.Helper()
	rows, err := w.engine.read.QueryContext(w.t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table'`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, name)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// planStep is a step of PostgreSQL's plan.
type planStep struct {
	Type     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Index    string `json:"Index Name"`
	Cond     string `json:"Index Cond"`
	Plans    []planStep
}

// indexed names the table of each index and its columns, in their order; CASE is
// that of an expression.
const indexed = `SELECT string_agg(i.relname || ' ' || t.relname || ' ' || coalesce((SELECT string_agg(a.attname, ' ' ORDER BY k.place)
FROM unnest(x.indkey) WITH ORDINALITY k(attnum, place) JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum), 'CASE'), ',')
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid WHERE i.relnamespace = 'public'::regnamespace`

// whole returns the tables that a step and those below it read whole: by
// themselves, or by an index of whose first column they know nothing; or all of
// them that lives.
func (n planStep) whole(indexes map[string][]string) (read []string) {
	byIndex := strings.Contains(n.Type, "Index")
	if byIndex {
		var known []string
		table, columns := indexes[n.Index][0], indexes[n.Index][1:]
		for _, c := range columns {
			if !regexp.MustCompile(`\b` + c + `\b`).MatchString(n.Cond) {
				break
			}
			known = append(known, c)
		}
		byIndex = !precise(table, known)
	}
	if n.Type == "Seq Scan" || byIndex {
		read = append(read, cmp.Or(n.Relation, n.Index))
	}
	for _, below := range n.Plans {
		read = append(read, below.whole(indexes)...)
	}
	return slices.DeleteFunc(read, func(table string) bool { return slices.Contains(few, table) })
}

var place = regexp.MustCompile(`\$\d+`)

// placesOf counts the placeholders of a statement.
func placesOf(text string) int {
	return len(slices.Compact(slices.Sorted(slices.Values(place.FindAllString(text, -1)))))
}

func (w *world) explainPostgres(c *pgx.Conn, text string) (step planStep, plan string) {
	w.t.Helper()
	values := ""
	if n := placesOf(text); n > 0 {
		values = "(NULL" + strings.Repeat(", NULL", n-1) + ")"
	}
	w.send(c, fmt.Sprintf("PREPARE planned AS %s", text))
	row := w.send(c, "EXPLAIN (FORMAT JSON, COSTS OFF) EXECUTE planned"+values)
	w.send(c, "DEALLOCATE planned")
	var out []struct{ Plan planStep }
	if err := json.Unmarshal(row[0], &out); err != nil {
		w.t.Fatal(err)
	}
	return out[0].Plan, string(row[0])
}
