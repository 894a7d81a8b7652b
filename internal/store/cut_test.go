package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// wire is the network before the database. It counts what passes, by direction,
// and ends every connection after so many bytes.
type wire struct {
	target string
	mu     sync.Mutex
	passed [2]int
	left   [2]int // negative: no end
	conns  map[net.Conn]bool
}

const toDatabase, toBroker = 0, 1

// wired makes a network before the database of a DSN, and the DSN of its other end.
func wired(t *testing.T, dsn string) (*wire, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{target: u.Host, left: [2]int{-1, -1}, conns: map[net.Conn]bool{}}
	t.Cleanup(func() {
		_ = l.Close()
		w.cut(toDatabase, 0)
	})
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", w.target)
			if err != nil {
				_ = in.Close()
				return
			}
			w.mu.Lock()
			w.conns[in], w.conns[out] = true, true
			w.mu.Unlock()
			go w.pass(out, in, toDatabase)
			go w.pass(in, out, toBroker)
		}
	}()
	u.Host = l.Addr().String()
	return w, u.String()
}

func (w *wire) pass(to, from net.Conn, direction int) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		w.mu.Lock()
		w.passed[direction] += n
		over := w.left[direction] >= 0 && n >= w.left[direction]
		if w.left[direction] >= 0 {
			n = min(n, w.left[direction])
			w.left[direction] -= n
		}
		w.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if over {
			w.sever()
		}
		if err != nil || over {
			return
		}
	}
}

// cut has all connections end when so many more bytes have passed.
func (w *wire) cut(direction, after int) {
	w.mu.Lock()
	w.left[direction] = after
	w.mu.Unlock()
	if after == 0 {
		w.sever()
	}
}

// mend lets everything through again.
func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = [2]int{-1, -1}
}

func (w *wire) sever() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close()
	}
	clear(w.conns)
}

func (w *wire) taken() [2]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passed
}

// doubtful is a verb, and whether what it does is stored.
type doubtful struct {
	do   func() error
	done func() bool
}

// steps are verbs that can be done again and again, each about something new.
func (s *scene) steps(through *world, n int) map[string]doubtful {
	ctx := s.t.Context()
	a := agent(100 + n)
	there := func(query string, args ...any) func() bool {
		return func() bool { return s.number(query, args...) == 1 }
	}
	id, email := fmt.Sprint("n", n), fmt.Sprintf("n%d@x.example", n)
	s.mint(login(id, email))
	found, err := s.Login(ctx, email)
	if err != nil {
		s.t.Fatal(err)
	}
	open := func() credentials.Session {
		out, err := s.RedeemPassword(ctx, credentials.PasswordTry{Login: found, ID: credentials.NewID(), Agent: &a, Right: true, SID: credentials.NewID()})
		if err != nil {
			s.t.Fatal(err)
		}
		return out
	}
	live := open()
	first := grant(live)
	first.Refresh = s.token(live, "first"+id)
	if _, err := s.Issue(ctx, first); err != nil {
		s.t.Fatal(err)
	}
	g, act, sid, next := grant(live), action(live), credentials.NewID(), []byte("next"+id)
	ending, revoked := open(), s.mint(minting(id, "111111"))
	return map[string]doubtful{
		"mint": {func() error {
			_, _, err := through.Mint(ctx, minting("new"+id, "222222"))
			return err
		}, there(`SELECT count(*) FROM credentials WHERE account = $1`, "new"+id)},
		"password": {func() error {
			_, err := through.RedeemPassword(ctx, credentials.PasswordTry{Login: found, ID: "x", Agent: &a, Right: true, SID: sid})
			return err
		}, there(`SELECT count(*) FROM sessions WHERE sid = $1`, sid)},
		"issue": {func() error { _, err := through.Issue(ctx, g); return err }, there(`SELECT count(*) FROM grants WHERE id = $1`, g.ID)},
		"refresh": {func() error {
			_, _, err := through.Refresh(ctx, credentials.Refreshing{Hash: first.Refresh.Hash, Client: "docs", Next: next,
				Scope: func(g string) (string, error) { return g, nil }})
			return err
		}, there(`SELECT count(*) FROM refresh_tokens WHERE hash = $1`, next)},
		"act": {func() error { _, err := through.Act(ctx, act); return err }, there(`SELECT count(*) FROM actions WHERE id = $1`, act.ID)},
		"end": {func() error {
			_, err := through.End(ctx, id, ending.ID, credentials.CauseSignedOut, byOwner)
			return err
		}, there(`SELECT count(*) FROM endings WHERE sid = $1`, ending.ID)},
		"revoke": {func() error { return through.Revoke(ctx, id, revoked.ID, byOwner) },
			there(`SELECT count(*) FROM credentials WHERE state = 'revoked' AND id = $1`, revoked.ID)},
		"settle": {func() error {
			held, err := through.Reserve(ctx, trying("t"+id, a, "h"+id))
			if err != nil {
				return err
			}
			in := credentials.Settlement{Reservation: held, SID: sid + "p"}
			for _, c := range held.PINs {
				if bytes.Equal(c.Verifier, []byte("111111")) {
					in.Matched = c.ID
				}
			}
			_, err = through.Settle(ctx, in)
			return err
		}, there(`SELECT count(*) FROM sessions WHERE sid = $1`, sid+"p")},
	}
}

