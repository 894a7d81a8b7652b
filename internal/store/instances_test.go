package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// TestADeadNodesInstancesRunOut: a node's word is good for a while, and theirs
// until their freshness is over.
func TestADeadNodesInstancesRunOut(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.follow()
		s := w.visit(1)
		start, _ := w.told(0, 9)
		dead, moved := here("dead", start), here("moved", start)
		dead.Node, moved.Node = "dead", "dead"
		w.present(here("a", start), dead, moved)
		for range 5 { // while the other one is vouched for, it lives
			w.clock.add(grace + 9*time.Second)
			for _, node := range []string{"node", "dead"} {
				if n, err := w.Vouch(t.Context(), node); err != nil || n != map[string]int64{"node": 1, "dead": 2}[node] {
					t.Errorf("%s has %d, %v", node, n, err)
				}
			}
		}
		w.end(s)
		at, _ := w.told(0, 9)
		w.present(here("a", at), here("moved", at)) // came over here
		left := moved
		left.Connected = false
		if err := w.Present(t.Context(), []Instance{left}); err != nil { // what the other node says of it comes late
			t.Fatal(err)
		}
		if n, err := w.Vouch(t.Context(), "node"); err != nil || n != 2 {
			t.Errorf("%d are here, %v", n, err)
		}
		w.clock.add(grace + 10*time.Second - time.Microsecond)
		if w.complete(); !w.receipt(s).AppliedAt.IsZero() {
			t.Error("the dead node's instance may still let in")
		}
		w.clock.add(time.Microsecond)
		if _, err := w.Vouch(t.Context(), "node"); err != nil {
			t.Fatal(err)
		}
		w.complete()
		if r := w.receipt(s); r.After() != grace+10*time.Second || r.Instances != 2 {
			t.Errorf("applied after %v by %d", r.After(), r.Instances)
		}
		w.sound()
	})
}

// TestAcknowledgementsGoForward: repeated, late and early ones change nothing.
func TestAcknowledgementsGoForward(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		state := func() string {
			var out string
			err := w.query(t.Context(), `SELECT audience, node, connected, epoch, n, acked_at FROM instances`, nil, func(r row) error {
				var audience, node, epoch string
				var connected, n, at int64
				err := r.Scan(&audience, &node, &connected, &epoch, &n, &at)
				out += fmt.Sprint(audience, " ", node, " ", connected, " ", epoch, " ", n, " ", at)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		ack := func(epoch string, n, at int64) func() error {
			i := Instance{Client: "c", Name: "i", Audience: "x", Node: "other", Cursor: credentials.Cursor{Epoch: epoch, N: n}, AckedAt: fromMicros(at)}
			return func() error { return w.Acked(t.Context(), []Instance{i}) }
		}
		come := func(node string, connected bool) func() error {
			i := Instance{Client: "c", Name: "i", Audience: "y", Node: node, Connected: connected}
			return func() error { return w.Present(t.Context(), []Instance{i}) }
		}
		for i, step := range []struct {
			do   func() error
			want string
		}{
			{ack("e", 5, 50), "x other 0 e 5 50"}, {come("one", true), "y one 1 e 5 50"}, {ack("e", 5, 60), "y one 1 e 5 50"},
			{ack("e", 3, 70), "y one 1 e 5 50"}, {ack("e", 6, 40), "y one 1 e 6 40"}, {come("two", false), "y one 1 e 6 40"},
			{come("two", true), "y two 1 e 6 40"}, {come("one", false), "y two 1 e 6 40"}, {come("two", false), "y two 0 e 6 40"},
			{ack("f", 1, 90), "y two 0 f 1 90"},
		} {
			for range 2 {
				if err := step.do(); err != nil || state() != step.want {
					t.Errorf("step %d: %s, want %s, %v", i, state(), step.want, err)
				}
			}
		}
	})
}

// TestAnotherEpochsPlaceIsNone: however far it is.
func TestAnotherEpochsPlaceIsNone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.follow()
		s := w.visit(1)
		w.end(s)
		at, _ := w.told(0, 9)
		w.present(here("a", at), here("b", credentials.Cursor{Epoch: "another", N: 100}))
		if w.complete(); !w.receipt(s).AppliedAt.IsZero() {
			t.Error("acknowledged by a place in another epoch")
		}
		w.present(here("b", at))
		if w.complete(); w.receipt(s).AppliedAt.IsZero() {
			t.Error("not acknowledged")
		}
		w.sound()
	})
}

// TestWhoIsLongGoneIsForgotten: and who is vouched for is not, however long it stays.
func TestWhoIsLongGoneIsForgotten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		dead, lazy := here("dead", credentials.Cursor{}), here("lazy", credentials.Cursor{})
		dead.Node, lazy.Node, lazy.Connected, lazy.Staleness = "dead", "dead", false, 48*time.Hour
		w.present(here("a", credentials.Cursor{}), dead, lazy)
		for _, node := range []string{"node", "dead"} {
			if _, err := w.Vouch(t.Context(), node); err != nil {
				t.Fatal(err)
			}
		}
		w.clock.add(keepInstances + time.Minute)
		if _, err := w.Vouch(t.Context(), "node"); err != nil {
			t.Fatal(err)
		}
		if err := w.prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := w.number(`SELECT count(*) FROM instances WHERE instance IN ('a', 'lazy')`); n != 2 || w.number(`SELECT count(*) FROM instances`) != 2 || w.number(`SELECT count(*) FROM nodes`) != 1 {
			t.Errorf("%d of two are left, of %d", n, w.number(`SELECT count(*) FROM instances`))
		}
	})
}
