package credentials

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"
)

func TestHasher(t *testing.T) {
	t.Parallel()
	h, other := NewHasher([]byte("pepper")), NewHasher([]byte("another"))
	pin := func(h *Hasher, account, salt, typed string) string {
		sum, err := h.PIN(t.Context(), account, []byte(salt), NewSecret(typed))
		if err != nil || len(sum) != argonLength {
			t.Fatalf("%x, %v", sum, err)
		}
		return string(sum)
	}
	same := pin(h, "acme", "saltsalt", "123456")
	if pin(h, "acme", "saltsalt", "123456") != same {
		t.Error("the same PIN hashes to something else")
	}
	if string(argon2.IDKey(h.keyed("pin", "acme", "123456"), []byte("saltsalt"), 2, 19<<10, 1, 32)) != same {
		t.Error("a PIN costs something else than 19 MiB in two passes")
	}
	for name, got := range map[string]string{
		"pepper": pin(other, "acme", "saltsalt", "123456"), "account": pin(h, "acmf", "saltsalt", "123456"),
		"border": pin(h, "acm", "saltsalt", "e123456"),
		"salt":   pin(h, "acme", "saltsals", "123456"), "PIN": pin(h, "acme", "saltsalt", "123457"),
	} {
		if got == same {
			t.Errorf("the %s does not matter", name)
		}
	}
	if string(h.Password("a", NewSecret("bc"))) == string(h.Password("ab", NewSecret("c"))) {
		t.Error("credential and password run into one another")
	}
	if string(h.Password("a", NewSecret("b"))) == string(h.Password("c", NewSecret("b"))) {
		t.Error("one verifier is good for two credentials")
	}
}

// TestHasherIsBounded: a crowd is turned away at once, and hashes only where
// there is a place.
func TestHasherIsBounded(t *testing.T) {
	t.Parallel()
	h := NewHasher(nil)
	var leave []func()
	for i := range maxWaiting {
		l, err := h.Enter(fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, l)
	}
	if _, err := h.Enter("one more"); !errors.Is(err, ErrBusy) {
		t.Errorf("one too many: %v", err)
	}
	leave[0]()
	if _, err := h.Enter("one more"); err != nil {
		t.Errorf("after one has left: %v", err)
	}
	for range cap(h.running) {
		h.running <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if most := runtime.GOMAXPROCS(0); cap(h.running) > most {
		t.Errorf("%d places on %d processors", cap(h.running), most)
	}
	for name, slow := range map[string]func(context.Context, func()) error{"a PIN's": h.Slow, "a visitor's": h.SlowVisit} {
		if err := slow(ctx, func() { t.Errorf("%s hash runs without a place", name) }); !errors.Is(err, ErrBusy) {
			t.Errorf("%s, and no place is free: %v", name, err)
		}
	}
	<-h.running
	ran := false
	if err := h.Slow(t.Context(), func() { ran = true }); err != nil || !ran {
		t.Errorf("a place is free: %v", err)
	}
}

// reserving is a store that gives one reservation and takes its settlement.
type reserving struct {
	Store
	held    Reservation
	err     error
	settled *Settlement
}

func (s *reserving) Reserve(_ context.Context, try Try) (Reservation, error) {
	s.held.Try = try
	return s.held, s.err
}

func (s *reserving) Settle(_ context.Context, in Settlement) (Outcome, error) {
	s.settled = &in
	return Outcome{}, &NoMatch{}
}

// TestOneHashEach: every try that is reserved costs exactly one hash, whatever
// there is to compare it with; a try that is not reserved costs none.
func TestOneHashEach(t *testing.T) {
	t.Parallel()
	salt := []byte("saltsalt")
	for name, tc := range map[string]struct {
		store  *reserving
		hashes int
	}{
		"unknown account": {&reserving{held: Reservation{Salt: salt}}, 1},
		"no live PIN":     {&reserving{held: Reservation{Account: "acme", Salt: salt}}, 1},
		"a limit":         {&reserving{held: Reservation{Account: "acme", Salt: salt, Closed: true}}, 1},
		"wrong":           {&reserving{held: Reservation{Account: "acme", Salt: salt, PINs: []Candidate{{"1", []byte("x")}}}}, 1},
		"several":         {&reserving{held: Reservation{Account: "acme", Salt: salt, PINs: []Candidate{{"1", []byte("x")}, {"2", nil}}}}, 1},
		"paused":          {&reserving{err: &Paused{Until: noon}}, 0},
		"no database":     {&reserving{err: errors.New("gone")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := NewHasher(nil)
			h.running = make(chan struct{}) // each hash now needs somebody to let it in and out
			done, hashes := make(chan struct{}), make(chan int)
			go func() {
				n := 0
				for {
					select {
					case <-h.running:
						n++
						h.running <- struct{}{}
					case <-done:
						hashes <- n
						return
					}
				}
			}()
			r := Redeemer{Store: tc.store, Hasher: h}
			_, verify := r.Verify(t.Context(), Attempt{ID: "1"}, "Acme", NewSecret("12 34"), "")
			tc.store.settled = nil
			_, err := r.PIN(t.Context(), "1", Agent{}, "Acme", NewSecret("12 34"), "")
			close(done)
			if n := <-hashes; n != 2*tc.hashes || err == nil || verify == nil {
				t.Errorf("%d hashes for two tries, %v, %v", n, verify, err)
			}
			if (tc.store.settled != nil) != (tc.hashes == 1) || tc.store.settled != nil && (tc.store.settled.Matched != "" || tc.store.settled.Digits != 4) {
				t.Errorf("settled as %+v", tc.store.settled)
			}
			if len(h.waiting) != 0 {
				t.Error("the place in the queue was not left")
			}
		})
	}
}

// TestFullQueueCostsNothing: when the queue is full nothing is reserved.
func TestFullQueueCostsNothing(t *testing.T) {
	t.Parallel()
	h := NewHasher(nil)
	for range maxWaiting {
		h.waiting <- struct{}{}
	}
	r := Redeemer{Hasher: h} // the store is not to be asked
	if _, err := r.PIN(t.Context(), "1", Agent{}, "acme", NewSecret("123456"), ""); !errors.Is(err, ErrBusy) {
		t.Errorf("redeem: %v", err)
	}
	m := Minter{Hasher: h}
	if _, err := m.mintPIN(t.Context(), Minting{Credential: Credential{Digits: 6}}); !errors.Is(err, ErrBusy) {
		t.Errorf("mint: %v", err)
	}
}

// always is a store to which every PIN that is drawn exists already.
type always struct {
	Store
	err  error
	asks int
}

func (s *always) Salt(context.Context, string) ([]byte, error) { return []byte("saltsalt"), nil }

func (s *always) Mint(context.Context, Minting) (Credential, bool, error) {
	s.asks++
	return Credential{}, false, s.err
}

func TestDrawingEnds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err, want error
		asks      int
	}{{ErrSamePIN, ErrBusy, maxMintAttempts}, {ErrSaltChanged, ErrBusy, maxMintAttempts}, {ErrHandleTaken, ErrHandleTaken, 1}, {nil, nil, 1}} {
		s := &always{err: tc.err}
		m := Minter{Store: s, Hasher: NewHasher(nil)}
		_, err := m.mintPIN(t.Context(), Minting{Credential: Credential{Digits: 4}})
		if !errors.Is(err, tc.want) || s.asks != tc.asks {
			t.Errorf("a store that says %v: %v after %d", tc.err, err, s.asks)
		}
	}
}

