package store

import (
	"slices"
	"testing"

	"github.com/valetkey/valetkey/credentials"
)

// told reads the whole log of endings as a node does, page by page.
func (w *world) told(n int64, limit int) (at credentials.Cursor, out []credentials.Ending) {
	w.t.Helper()
	for {
		next, page, err := w.Endings(w.t.Context(), n, limit)
		if err != nil {
			w.t.Fatal(err)
		}
		if at, out = next, append(out, page...); len(page) < limit {
			return at, out
		}
		n = at.N
	}
}

// TestAChangedAudienceKeepsNoSessionFromEnding: while a session lived the
// operator gave its app another audience, and two apps the same.
func TestAChangedAudienceKeepsNoSessionFromEnding(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "123456")
		for _, held := range [][2]string{{"docs", "old"}, {"wiki", "new"}, {"docs", "new"}, {"docs", "old"}, {"docs", "newest"}} {
			g := grant(s)
			g.Client, g.Audience = held[0], held[1]
			if _, err := w.Issue(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			w.clock.add(1e6)
		}
		if err := w.Revoke(t.Context(), "acme", "", byOwner); err != nil {
			t.Fatal(err)
		}
		_, told := w.told(0, 10)
		if slices.Sort(told[0].Audiences); !slices.Equal(told[0].Audiences, []string{"new", "newest", "old"}) {
			t.Errorf("told to %v", told[0].Audiences)
		}
		got, err := w.Receipts(t.Context(), "acme", []string{s.ID})
		if err != nil || len(got[s.ID]) != 2 || got[s.ID][0].Audience != "newest" || got[s.ID][1].Audience != "new" {
			t.Errorf("receipts %+v, %v", got, err)
		}
		w.sound()
	})
}
