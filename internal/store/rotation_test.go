package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
)

// node is one of several that serve the same installation.
type node struct {
	*Store
	ring    *keys.Ring
	job     *Rotation
	changed atomic.Int64
}

// node opens the database once more, as another process does.
func (w *world) node(every time.Duration, algs ...string) *node {
	w.t.Helper()
	s, err := Open(w.t.Context(), Options{DSN: w.dsn, Secrets: w.secrets, Now: w.clock.now})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	s.limit = w.limit
	s.clockBad.Store(false) // the test's clock stands still, and the database's does not
	n := &node{Store: s}
	if n.ring, err = s.Ring(w.t.Context(), algs); err != nil {
		w.t.Fatal(err)
	}
	n.job = &Rotation{Store: s, Ring: n.ring, Every: every, IDAlgs: algs, OnChange: func() { n.changed.Add(1) }}
	return n
}

func (n *node) look(t testing.TB) {
	t.Helper()
	if err := n.job.once(t.Context()); err != nil {
		t.Error(err)
	}
}

const tokenLife = 5 * time.Minute

func (n *node) sign(purpose keys.Purpose, now time.Time) (string, error) {
	return n.ring.Sign(purpose, "ES256", keys.TypAccess, fmt.Appendf(nil, `{"exp":%d}`, now.Add(tokenLife).UnixMicro()))
}

// app verifies offline, with a JWKS that it keeps as long as it may and not a
// moment less: it does not even fetch for a key id that it does not know.
type app struct {
	from    *node
	fetched time.Time
	set     jose.JSONWebKeySet
}

func (a *app) verify(raw string, now time.Time) error {
	if now.Sub(a.fetched) >= keys.MaxAge {
		text, err := json.Marshal(a.from.ring.Public())
		if err == nil {
			a.set, a.fetched = jose.JSONWebKeySet{}, now
			err = json.Unmarshal(text, &a.set)
		}
		if err != nil {
			return err
		}
	}
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return err
	}
	found := a.set.Key(signed.Signatures[0].Header.KeyID)
	if len(found) != 1 {
		return errors.New("the JWKS does not have the key")
	}
	_, err = signed.Verify(found[0].Key)
	return err
}

// TestRotationLosesNoVerification: two nodes, one of which looks late, and apps
// with a JWKS as old as may be; every token verifies everywhere while it lives.
func TestRotationLosesNoVerification(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const every = time.Hour
		nodes := []*node{w.node(every, "ES256"), w.node(every, "ES256")}
		apps := []*app{{from: nodes[0]}, {from: nodes[1]}, {from: nodes[0]}, {from: nodes[1]}}
		const minutes = 32 * 60 // longer than a key is kept after it has signed
		var live []string
		seen := map[string]bool{}
		for minute := range minutes {
			now := w.clock.now()
			nodes[0].look(t)
			if minute%4 == 3 { // up to three minutes behind
				nodes[1].look(t)
			}
			for i, n := range nodes {
				raw, err := n.sign([]keys.Purpose{keys.ForAccess, keys.ForID}[(minute+i)%2], now)
				if err != nil {
					t.Fatal(err)
				}
				live = append(live, raw)
			}
			if dead := len(live) - 2*int(tokenLife/time.Minute); dead > 0 {
				live = live[dead:]
			}
			for _, k := range nodes[0].ring.Public().Keys {
				seen[k.KeyID] = true
			}
			for i, a := range apps {
				if (minute+i)%3 == 0 {
					continue // not every app is asked every minute: their copies are of different ages
				}
				for _, raw := range []string{live[0], live[len(live)-1-minute%2]} { // the oldest, and a new one of either node
					if err := a.verify(raw, now); err != nil {
						t.Fatalf("minute %d, app %d: %v", minute, i, err)
					}
				}
			}
			w.clock.add(time.Minute)
		}
		if len(seen) < 60 { // an hour each, for two purposes
			t.Errorf("only %d keys were ever published", len(seen))
		}
		steps := 0
		for _, e := range w.record(itself) {
			if e.Kind == credentials.RecordKeys {
				steps++
			}
		}
		if steps < 25 || steps > 32 {
			t.Errorf("%d rotations in the record in 32 hours of one an hour", steps)
		}
		w.sound()
	})
}

