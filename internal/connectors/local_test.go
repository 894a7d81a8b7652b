package connectors

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys/keystest"
	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

const (
	rightPassword = "correct horse battery staple"
	totpSecret    = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	here          = "203.0.113.7"
)

// staffHash is made once, with the cost of a real one.
var staffHash = sync.OnceValue(func() string { return cheapHash(rightPassword) })

// moment is in the middle of a time step.
var moment = time.Date(2026, 3, 4, 12, 0, 15, 0, time.UTC)

// clock goes only where the test puts it.
type clock struct{ micros atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.micros.Store(moment.UnixMicro())
	return c
}

func (c *clock) now() time.Time      { return time.UnixMicro(c.micros.Load()).UTC() }
func (c *clock) add(d time.Duration) { c.micros.Add(d.Microseconds()) }

// team is a connector of sam (with a second factor), dana, and bob, whom no
// rule allows, on a real database.
func team(t *testing.T) (*Local, *clock) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{DSN: storetest.SQLite(t), Secrets: keystest.Secrets(t), Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c := newClock()
	support := map[string][]string{"groups": {"support"}}
	return &Local{
		ID: "local", Name: "Local people", Issuer: "https://access.example", MaxAge: 15 * time.Minute,
		People: []Person{
			{Username: "sam", Name: "Sam Rivera", Email: "sam@example.com", Claims: support, PasswordHash: staffHash(), TOTP: totpSecret},
			{Username: "dana", Claims: support, PasswordHash: staffHash()},
			{Username: "bob", Claims: map[string][]string{"groups": {"sales"}}, PasswordHash: staffHash()},
		},
		Allow:  []credentials.ClaimRule{{Claim: "groups", Values: []string{"support"}}},
		Hasher: credentials.NewHasher([]byte("pepper")), Tries: &Tries{Now: c.now}, OTP: s, Now: c.now,
	}, c
}

func TestPassword(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, username, password string
		code                     bool
		err                      error
	}{
		{"right", "dana", rightPassword, false, nil},
		{"right, with a second factor", "sam", rightPassword, true, nil},
		{"wrong", "dana", "another", false, ErrNoSignIn},
		{"empty", "dana", "", false, ErrNoSignIn},
		{"longer than the right one", "dana", rightPassword + "x", false, ErrNoSignIn},
		{"far too long", "dana", strings.Repeat("x", maxPassword+1), false, ErrNoSignIn},
		{"unknown name", "nobody", rightPassword, false, ErrNoSignIn},
		{"no name", "", rightPassword, false, ErrNoSignIn},
		{"another case", "Dana", rightPassword, false, ErrNoSignIn},
		{"far too long a name", strings.Repeat("x", maxUsername+1), rightPassword, false, ErrNoSignIn},
		{"not allowed", "bob", rightPassword, false, ErrNotAllowed},
		{"not allowed and wrong", "bob", "another", false, ErrNoSignIn},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, _ := team(t)
			p, code, err := l.Password(t.Context(), here, c.username, c.password)
			if !errors.Is(err, c.err) || code != c.code || err == nil && p.Username != c.username || err != nil && p.Username != "" {
				t.Errorf("%q, code %v, %v; want code %v, %v", p.Username, code, err, c.code, c.err)
			}
		})
	}
}

// TestPasswordsLeaveAProcessorToPINs: however many sign in, theirs are never all
// the hashes that run.
func TestPasswordsLeaveAProcessorToPINs(t *testing.T) {
	t.Parallel()
	l, _ := team(t)
	release, held := make(chan struct{}), sync.WaitGroup{}
	for range max(1, runtime.GOMAXPROCS(0)-1) {
		running := make(chan struct{})
		held.Go(func() { _ = l.Hasher.SlowVisit(context.Background(), func() { close(running); <-release }) })
		<-running
	}
	defer held.Wait()
	defer close(release)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		if _, _, err := l.Password(over, here, "dana", rightPassword); !errors.Is(err, credentials.ErrBusy) {
			t.Fatalf("one more than visitors may have: %v, want ErrBusy", err)
		}
	}
}

