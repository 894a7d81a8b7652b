package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// storm is a crowd that does everything at once by two nodes, and what it knows.
type storm struct {
	*world
	nodes  [2]*world
	mu     sync.Mutex
	all    []*visit
	logins [stormAccounts]*loan
	agents [stormAgents]sync.Mutex // while one is suspended and restored
	did    sync.Map                // what was done → how often
}

const (
	stormAccounts = 4
	stormAgents   = 8
)

// loan is a temporary login. dead: that it was revoked is acknowledged.
type loan struct {
	credentials.Credential
	dead atomic.Bool
}

// visit is a session. dead: somebody was told that it has ended.
type visit struct {
	credentials.Session
	dead  atomic.Bool
	mu    sync.Mutex
	token []byte // the newest refresh token
	codes []credentials.Grant
}

func (s *storm) visits() []*visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[:len(s.all):len(s.all)]
}

func (s *storm) opened(session credentials.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, &visit{Session: session})
}

func (s *storm) node() *world { return s.nodes[rand.IntN(2)] }

func (s *storm) count(what string) {
	n, _ := s.did.LoadOrStore(what, new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

// upon does something with a session. Nothing may come of it where the session was
// known to have ended before; and whoever is told of the end is told for good.
func (s *storm) upon(what string, v *visit, f func() error) {
	dead := v.dead.Load()
	err := f()
	var ended *credentials.EndedError
	switch {
	case err == nil && dead:
		s.t.Errorf("%s worked after the end of %s was known", what, v.ID)
	case errors.As(err, &ended), errors.Is(err, credentials.ErrReplayed):
		v.dead.Store(true)
		what += ", ended"
	case errors.Is(err, credentials.ErrNotAudience):
		what += ", no token"
	case err != nil:
		s.t.Errorf("%s: %v", what, err)
	}
	s.count(what)
}

// open has an agent sign in by a temporary login, which is minted anew where it
// is known to be dead.
func (s *storm) open() {
	i, n := rand.IntN(stormAccounts), rand.IntN(stormAgents)
	s.mu.Lock()
	l := s.logins[i]
	if l == nil || l.dead.Load() {
		email := fmt.Sprintf("%s@x.example", credentials.NewID())
		l = &loan{Credential: s.mint(login(fmt.Sprint("account", i), email))}
		s.logins[i] = l
	}
	s.mu.Unlock()
	dead, a := l.dead.Load(), agent(n)
	session, err := s.node().password(credentials.NewID(), &a, l.Email, "")
	switch {
	case err == nil && dead:
		s.t.Errorf("the login %s opened after it was revoked", l.ID)
	case err == nil:
		s.opened(session)
	case !isNoMatch(err) && unusable(err) == "" && !errors.Is(err, credentials.ErrSuspended) && !errors.Is(err, credentials.ErrNotFound):
		s.t.Errorf("by password: %v", err)
	}
	s.count("password")
}

// race has several try one PIN at once, some of them wrong.
func (s *storm) race() {
	id, pin := fmt.Sprint("pins", rand.IntN(stormAccounts)), fmt.Sprintf("%06d", rand.IntN(1e6))
	s.mu.Lock()
	_, _, err := s.node().Mint(s.t.Context(), minting(id, pin))
	s.mu.Unlock()
	if err != nil && !errors.Is(err, credentials.ErrSamePIN) {
		s.t.Errorf("minting: %v", err)
		return
	}
	var opened atomic.Int64
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			typed := pin
			if i == 3 {
				typed = "wrong!"
			}
			session, err := s.node().redeem(agent(1000+rand.IntN(1e6)), "H-"+id, typed)
			if err == nil {
				opened.Add(1)
				s.opened(session)
			} else if !isNoMatch(err) && unusable(err) == "" {
				s.t.Errorf("by PIN: %v", err)
			}
		})
	}
	all.Wait()
	if opened.Load() > 1 {
		s.t.Errorf("a PIN for one use opened %d sessions", opened.Load())
	}
	s.count(fmt.Sprint("PIN, opened ", opened.Load()))
}

// tokens issues one, or refreshes, or uses something a second time.
func (s *storm) tokens(v *visit) {
	v.mu.Lock()
	defer v.mu.Unlock()
	ctx := s.t.Context()
	switch n := rand.IntN(20); {
	case v.token == nil:
		g := grant(v.Session)
		g.Refresh = s.token(v.Session, g.ID)
		s.upon("issue", v, func() error {
			_, err := s.node().Issue(ctx, g)
			if err == nil {
				v.token, v.codes = g.Refresh.Hash, append(v.codes, g)
			}
			return err
		})
	case n == 0:
		s.upon("code again", v, func() error {
			again := v.codes[0]
			again.TokenID = credentials.NewID()
			again.Refresh = s.token(v.Session, credentials.NewID())
			_, err := s.node().Issue(ctx, again)
			return err
		})
	default:
		next := []byte(credentials.NewID())
		s.upon("refresh", v, func() error { _, err := s.node().refresh(v.token, next); return err })
		if !v.dead.Load() {
			v.token = next
		}
	}
}

