package store

import (
	"context"
	"errors"
	"testing"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// cut is a transaction whose connection is lost at its end.
type cut struct{ *pipeline }

func (c cut) commit() error {
	_ = c.conn.Conn().PgConn().Conn().Close()
	return c.pipeline.commit()
}

// through has each transaction wrapped before a verb uses it; n counts those begun,
// and back takes the wrapping away.
func (w *world) through(wrap func(*pipeline) transaction) (n *int, back func()) {
	begin := w.engine.begin
	n = new(int)
	w.engine.begin = func(ctx context.Context) (transaction, error) {
		*n++
		q, err := begin(ctx)
		if err != nil {
			return nil, err
		}
		return wrap(q.(*pipeline)), nil
	}
	return n, func() { w.engine.begin = begin }
}

const twice = `INSERT INTO otp_used (person, step) VALUES ('sam', 1), ('sam', 1)`

// TestWhatGoesAlongFails: an error of a statement that waited is told by the
// next one, or at the end, and means that nothing was stored. What was put runs
// in its order.
func TestWhatGoesAlongFails(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for name, f := range map[string]func(*tx) error{
			"at the end": func(t *tx) error { return t.put(twice) },
			"before a query": func(t *tx) error {
				err := t.put(twice)
				if err == nil {
					_, err = t.exec(`UPDATE agents SET name = ''`)
				}
				if err == nil {
					return errors.New("the query has worked")
				}
				return err
			},
			"after one that worked": func(t *tx) error {
				return errors.Join(t.put(`INSERT INTO otp_used (person, step) VALUES ('sam', 2)`), t.put(twice))
			},
		} {
			commits, _ := w.Counts()
			err := w.verb(t.Context(), f)
			if after, _ := w.Counts(); !duplicate(err) || errors.Is(err, credentials.ErrUnknownResult) || after != commits {
				t.Errorf("%s: %v", name, err)
			}
			if n := w.number(`SELECT count(*) FROM otp_used`); n != 0 {
				t.Errorf("%s: %d rows were stored", name, n)
			}
		}
		if err := w.verb(t.Context(), func(t *tx) error {
			n := 0
			err := errors.Join(t.put(`INSERT INTO otp_used (person, step) VALUES ('sam', 3)`),
				t.soon(`SELECT count(*) FROM otp_used`, func(r row) error { return r.Scan(&n) }),
				t.put(`DELETE FROM otp_used WHERE step = 3`), t.q.settle())
			if err == nil && n != 1 {
				err = errors.New("the count did not come after the insertion")
			}
			return err
		}); err != nil {
			t.Error(err)
		}
		w.sound()
	})
}

// TestLostAtTheEnd: whether it was stored is not known then, and it is not tried
// again. A database that ends the connection itself says so before.
func TestLostAtTheEnd(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	tries, back := w.through(func(q *pipeline) transaction { return cut{q} })
	insert := func(t *tx) error { return t.put(`INSERT INTO otp_used (person, step) VALUES ('sam', 1)`) }
	if err := w.verb(t.Context(), insert); !errors.Is(err, credentials.ErrUnknownResult) || *tries != 1 {
		t.Errorf("%d tries: %v", *tries, err)
	}
	back()
	other := w.beside(nil)
	w.probe = func(statement string) error {
		if statement == "COMMIT" {
			other.number(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'`)
		}
		return nil
	}
	err := w.verb(t.Context(), func(t *tx) error {
		if _, err := t.exec(`UPDATE agents SET name = ''`); err != nil {
			return err
		}
		return insert(t)
	})
	w.probe = nil
	if err == nil || w.number(`SELECT count(*) FROM otp_used`) != 0 {
		t.Errorf("ended by the database: %v", err)
	}
	if err := w.verb(t.Context(), insert); err != nil || w.number(`SELECT count(*) FROM otp_used`) != 1 {
		t.Errorf("afterwards: %v", err)
	}
}

// TestFileRow: what does not fit is an error, not a zero.
func TestFileRow(t *testing.T) {
	t.Parallel()
	var text string
	var n int64
	var short int
	var small int8
	var yes bool
	var kind credentials.Kind
	var raw []byte
	good := fileRow{"a", int64(1), int64(2), int64(3), int64(1), "pin", []byte("b")}
	if err := good.Scan(&text, &n, &short, &small, &yes, &kind, &raw); err != nil || text != "a" || n != 1 || short != 2 || small != 3 ||
		!yes || kind != credentials.PIN || string(raw) != "b" {
		t.Errorf("%v %v %v %v %v %v %s, %v", text, n, short, small, yes, kind, raw, err)
	}
	if err := (fileRow{nil}).Scan(&raw); err != nil || raw != nil {
		t.Errorf("NULL as bytes: %v, %v", raw, err)
	}
	for name, bad := range map[string]struct {
		row  fileRow
		into any
	}{
		"NULL as text": {fileRow{nil}, &text}, "NULL as a number": {fileRow{nil}, &n}, "NULL as a kind": {fileRow{nil}, &kind},
		"text as a number": {fileRow{"1"}, &n}, "a number as text": {fileRow{int64(1)}, &text}, "a number that is too large": {fileRow{int64(300)}, &small},
		"a number that is no yes or no": {fileRow{int64(2)}, &yes}, "a number as bytes": {fileRow{int64(1)}, &raw}, "bytes as a kind": {fileRow{[]byte("pin")}, &kind},
		"two columns": {fileRow{int64(1), int64(2)}, &n},
	} {
		if err := bad.row.Scan(bad.into); err == nil {
			t.Errorf("%s fits", name)
		}
	}
}