// TestUnknownNamesCostTheSame: whoever asks for a name that there is not goes
// through the same gate, for a hash of the same cost.
func TestUnknownNamesCostTheSame(t *testing.T) {
	t.Parallel()
	l, _ := team(t)
	decoy, err := parsePHC(l.decoy())
	if err != nil {
		t.Fatal(err)
	}
	real, err := parsePHC(l.People[0].PasswordHash)
	if err != nil {
		t.Fatal(err)
	}
	if decoy.memory != real.memory || decoy.passes != real.passes || decoy.lanes != real.lanes {
		t.Errorf("an unknown name costs %+v, a known one %+v", decoy, real)
	}
	if _, err := parsePHC((&Local{}).decoy()); err != nil {
		t.Errorf("without people: %v", err)
	}
	// What is hashed for an unknown name is one of the people's: where theirs
	// are broken, so is that.
	broken := *l
	broken.People = []Person{{Username: "sam", PasswordHash: "broken"}}
	for _, name := range []string{"sam", "nobody"} {
		if _, _, err := broken.Password(t.Context(), here, name, "wrong"); !errors.Is(err, errPHC) {
			t.Errorf("%s: %v, want errPHC", name, err)
		}
	}
	// A full gate turns all of them away alike, and counts none as a failure.
	for {
		leave, err := l.Hasher.Visit()
		if err != nil {
			break
		}
		defer leave()
	}
	for _, name := range []string{"sam", "dana", "bob", "nobody"} {
		if _, _, err := l.Password(t.Context(), here, name, "wrong"); !errors.Is(err, credentials.ErrBusy) {
			t.Errorf("%s behind a full gate: %v, want ErrBusy", name, err)
		}
	}
	if w := l.Tries.addresses[here]; w.count != 0 {
		t.Errorf("%d failures are counted of sign-ins that were not compared", w.count)
	}
	// What nobody's name or password can be does not come as far as the gate.
	long := strings.Repeat("x", max(maxUsername, maxPassword)+1)
	for name, typed := range map[string][2]string{"a name": {long, "wrong"}, "a password": {"sam", long}} {
		if _, _, err := l.Password(t.Context(), here, typed[0], typed[1]); !errors.Is(err, ErrNoSignIn) {
			t.Errorf("%s far too long behind a full gate: %v, want ErrNoSignIn", name, err)
		}
	}
}

// TestWaitingEndsWithTheRequest: a visitor who goes away does not keep waiting.
func TestWaitingEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	l, _ := team(t)
	release := make(chan struct{})
	var busy sync.WaitGroup
	defer busy.Wait()
	defer close(release)
	for range runtime.GOMAXPROCS(0) {
		running := make(chan struct{})
		busy.Go(func() {
			_ = l.Hasher.Slow(context.Background(), func() { close(running); <-release })
		})
		<-running
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := l.Password(ctx, here, "dana", rightPassword); !errors.Is(err, credentials.ErrBusy) {
		t.Errorf("%v, want ErrBusy", err)
	}
}

func TestProof(t *testing.T) {
	t.Parallel()
	l, c := team(t)
	support := map[string][]string{"groups": {"support"}}
	for i, want := range []Proof{
		{Connector: "local", Issuer: "https://access.example", Subject: "local:sam", Name: "Sam Rivera", Email: "sam@example.com",
			Claims: support, AuthTime: c.now(), ProvedAt: c.now(), AMR: []string{"pwd", "otp", "mfa"}},
		{Connector: "local", Issuer: "https://access.example", Subject: "local:dana", Name: "dana",
			Claims: support, AuthTime: c.now(), ProvedAt: c.now(), AMR: []string{"pwd"}},
	} {
		got := l.Proof(l.People[i])
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if !l.Still(got) || !l.Still(Proof{Issuer: want.Issuer, Subject: want.Subject}) {
			t.Errorf("%s may not come in any more", want.Subject)
		}
	}
	for _, gone := range []Proof{
		{Issuer: "https://access.example", Subject: "local:bob"},
		{Issuer: "https://access.example", Subject: "local:nobody"},
		{Issuer: "https://access.example", Subject: "other:sam"},
		{Issuer: "https://access.example", Subject: "sam"},
		{Issuer: "https://access.example"},
		{Issuer: "https://sso.example", Subject: "local:sam"},
		{Subject: "local:sam"},
	} {
		if l.Still(gone) {
			t.Errorf("%+v is still somebody who may sign in", gone)
		}
	}
	if about := l.About(); about != (About{"local", "Local people", 15 * time.Minute}) {
		t.Errorf("it is about %+v", about)
	}
}