// reached waits until the database answers: connections that were cut are found out.
func (w *world) reached() {
	w.t.Helper()
	for try := 0; ; try++ {
		err := w.Ready(w.t.Context())
		if err == nil {
			return
		}
		if try > 50 {
			w.t.Fatal(err)
		}
	}
}

// TestCutAnywhere: the network ends at any byte of a verb, in either direction.
// What is acknowledged is stored, what is told not to have happened is not, and
// the next one has a connection that answers what it asks.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	const rounds = 8
	direct := open(t, storetest.Postgres(t))
	s := direct.scene()
	network, dsn := wired(t, direct.dsn)
	direct.dsn = dsn
	through := direct.beside(func(o *Options) { o.Clients = map[string]Client{"docs": {Enforces: credentials.ByGuard}} })
	size := map[string][2]int{}
	outcomes := map[string]int{}
	for n := range rounds {
		for name, step := range s.steps(through, n) {
			network.sever()
			through.reached() // by a new connection, on which nothing is prepared
			before := network.taken()
			direction, after := n%2, 0
			if n > 0 { // the first time is whole
				after = size[name][direction] - rand.IntN([]int{size[name][direction], 300}[rand.IntN(2)])
				network.cut(direction, after)
			}
			err := step.do()
			network.mend()
			if now := network.taken(); n == 0 {
				size[name] = [2]int{now[0] - before[0], now[1] - before[1]}
			}
			stored, unknown := step.done(), errors.Is(err, credentials.ErrUnknownResult)
			if err == nil && !stored || err != nil && !unknown && stored {
				t.Errorf("%s, cut after %d of %v bytes in direction %d: %v, and it is stored: %v", name, after, size[name], direction, err, stored)
			}
			outcomes[fmt.Sprint(err == nil, unknown, stored)]++
			through.reached()
			if got, err := through.Session(t.Context(), s.session.ID); err != nil || got.ID != s.session.ID {
				t.Fatalf("after %s was cut: %+v, %v", name, got, err)
			}
		}
	}
	t.Log(outcomes, size)
	direct.sound()
}

// TestCancelledAnywhere: a read that is given up at any moment leaves no
// connection that answers another question with what it was asked.
func TestCancelledAnywhere(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	sessions := w.guests(20)
	parallel(400, func(i int) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(2000))*time.Microsecond)
		defer cancel()
		s := sessions[i%len(sessions)]
		if i%2 == 0 {
			ctx = t.Context()
		}
		switch got, err := w.Session(ctx, s.ID); {
		case err == nil && got.ID != s.ID:
			t.Errorf("asked for %s, got %s", s.ID, got.ID)
		case err != nil && ctx == t.Context():
			t.Error(err)
		}
		if got, err := w.Account(ctx, s.Account.ID); err == nil && got.ID != s.Account.ID {
			t.Errorf("asked for %s, got %s", s.Account.ID, got.ID)
		}
		out, err := w.Issue(ctx, grant(s)) // is not given up
		if err != nil || out.ID != s.ID {
			t.Errorf("issuing: %s, %v", out.ID, err)
		}
	})
	w.sound()
}