func (s *storm) do() {
	ctx, visits := s.t.Context(), s.visits()
	n := rand.IntN(100)
	if len(visits) == 0 || n < 12 {
		s.open()
		return
	}
	v := visits[max(0, len(visits)-1-rand.IntN(40))]
	switch {
	case n < 16:
		s.race()
	case n < 50:
		s.tokens(v)
	case n < 65:
		s.upon("act", v, func() error {
			got, err := s.node().Act(ctx, action(v.Session))
			return errors.Join(err, got.Err)
		})
	case n < 70:
		s.upon("touch", v, func() error { _, err := s.node().Touch(ctx, v.Account.ID, v.ID, time.Time{}); return err })
	case n < 82:
		s.upon("look", v, func() error {
			_, err := (&credentials.Sessions{Store: s.node(), Now: s.clock.now}).Live(ctx, v.ID)
			return err
		})
	case n < 86:
		if _, err := s.node().End(ctx, v.Account.ID, v.ID, credentials.CauseSignedOut, byOwner); err != nil {
			s.t.Errorf("ending: %v", err)
		}
		v.dead.Store(true)
		s.count("end")
	case n < 89:
		s.revoke(v)
	case n < 91:
		s.suspend(rand.IntN(stormAgents))
	case n < 95:
		s.clock.add(time.Duration(rand.IntN(4000)) * time.Millisecond)
	default:
		node := s.node()
		if err := node.SweepOnce(ctx); err != nil {
			s.t.Errorf("sweeping: %v", err)
		}
		at, _, err := node.Endings(ctx, 0, 1)
		if err == nil {
			_, err = node.CompleteReceipts(ctx, theAudience, at.Epoch)
		}
		if err != nil {
			s.t.Errorf("completing receipts: %v", err)
		}
		s.count("sweep")
	}
}

// revoke revokes the credential of a session, or all of its account.
func (s *storm) revoke(v *visit) {
	id, before := v.Credential, s.visits()
	s.mu.Lock()
	logins := s.logins
	s.mu.Unlock()
	if rand.IntN(3) == 0 {
		id = ""
	}
	if err := s.node().Revoke(s.t.Context(), v.Account.ID, id, byOwner); err != nil {
		s.t.Errorf("revoking: %v", err)
		return
	}
	for _, other := range before {
		if other.Account.ID == v.Account.ID && (id == "" || other.Credential == id) {
			other.dead.Store(true)
		}
	}
	for _, l := range logins {
		if l != nil && l.Account == v.Account.ID && (id == "" || l.ID == id) {
			l.dead.Store(true)
		}
	}
	s.count("revoke")
}

// suspend suspends an agent, and restores them.
func (s *storm) suspend(n int) {
	s.agents[n].Lock()
	defer s.agents[n].Unlock()
	key, before := agent(n).Key(), s.visits()
	err := s.node().Suspend(s.t.Context(), key, true, byOperator)
	if errors.Is(err, credentials.ErrNotFound) {
		return
	}
	for _, v := range before {
		if v.AgentKey() == key {
			v.dead.Store(true)
		}
	}
	if again := s.node().Suspend(s.t.Context(), key, false, byOperator); err != nil || again != nil {
		s.t.Errorf("suspending: %v, restoring: %v", err, again)
	}
	s.count("suspend")
}

// read follows the log of endings to its end, as a node does, until done.
func (s *storm) read(done chan struct{}) map[string]int64 {
	seen, n := map[string]int64{}, int64(0)
	for last := false; ; {
		select {
		case <-done:
			last = true
		default:
		}
		at, page, err := s.node().Endings(s.t.Context(), n, 100)
		if err != nil {
			s.t.Errorf("reading the log: %v", err)
			return seen
		}
		for _, e := range page {
			if n++; e.N != n || seen[e.SID] != 0 {
				s.t.Errorf("in the place of ending %d is %d, of a session that was at %d", n, e.N, seen[e.SID])
			}
			seen[e.SID] = e.N
		}
		if at.N != n {
			s.t.Errorf("read up to %d and was told %d", n, at.N)
		}
		if last && len(page) < 100 {
			return seen
		}
	}
}

// after checks that in every record nothing comes of a session after its end.
func (s *storm) after() {
	for i := range stormAccounts {
		for _, id := range []string{fmt.Sprint("account", i), fmt.Sprint("pins", i)} {
			over := map[string]bool{}
			for _, e := range s.record(id) {
				switch sid := e.Facts["sid"]; e.Kind {
				case credentials.RecordEnded:
					over[sid] = true
				case credentials.RecordToken, credentials.RecordAction, credentials.RecordOpened:
					if over[sid] {
						s.t.Errorf("entry %d of %s, %s, comes after the end", e.Seq, id, e.Kind)
					}
				case credentials.RecordReceipt:
					if !over[sid] {
						s.t.Errorf("entry %d of %s, %s, comes before the end", e.Seq, id, e.Kind)
					}
				}
			}
		}
	}
}

// TestStorm: everything at once, by two nodes, time passing meanwhile.
func TestStorm(t *testing.T) {
	t.Parallel()
	const each = 40 // things that each of the crowd does
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := open(t, dsn)
		follows := func(o *Options) {
			o.Access = 5 * time.Minute
			o.Clients = map[string]Client{"docs": {Enforces: credentials.ByGuard}}
		}
		s := &storm{world: w, nodes: [2]*world{w.beside(follows), w.beside(follows)}}
		w.present(here("a", credentials.Cursor{Epoch: "none"}))
		done, read := make(chan struct{}), make(chan map[string]int64, 1)
		go func() { read <- s.read(done) }()
		parallel(16, func(int) {
			for range each {
				s.do()
			}
		})
		close(done)
		told := <-read
		for _, v := range s.visits() {
			got, err := w.Session(t.Context(), v.ID)
			if err != nil || v.dead.Load() && !got.Ended() || got.Ended() != (told[v.ID] != 0) {
				t.Errorf("session %s: known to be dead %v, ended %v, number %d, %v", v.ID, v.dead.Load(), got.Ended(), told[v.ID], err)
			}
		}
		s.after()
		w.sound()
		s.did.Range(func(what, n any) bool { t.Logf("%6d %s", n.(*atomic.Int64).Load(), what); return true })
	})
}