// TestLocalOwner: an owner has one account, and what was proved of them ends
// with their place in the configuration.
func TestLocalOwner(t *testing.T) {
	t.Parallel()
	l, _ := team(t)
	for _, c := range []struct{ given, want credentials.Account }{
		{credentials.Account{ID: "acme", Name: "Acme Ltd", Handle: "ACME-1"},
			credentials.Account{ID: "acme", Connector: "local", Name: "Acme Ltd", Handle: "ACME-1"}},
		{credentials.Account{ID: "acme"}, credentials.Account{ID: "acme", Connector: "local", Name: "acme", Handle: "acme"}},
	} {
		l.People[1].Account = c.given
		p := l.Proof(l.People[1])
		if p.Account != c.want || !l.Still(p) {
			t.Errorf("account %+v, want %+v", p.Account, c.want)
		}
	}
	for name, change := range map[string]func(*Person){
		"another account":   func(p *Person) { p.Account.ID = "globex" },
		"no account":        func(p *Person) { p.Account = credentials.Account{} },
		"another handle":    func(p *Person) { p.Account.Handle = "ACME-2" },
		"fewer claims":      func(p *Person) { p.Claims = map[string][]string{"groups": {"support"}} },
		"another claim":     func(p *Person) { p.Claims = map[string][]string{"groups": {"support"}, "role": {"user"}} },
		"not allowed":       func(p *Person) { p.Claims = map[string][]string{"role": {"owner"}} },
		"another name":      func(p *Person) { p.Username = "olivia" },
		"nothing, to begin": nil,
	} {
		l.People[1] = Person{Username: "dana", Claims: map[string][]string{"groups": {"support"}, "role": {"owner"}},
			Account: credentials.Account{ID: "acme"}}
		p := l.Proof(l.People[1])
		if change != nil {
			change(&l.People[1])
		}
		if got := l.Still(p); got != (change == nil) {
			t.Errorf("%s: they may come in %v", name, got)
		}
	}
}

// TestProofAsBoth: what becomes of a proof in the rules.
func TestProofAsBoth(t *testing.T) {
	t.Parallel()
	p := Proof{Connector: "corp", Issuer: "https://sso.example", Subject: "4711", Name: "Dana", Email: "dana@example.com",
		Claims: map[string][]string{"role": {"owner"}}, AuthTime: moment, ProvedAt: moment.Add(time.Minute), AMR: []string{"pwd"}}
	if diff := cmp.Diff(credentials.Agent{Connector: "corp", Issuer: "https://sso.example", Subject: "4711", Name: "Dana",
		Email: "dana@example.com", AuthTime: moment, AMR: []string{"pwd"}}, p.Agent()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(credentials.Owner{Issuer: "https://sso.example", Subject: "4711", Name: "Dana",
		Email: "dana@example.com", Claims: p.Claims}, p.Owner()); diff != "" {
		t.Error(diff)
	}
	p.Claims = nil // as a cookie leaves it that had none
	if p.Owner().Claims == nil {
		t.Error("an owner without claims is one of whom nothing is known")
	}
}

// TestAProofIsAsExactAsTheDatabase: read back from a session, it is not older than
// the proof that the session was opened with.
func TestAProofIsAsExactAsTheDatabase(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 14, 2, 0, 123456789, time.UTC)
	if got := (Proof{AuthTime: at}).Agent().AuthTime; !got.Equal(time.UnixMicro(at.UnixMicro())) {
		t.Errorf("a proof of %v is one of %v", at, got)
	}
}