// looking is a store with one session, whose end may fail.
type looking struct {
	Store
	session Session
	err     error
}

func (s *looking) Clock() error { return nil }

func (s *looking) Session(context.Context, string) (Session, error) { return s.session, nil }

func (s *looking) End(_ context.Context, _, _ string, cause Cause, _ Mark) (Session, error) {
	s.session.EndedAt, s.session.Cause = noon, cause
	return s.session, s.err
}

// TestLookCommitsTheEnd: if the end of a session that is due cannot be written,
// the look fails: it says neither that it lives nor that it has ended.
func TestLookCommitsTheEnd(t *testing.T) {
	t.Parallel()
	due := Session{ActiveAt: noon, Idle: time.Minute, EndsAt: noon.Add(time.Hour)}
	broken := errors.New("no database")
	for _, stored := range []error{nil, broken} {
		looks := Sessions{Store: &looking{session: due, err: stored}, Now: func() time.Time { return noon.Add(time.Minute) }}
		_, err := looks.Live(t.Context(), "sid")
		var ended *EndedError
		if errors.As(err, &ended) != (stored == nil) || stored != nil && !errors.Is(err, stored) {
			t.Errorf("the end's write says %v, the look %v", stored, err)
		}
	}
}

// TestVisitorsDoNotFillTheQueueOfOthers: whoever is not signed in has places of
// their own, and few of them.
func TestVisitorsDoNotFillTheQueueOfOthers(t *testing.T) {
	t.Parallel()
	h := NewHasher([]byte("pepper"))
	for range maxVisits {
		if _, err := h.Visit(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Visit(); !errors.Is(err, ErrBusy) {
		t.Errorf("one visitor too many: %v", err)
	}
	if _, err := h.Enter("sam"); err != nil {
		t.Errorf("a PIN behind visitors: %v", err)
	}
}

// TestOnePersonDoesNotFillTheQueue: whoever sends many at once waits with their own.
func TestOnePersonDoesNotFillTheQueue(t *testing.T) {
	t.Parallel()
	h := NewHasher(nil)
	for round := range 2 {
		var leave []func()
		for range maxEach {
			l, err := h.Enter("mallory")
			if err != nil {
				t.Fatal(err)
			}
			leave = append(leave, l)
		}
		if _, err := h.Enter("mallory"); !errors.Is(err, ErrBusy) {
			t.Errorf("round %d, one too many: %v", round, err)
		}
		if l, err := h.Enter("sam"); err != nil {
			t.Errorf("behind somebody with many: %v", err)
		} else {
			l()
		}
		for _, l := range leave {
			l()
		}
	}
	if len(h.each) != 0 || len(h.waiting) != 0 {
		t.Errorf("%d people and %d places are held by nobody", len(h.each), len(h.waiting))
	}
}

// TestAPINDoesNotWaitForVisitors where there is more than one processor: however
// many visitors there are, one place is left.
func TestAPINDoesNotWaitForVisitors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher([]byte("pepper"))
		h.running, h.calling = make(chan struct{}, 3), make(chan struct{}, 2)
		release := make(chan struct{})
		var running atomic.Int64
		for range 10 {
			go func() { _ = h.SlowVisit(context.Background(), func() { running.Add(1); <-release }) }()
		}
		synctest.Wait() // every visitor runs or waits
		if n := running.Load(); n != 2 {
			t.Errorf("%d visitors' hashes run, want 2", n)
		}
		if _, err := h.PIN(t.Context(), "acme", []byte("salt"), NewSecret("123456")); err != nil {
			t.Errorf("a PIN behind visitors: %v", err)
		}
		close(release)
	})
}
