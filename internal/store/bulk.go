package store

import (
	"fmt"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// Many sessions can end in one transaction: all of a login that a whole team
// used, all of an agent. That must not fail for being many, so it is done by
// as few statements as there can be, and may take longer than another verb.
const (
	rowsAtOnce = 200
	manyLimit  = 6 // times Store.limit
)

// insert writes rows, many by one statement. into names the table and columns.
func (t *tx) insert(into string, rows [][]any) error {
	for len(rows) > 0 {
		chunk := rows[:min(rowsAtOnce, len(rows))]
		rows = rows[len(chunk):]
		args := make([]any, 0, len(chunk)*len(chunk[0]))
		values := make([]string, 0, len(chunk))
		for _, row := range chunk {
			values = append(values, "("+places(len(args)+1, len(row))+")")
			args = append(args, row...)
		}
		if err := t.once("INSERT INTO "+into+" VALUES "+strings.Join(values, ", "), args); err != nil {
			return err
		}
	}
	return nil
}

// once runs a statement whose text depends on how much it does.
func (t *tx) once(query string, args []any) error {
	if err := t.s.probed(query); err != nil {
		return fmt.Errorf("%w in %.60q", err, query)
	}
	return t.q.once(query, args)
}

// places writes n placeholders, the first with this number.
func places(first, n int) string {
	out := make([]string, 0, n)
	for i := range n {
		out = append(out, fmt.Sprintf("$%d", first+i))
	}
	return strings.Join(out, ", ")
}

// endAll ends every live session that a query finds.
func (t *tx) endAll(query string, cause credentials.Cause, by credentials.Mark, args ...any) error {
	var live []credentials.Session
	if err := t.each(query, gather(&live), args...); err != nil {
		return err
	}
	return t.endEach(live, cause, by)
}

// endEach ends live sessions of held accounts.
func (t *tx) endEach(live []credentials.Session, cause credentials.Cause, by credentials.Mark) error {
	if err := t.markEnded(live, cause); err != nil {
		return err
	}
	var entries, people [][]any
	for _, s := range live {
		s.EndedAt, s.Cause = t.now, cause
		entry, about, err := t.chain(s.Account.ID, credentials.DraftEnded(s, by))
		if err != nil {
			return err
		}
		entries, people = append(entries, entry), append(people, about...)
		t.ended = append(t.ended, s)
	}
	if err := t.insert(intoRecord, entries); err != nil {
		return err
	}
	return t.insert(intoPeople, people)
}

func (t *tx) markEnded(live []credentials.Session, cause credentials.Cause) error {
	for len(live) > 0 {
		chunk := live[:min(rowsAtOnce, len(live))]
		live = live[len(chunk):]
		args := []any{micros(t.now), string(cause)}
		for _, s := range chunk {
			args = append(args, s.ID)
		}
		query := `UPDATE sessions SET ended_at = $1, cause = $2, due_at = $1 WHERE ended_at = 0 AND sid IN (` + places(3, len(chunk)) + `)`
		if err := t.once(query, args); err != nil {
			return err
		}
	}
	return nil
}

// many is the limit of a verb that may end many sessions.
func (s *Store) many() time.Duration { return manyLimit * s.limit }
