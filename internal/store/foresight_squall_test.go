package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// squall is what several nodes do to some accounts at once.
type squall struct {
	nodes    []*world
	accounts []string
	minted   atomic.Int64

	mu      sync.Mutex
	open    []credentials.Session
	logins  map[string]credentials.Credential
	revoked map[string]time.Time // credential: when its revocation was answered
	ended   map[string]time.Time // session: when its end was

	tokens, opened, refused atomic.Int64
}

// squallFor is how long it blows: `VALETKEY_TEST_SQUALL=1m go test -run TwoNodesInASquall`.
func squallFor(t *testing.T) time.Duration {
	d, err := time.ParseDuration(os.Getenv("VALETKEY_TEST_SQUALL"))
	if err != nil {
		return time.Second
	}
	t.Logf("a squall of %s", d)
	return d
}

// TestTwoNodesInASquall: whatever two nodes do at once about the same accounts, nothing is
// issued or opened for what was answered to be over before it was asked for.
func TestTwoNodesInASquall(t *testing.T) {
	t.Parallel()
	a, b := nodes(t)
	for _, w := range []*world{a, b} {
		w.Store.now = time.Now
	}
	s := &squall{nodes: []*world{a, b}, accounts: []string{"acme", "bolt", "core"}, logins: map[string]credentials.Credential{},
		revoked: map[string]time.Time{}, ended: map[string]time.Time{}}
	for _, id := range s.accounts {
		s.mint(a, id)
	}
	blown := func() bool { return s.tokens.Load() > 0 && s.opened.Load() > 0 && s.refused.Load() > 0 }
	until := time.Now().Add(squallFor(t))
	latest := until.Add(2 * time.Minute) // a busy machine does little in a second
	parallel(24, func(i int) {
		r := rand.New(rand.NewPCG(uint64(i), uint64(until.UnixNano()))) //nolint:gosec // a test's
		for time.Now().Before(until) || !blown() && time.Now().Before(latest) {
			s.step(s.nodes[r.IntN(2)], r)
		}
	})
	a.erased = true
	a.sound()
	s.inOrder(a)
	t.Logf("%d sessions, %d tokens, %d refusals", s.opened.Load(), s.tokens.Load(), s.refused.Load())
	if !blown() {
		t.Error("the squall did nothing")
	}
}

func (s *squall) mint(w *world, id string) {
	m := login(id, fmt.Sprint("g", s.minted.Add(1), "@x.example"), func(m *credentials.Minting) {
		m.Credential.Holder = true
		if n := int(s.minted.Load() % 4); n < 3 {
			m.Credential.Uses, m.Credential.UsesLeft = n+1, n+1
		}
	})
	c, _, err := w.Mint(w.t.Context(), m)
	if err != nil {
		w.t.Errorf("mint: %v", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins[c.ID] = c
}

// some picks a session, and a login.
func (s *squall) some(r *rand.Rand) (x credentials.Session, c credentials.Credential) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.open); n > 0 {
		x = s.open[max(0, n-1-r.IntN(6))]
	}
	for _, c = range s.logins {
		break
	}
	return x, c
}

func (s *squall) note(into map[string]time.Time, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := into[id]; !ok {
		into[id] = time.Now()
	}
}

// step does one thing at random on one node.
func (s *squall) step(w *world, r *rand.Rand) {
	ctx := context.WithoutCancel(w.t.Context())
	x, c := s.some(r)
	if c.ID == "" {
		s.mint(w, s.accounts[r.IntN(len(s.accounts))])
		return
	}
	switch n := r.IntN(100); {
	case n < 30:
		s.enter(ctx, w, c, r)
	case n < 65:
		s.issue(ctx, w, x)
	case n < 75:
		s.check("touch", w, x, time.Now(), func() error { _, err := w.Touch(ctx, x.Account.ID, x.ID, time.Now()); return err })
	case n < 80:
		s.check("act", w, x, time.Now(), func() error {
			did, err := w.Act(ctx, action(x))
			return errors.Join(err, did.Err)
		})
	case n < 86:
		if x.ID != "" {
			if _, err := w.End(ctx, x.Account.ID, x.ID, credentials.CauseSignedOut, byOwner); err != nil {
				w.t.Errorf("end: %v", err)
			}
			s.note(s.ended, x.ID)
		}
	case n < 90:
		if err := w.Revoke(ctx, c.Account, c.ID, byOwner); err != nil {
			w.t.Errorf("revoke: %v", err)
		}
		s.note(s.revoked, c.ID)
		s.forget(c)
	case n < 97:
		s.mint(w, s.accounts[r.IntN(len(s.accounts))])
	case n < 98:
		s.agent(ctx, w, r)
	case n < 99:
		if err := w.SweepOnce(ctx); err != nil {
			w.t.Errorf("sweep: %v", err)
		}
	default:
		s.all(ctx, w, s.accounts[r.IntN(len(s.accounts))], r)
	}
}

func (s *squall) forget(c credentials.Credential) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.logins, c.ID)
}

