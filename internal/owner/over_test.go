package owner

import (
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestWhatAppsMakeOfAnEnd: the owner reads by when an app refuses, then how soon
// it did by its own word, and after a while nothing of it but the record.
func TestWhatAppsMakeOfAnEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		m, s := w.open()
		w.token(s, "r")
		w.must(w.store.Revoke(t.Context(), acme.ID, m.ID, credentials.Mark{Who: "client", ID: "settings"}))
		b := w.signIn("olivia")
		if !b.Page.Says("Northwind Docs has not confirmed yet; it refuses by") {
			t.Errorf("before the app has said so: %s", b.Page.Text())
		}
		found, err := w.store.Receipts(t.Context(), acme.ID, []string{s.ID})
		w.must(err)
		r := found[s.ID][0]
		r.AppliedAt, r.Instances = r.EndedAt.Add(12*time.Millisecond), 1
		w.must(w.store.Apply(t.Context(), r))
		w.must(w.store.Apply(t.Context(), r)) // another node may do so too
		b = w.signIn("olivia")
		if !b.Page.Says("Northwind Docs refused after 12 ms") || b.Page.Says("has not confirmed") {
			t.Errorf("after it has said so: %s", b.Page.Text())
		}
		said := told(t, b)
		if last := said[len(said)-1]; last != "Northwind Docs refused the access of Dana Reed after 12 ms" || said[len(said)-2] == last {
			t.Errorf("the record ends with %q", said[len(said)-2:])
		}
		w.clock.Add(overFor + time.Second)
		if b = w.signIn("olivia"); b.Page.Says("refused after") {
			t.Errorf("after a while: %s", b.Page.Text())
		}
	})
}
