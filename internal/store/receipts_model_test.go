package store

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/valetkey/valetkey/credentials"
)

// modelled is what receipts are to say, worked out anew from what happened.
type modelled struct {
	w         *world
	audience  string
	epoch     string
	sessions  []credentials.Session
	ended     map[int]int64 // a session's number in the log
	applied   map[int]credentials.Receipt
	instances map[string]*Instance
	seen      map[string]time.Time // of an instance
	vouched   map[string]time.Time // of a node
}

// believed is until when an instance may let somebody in without a new word.
func (m *modelled) believed(i *Instance) time.Time {
	seen := m.seen[i.Name]
	if !i.Connected {
		return seen.Add(i.Staleness)
	}
	if v := m.vouched[i.Node]; v.After(seen) {
		seen = v
	}
	return seen.Add(grace + i.Staleness)
}

// complete says which receipts are whole now.
func (m *modelled) complete() {
	now := m.w.clock.now()
	for s, n := range m.ended {
		if _, done := m.applied[s]; done {
			continue
		}
		all := true
		r := credentials.Receipt{AppliedAt: m.sessions[s].EndedAt}
		later := func(at time.Time) {
			if at.After(r.AppliedAt) {
				r.AppliedAt = at
			}
		}
		for _, i := range m.instances {
			switch until := m.believed(i); {
			case until.After(now):
				r.Instances++
				all = all && i.Cursor.N >= n
				later(i.AckedAt)
			case i.Cursor.N < n:
				later(until)
			}
		}
		if all && r.Instances > 0 {
			m.applied[s] = r
		}
	}
}

func (m *modelled) check(t *rapid.T) {
	for i, s := range m.sessions {
		got, err := m.w.Receipts(m.w.t.Context(), s.Account.ID, []string{s.ID})
		if _, ended := m.ended[i]; err != nil || len(got[s.ID]) != int(flag(ended)) {
			t.Fatalf("session %d: %+v, %v", i, got, err)
		} else if !ended {
			continue
		}
		r, want := got[s.ID][0], m.applied[i]
		if !r.AppliedAt.Equal(want.AppliedAt) || r.Instances != want.Instances {
			t.Fatalf("session %d applied at %v by %d, want %v by %d; it ended at %v", i, r.AppliedAt, r.Instances, want.AppliedAt, want.Instances, s.EndedAt)
		}
	}
}

// TestReceiptsOfAnyOrder: whatever comes, goes, dies and acknowledges in whatever
// order, each receipt is written once, when all that could let in have said that
// they refuse or cannot any more, and says when the last of them did.
func TestReceiptsOfAnyOrder(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.follow()
		round := 0
		rapid.Check(t, func(t *rapid.T) {
			round++
			m := &modelled{w: w, audience: fmt.Sprint("audience", round), ended: map[int]int64{}, applied: map[int]credentials.Receipt{},
				instances: map[string]*Instance{}, seen: map[string]time.Time{}, vouched: map[string]time.Time{}}
			m.sessions = w.guests(2)
			for _, s := range m.sessions {
				g := grant(s)
				g.Audience = m.audience
				if _, err := w.Issue(w.t.Context(), g); err != nil {
					t.Fatal(err)
				}
			}
			t.Repeat(map[string]func(*rapid.T){
				"ends": m.ends, "comes": func(t *rapid.T) { m.comes(t, true) }, "goes": func(t *rapid.T) { m.comes(t, false) },
				"acknowledges": m.acknowledges, "acknowledges again": m.acknowledges, "vouches": m.vouches,
				"time passes": func(t *rapid.T) {
					w.clock.add(time.Duration(rapid.IntRange(1, 12_000).Draw(t, "ms")) * time.Millisecond)
				},
				"": func(t *rapid.T) {
					if more, err := w.CompleteReceipts(w.t.Context(), m.audience, m.epoch); err != nil || more {
						t.Fatal(more, err)
					}
					m.complete()
					m.check(t)
				},
			})
		})
		w.sound()
	})
}

func (m *modelled) ends(t *rapid.T) {
	i := rapid.IntRange(0, len(m.sessions)-1).Draw(t, "session")
	if m.ended[i] != 0 {
		return
	}
	m.sessions[i] = m.w.end(m.sessions[i])
	at, _, err := m.w.Endings(m.w.t.Context(), 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	m.epoch, m.ended[i] = at.Epoch, at.N
}

func (m *modelled) pick(t *rapid.T) *Instance {
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "instance")
	if m.instances[name] == nil {
		return &Instance{Client: m.audience, Name: name, Audience: m.audience}
	}
	return m.instances[name]
}

func (m *modelled) comes(t *rapid.T, connected bool) {
	i, node := m.pick(t), m.audience+rapid.SampledFrom([]string{"1", "2"}).Draw(t, "node")
	staleness := time.Duration(rapid.IntRange(0, 10).Draw(t, "staleness")) * time.Second
	says := Instance{Client: i.Client, Name: i.Name, Audience: i.Audience, Node: node, Connected: connected, Staleness: staleness}
	if err := m.w.Present(m.w.t.Context(), []Instance{says}); err != nil {
		t.Fatal(err)
	}
	_, known := m.instances[i.Name]
	if connected || !known {
		i.Staleness, i.Node, i.Connected = staleness, node, connected
	} else if i.Node == node {
		i.Connected = false
	}
	m.instances[i.Name], m.seen[i.Name] = i, m.w.clock.now()
}

// acknowledges says it of an instance, at any node, up to any place.
func (m *modelled) acknowledges(t *rapid.T) {
	i := m.pick(t)
	n := rapid.Int64Range(0, max(m.ended[0], m.ended[1])).Draw(t, "up to")
	if m.instances[i.Name] == nil || m.epoch == "" { // a node lets nobody acknowledge who has not come
		return
	}
	says := *i
	says.Cursor, says.AckedAt = credentials.Cursor{Epoch: m.epoch, N: n}, m.w.clock.now()
	if err := m.w.Acked(m.w.t.Context(), []Instance{says}); err != nil {
		t.Fatal(err)
	}
	if i.Cursor.Epoch == "" || n > i.Cursor.N {
		i.Cursor, i.AckedAt = says.Cursor, says.AckedAt
	}
}

func (m *modelled) vouches(t *rapid.T) {
	node := m.audience + rapid.SampledFrom([]string{"1", "2"}).Draw(t, "node")
	if _, err := m.w.Vouch(m.w.t.Context(), node); err != nil {
		t.Fatal(err)
	}
	m.vouched[node] = m.w.clock.now()
}