// TestRotationUnderLoad: both nodes look at the same moment, again and again,
// while tokens are signed at one and verified at the other.
func TestRotationUnderLoad(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const every = time.Hour
		nodes := []*node{w.node(every, "ES256"), w.node(every, "ES256")}
		stop := make(chan struct{})
		var workers sync.WaitGroup
		var verified atomic.Int64
		for i := range 4 {
			workers.Go(func() {
				a := &app{from: nodes[i/2]}
				for {
					select {
					case <-stop:
						return
					default:
					}
					now := w.clock.now()
					raw, err := nodes[i%2].sign(keys.ForAccess, now)
					if err == nil {
						_, err = nodes[1-i%2].ring.Verify(raw, keys.ForAccess, keys.TypAccess)
					}
					if err == nil {
						err = a.verify(raw, now)
					}
					if err != nil && w.clock.now().Sub(now) < keys.MaxAge { // else this worker slept through it
						t.Error(err)
					}
					verified.Add(1)
				}
			})
		}
		for range 24 * 12 { // a day, by five minutes
			parallel(len(nodes), func(i int) { nodes[i].look(t) })
			w.clock.add(5 * time.Minute)
		}
		close(stop)
		workers.Wait()
		if verified.Load() < 100 {
			t.Errorf("only %d tokens", verified.Load())
		}
		if n := w.number(`SELECT count(*) FROM signing_keys WHERE state = 'active'`); n != 2 {
			t.Errorf("%d keys sign", n)
		}
		// Each step was done by one node: none was skipped, none done twice.
		if n := w.number(`SELECT max(generation) FROM signing_keys WHERE purpose = 'access'`); n < 20 || n > 26 {
			t.Errorf("%d keys in a day of one an hour", n)
		}
		for _, n := range nodes {
			n.look(t)
			if !slices.Equal(published(n.ring), published(nodes[0].ring)) {
				t.Error("the nodes publish other keys")
			}
		}
		w.sound()
	})
}

// TestKeysFromBeforeSign: the first look makes only what is to follow.
func TestKeysFromBeforeSign(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(time.Hour, "ES256")
		if _, err := w.engine.write.ExecContext(t.Context(), `UPDATE signing_keys SET since = made_at, due = 0, state = 'active'`); err != nil {
			t.Fatal(err)
		}
		before := published(n.ring)
		raw, err := n.sign(keys.ForAccess, w.clock.now())
		if err != nil {
			t.Fatal(err)
		}
		n.look(t)
		if got := published(n.ring); len(got) != 4 || !contains(got, before) || n.changed.Load() != 1 {
			t.Errorf("%d keys are published after the first look, told %d times", len(got), n.changed.Load())
		}
		again, _ := n.sign(keys.ForAccess, w.clock.now())
		if header(raw) != header(again) {
			t.Error("another key signs")
		}
		// It is told again some looks later, and then no more.
		for range 2 * tellAgain {
			n.look(t)
		}
		if got := n.changed.Load(); got != 2 {
			t.Errorf("a change was told %d times", got)
		}
	})
}

func contains(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

func header(raw string) string { return strings.SplitN(raw, ".", 2)[0] }

// TestRotateByCommand: what the command decides, running nodes do.
func TestRotateByCommand(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, b := w.node(30*24*time.Hour, "ES256"), w.node(30*24*time.Hour, "ES256")
		a.look(t)
		b.look(t)
		first, _ := a.sign(keys.ForAccess, w.clock.now())
		operator := credentials.Mark{Who: "operator"}
		if err := w.RotateKeys(t.Context(), time.Hour, operator); err != nil {
			t.Fatal(err)
		}
		a.look(t)
		if now, _ := a.sign(keys.ForAccess, w.clock.now()); header(now) != header(first) {
			t.Fatal("a key signs that was published a moment ago")
		}
		w.clock.add(keys.Ahead)
		b.look(t)
		a.look(t)
		second, _ := a.sign(keys.ForAccess, w.clock.now())
		if header(second) == header(first) {
			t.Fatal("the key that was asked for does not sign")
		}
		if _, err := b.ring.Verify(first, keys.ForAccess, keys.TypAccess); err != nil {
			t.Errorf("a token from before the rotation: %v", err)
		}
		w.clock.add(25 * time.Hour)
		a.look(t)
		if _, err := a.ring.Verify(first, keys.ForAccess, keys.TypAccess); !errors.Is(err, keys.ErrToken) {
			t.Errorf("a token of a key that is gone: %v", err)
		}
		if e := w.only(itself, credentials.RecordKeys); e.Facts["by"] != "broker" || e.Facts["signing"] == "" || e.Facts["compromised"] != "" {
			t.Errorf("its entry: %v", e.Facts)
		}
		w.clock.add(time.Hour)
		if err := w.RotateKeys(t.Context(), time.Hour, operator); err != nil {
			t.Fatal(err)
		}
		b.look(t)
		if third, _ := b.sign(keys.ForAccess, w.clock.now()); header(third) == header(second) {
			t.Error("a next key that is known everywhere does not sign at once")
		}
		w.sound()
	})
}