// all revokes everything that an account has lent, or erases it.
func (s *squall) all(ctx context.Context, w *world, account string, r *rand.Rand) {
	s.mu.Lock()
	var was []string
	for id, c := range s.logins {
		if c.Account == account {
			was = append(was, id)
		}
	}
	s.mu.Unlock()
	var err error
	if r.IntN(4) == 0 {
		_, err = w.EraseAccount(ctx, account)
	} else {
		err = w.Revoke(ctx, account, "", byOwner)
	}
	if err != nil {
		w.t.Errorf("ending an account: %v", err)
	}
	for _, id := range was {
		s.note(s.revoked, id)
	}
	s.mint(w, account)
}

// enter looks at a login on one node, sometimes for long, and redeems it on another.
func (s *squall) enter(ctx context.Context, w *world, c credentials.Credential, r *rand.Rand) {
	seen, err := w.Login(ctx, c.Email)
	if err != nil || len(seen.Verifier) == 0 {
		s.forget(c)
		return
	}
	if r.IntN(4) == 0 {
		s.step(s.nodes[r.IntN(2)], r)
	}
	if r.IntN(4) == 0 {
		w = s.nodes[r.IntN(2)]
	}
	began := time.Now()
	x, err := w.RedeemPassword(ctx, credentials.PasswordTry{Login: seen, ID: fmt.Sprint(r.IntN(1000000)), Right: true, SID: credentials.NewID()})
	s.mu.Lock()
	defer s.mu.Unlock()
	switch at, over := s.revoked[c.ID]; {
	case err == nil && over && at.Before(began):
		w.t.Errorf("a login that was revoked has opened a session %s later", began.Sub(at))
	case err == nil:
		s.opened.Add(1)
		s.open = append(s.open, x)
	case unusable(err) == "":
		w.t.Errorf("redeem: %v", err)
	default:
		s.refused.Add(1)
	}
}

// agent enters by a PIN, is given a token, and is suspended for a moment.
func (s *squall) agent(ctx context.Context, w *world, r *rand.Rand) {
	who, id := agent(r.IntN(1000000)), s.accounts[r.IntN(len(s.accounts))]
	pin := fmt.Sprintf("%06d", r.IntN(1000000))
	if _, _, err := w.Mint(ctx, minting(id, pin)); err != nil {
		return
	}
	x, err := w.redeem(who, account(id).Handle, pin)
	if err != nil {
		return // another PIN has taken its place
	}
	var wait sync.WaitGroup
	wait.Go(func() { s.issue(ctx, w, x) })
	if err := s.nodes[r.IntN(2)].Suspend(ctx, who.Key(), true, byOwner); err != nil {
		w.t.Errorf("suspend: %v", err)
	}
	s.note(s.ended, x.ID)
	s.issue(ctx, w, x)
	wait.Wait()
}

func (s *squall) issue(ctx context.Context, w *world, x credentials.Session) {
	s.check("issue", w, x, time.Now(), func() error {
		_, err := w.Issue(ctx, grant(x))
		if err == nil {
			s.tokens.Add(1)
		}
		return err
	})
}

// check does what only a session that lives is good for.
func (s *squall) check(name string, w *world, x credentials.Session, began time.Time, do func() error) {
	if x.ID == "" {
		return
	}
	err := do()
	var ended *credentials.EndedError
	s.mu.Lock()
	defer s.mu.Unlock()
	over := func(at time.Time, ok bool) bool { return ok && at.Before(began) }
	at, ok := s.ended[x.ID]
	of, revoked := s.revoked[x.Credential]
	switch {
	case err == nil && (over(at, ok) || over(of, revoked)):
		w.t.Errorf("%s for a session that had ended", name)
	case errors.As(err, &ended):
		s.refused.Add(1)
		if rand.IntN(2) == 0 { //nolint:gosec // a test's
			s.open = slices.DeleteFunc(s.open, func(o credentials.Session) bool { return o.ID == x.ID })
		}
	case err != nil && !errors.Is(err, credentials.ErrNotAudience): // no token yet
		w.t.Errorf("%s: %v", name, err)
	}
}

// inOrder reads every record: nothing of a session comes after its end, or before
// it was opened, and the times are in order.
func (s *squall) inOrder(w *world) {
	for _, id := range s.accounts {
		lives, dead := map[string]bool{}, map[string]bool{}
		last := time.Time{}
		for _, e := range w.record(id) {
			sid := e.Facts["sid"]
			if e.At.Before(last) {
				w.t.Errorf("%s, %d: an entry before the one before", id, e.Seq)
			}
			last = e.At
			switch e.Kind {
			case credentials.RecordOpened:
				lives[sid] = true
			case credentials.RecordEnded:
				dead[sid] = true
			}
			if slices.Contains([]string{credentials.RecordToken, credentials.RecordAction}, e.Kind) && (!lives[sid] || dead[sid]) {
				w.t.Errorf("%s, %d: %s of a session that does not live", id, e.Seq, e.Kind)
			}
		}
	}
}