// TestCompromisedKeys: none of before verifies anywhere as soon as a node looks,
// nor is any published.
func TestCompromisedKeys(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, b := w.node(24*time.Hour, "ES256"), w.node(24*time.Hour, "ES256")
		for range 3 { // until there are keys of every state
			a.look(t)
			w.clock.add(24 * time.Hour)
		}
		a.look(t)
		b.look(t)
		before := published(b.ring)
		raw, _ := a.sign(keys.ForAccess, w.clock.now())
		w.clockBad.Store(true) // it works whatever the clock says
		gone, err := w.CompromisedKeys(t.Context(), 24*time.Hour, credentials.Mark{Who: "operator"})
		if err != nil || gone != len(before) {
			t.Fatalf("%d keys are gone, %v, of %d", gone, err, len(before))
		}
		a.look(t)
		told := b.changed.Load()
		b.look(t)
		for _, n := range []*node{a, b} {
			if _, err := n.ring.Verify(raw, keys.ForAccess, keys.TypAccess); !errors.Is(err, keys.ErrToken) {
				t.Errorf("a token of a compromised key: %v", err)
			}
			for _, id := range published(n.ring) {
				if slices.Contains(before, id) {
					t.Errorf("key %s is still published", id)
				}
			}
		}
		if b.changed.Load() == told {
			t.Error("apps are not told")
		}
		fresh, err := a.sign(keys.ForAccess, w.clock.now())
		if err == nil {
			_, err = b.ring.Verify(fresh, keys.ForAccess, keys.TypAccess)
		}
		if err != nil {
			t.Errorf("a token of the new key at the other node: %v", err)
		}
		for _, e := range w.record(itself) {
			if e.Kind == credentials.RecordKeys && e.Facts["compromised"] == "yes" && strings.Contains(e.Facts["signing"], " ") && e.Facts["by"] == "operator" {
				return
			}
		}
		t.Error("the record does not say so")
	})
}

// TestRotationFailsWhole: wherever a step fails, the keys are those of before, and
// the next look does it.
func TestRotationFailsWhole(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(time.Hour, "ES256")
		n.look(t)
		w.clock.add(2 * time.Hour)
		marker := errors.New("marker")
		before := published(n.ring)
		for at := 1; ; at++ {
			count, committed := 0, false
			n.probe = func(statement string) error {
				committed = committed || statement == "COMMITTED"
				if count++; count == at && !committed {
					return marker
				}
				return nil
			}
			err := n.job.once(t.Context())
			n.probe = nil
			if err == nil {
				if at < 10 {
					t.Errorf("only %d statements could fail", at)
				}
				break
			}
			if !errors.Is(err, marker) {
				t.Fatal(err)
			}
			if !committed && !slices.Equal(before, published(n.ring)) {
				t.Fatalf("statement %d failed and other keys are published", at)
			}
		}
		if w.number(`SELECT count(*) FROM signing_keys WHERE state = 'active'`) != 2 || w.number(`SELECT count(*) FROM signing_keys WHERE state = 'next'`) != 2 {
			t.Error("not one key signs and one follows")
		}
		w.only(itself, credentials.RecordKeys)
		w.sound()
	})
}
