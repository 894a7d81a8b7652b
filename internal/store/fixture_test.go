package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/keys/keystest"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Migrated(m, Migrate)) }

// clock follows the real time while the store is opened, because PostgreSQL
// has a clock of its own to compare with; then it stops and goes only where the
// test puts it.
type clock struct {
	mu sync.Mutex
	t  time.Time // zero: not stopped yet
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.t.IsZero() {
		return time.Now()
	}
	return c.t
}

func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = time.Now().UTC().Truncate(time.Microsecond)
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is one installation with a database of its own.
type world struct {
	*Store
	t       testing.TB
	dsn     string
	clock   *clock
	secrets *keys.Secrets
	erased  bool // the record has lost personal fields
}

func open(t testing.TB, dsn string) *world {
	t.Helper()
	return openWith(t, dsn, func(o *Options) { o.Migrate = true })
}

// openWith opens a database in another way.
func openWith(t testing.TB, dsn string, change func(*Options)) *world {
	t.Helper()
	w := &world{t: t, dsn: dsn, clock: &clock{}, secrets: keystest.Secrets(t)}
	o := Options{DSN: dsn, Secrets: w.secrets, Now: w.clock.now}
	change(&o)
	s, err := Open(t.Context(), options(t, o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w.Store = s
	w.limit, w.flight = 5*time.Minute, 5*time.Minute // crowds of tests wait for one another, on any machine
	w.clock.stop()
	return w
}

// each runs f over both engines.
func each(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) { f(t, open(t, dsn)) })
}

var owner = credentials.Owner{Issuer: "https://id.example", Subject: "olivia", Name: "Olivia Owner", Email: "olivia@acme.example"}

var byOwner = credentials.Mark{Who: "owner", ID: owner.Key(), Name: owner.Name}

func account(id string) credentials.Account {
	return credentials.Account{ID: id, Connector: "customers", Name: "Account " + id, Handle: "H-" + id}
}

func agent(n int) credentials.Agent {
	return credentials.Agent{Issuer: "https://sso.example", Subject: fmt.Sprint("agent", n), Name: fmt.Sprint("Agent ", n),
		Email: fmt.Sprintf("a%d@example.com", n), Connector: "corp", AuthTime: time.Now().UTC().Truncate(time.Second), AMR: []string{"pwd", "otp"}}
}

// minting is a mint of a PIN. The verifier is the PIN itself: what these tests
// ask of the store does not depend on the hash.
func minting(id, pin string, change ...func(*credentials.Minting)) credentials.Minting {
	m := credentials.Minting{Account: account(id), Verifier: []byte(pin), By: byOwner, Credential: credentials.Credential{
		ID: credentials.NewID(), Account: id, Policy: "support-pin", Kind: credentials.PIN, Digits: len(pin), State: credentials.Live,
		Scopes: []string{"documents.read", "settings.write"}, Minter: owner, RedeemWithin: 15 * time.Minute,
		Session: 30 * time.Minute, Idle: 10 * time.Minute, Uses: 1, UsesLeft: 1, Tries: 5,
	}}
	for _, f := range change {
		f(&m)
	}
	return m
}

// login is a mint of a temporary login with unlimited uses.
func login(id, email string, change ...func(*credentials.Minting)) credentials.Minting {
	return minting(id, "password", append([]func(*credentials.Minting){func(m *credentials.Minting) {
		c := &m.Credential
		c.Kind, c.Policy, c.Digits, c.Tries, c.Uses, c.UsesLeft, c.Email = credentials.Password, "temporary-login", 0, 0, 0, 0, email
		c.RedeemWithin, c.Session, c.Idle = 4*time.Hour, 8*time.Hour, 30*time.Minute
	}}, change...)...)
}

func (w *world) mint(m credentials.Minting) credentials.Credential {
	w.t.Helper()
	c, repeated, err := w.Mint(w.t.Context(), m)
	if err != nil || repeated {
		w.t.Fatalf("mint: repeated %v, %v", repeated, err)
	}
	return c
}

// try redeems a PIN as credentials.Redeemer does, the verifier being the PIN.
// reserved tells how many PINs the guess was compared with.
func (w *world) try(attempt string, a credentials.Agent, handle, pin, reason string) (s credentials.Session, reserved int, err error) {
	out, reserved, err := w.use(trying(attempt, a, handle), pin, reason)
	return out.Session, reserved, err
}

// trying is a try of a PIN of six digits.
func trying(attempt string, a credentials.Agent, handle string) credentials.Try {
	return credentials.Try{Attempt: credentials.Attempt{ID: attempt, Agent: a}, Handle: credentials.FoldHandle(handle), Digits: 6}
}

// verify verifies a caller as credentials.Redeemer does.
func (w *world) verify(attempt string, a credentials.Agent, handle, pin, reason string) (credentials.Verified, error) {
	try := trying(attempt, a, handle)
	try.Verify = true
	out, _, err := w.use(try, pin, reason)
	return out.Verified, err
}

func (w *world) use(try credentials.Try, pin, reason string) (out credentials.Outcome, reserved int, err error) {
	try.Digits = len(pin)
	held, err := w.Reserve(w.t.Context(), try)
	if err != nil {
		return out, 0, err
	}
	if held.Before != nil {
		return *held.Before, 0, nil
	}
	in := credentials.Settlement{Reservation: held, SID: credentials.NewID(), Reason: reason}
	for _, c := range held.PINs {
		if bytes.Equal(c.Verifier, []byte(pin)) {
			in.Matched = c.ID
		}
	}
	out, err = w.Settle(w.t.Context(), in)
	return out, len(held.PINs), err
}

func (w *world) redeem(a credentials.Agent, handle, pin string) (credentials.Session, error) {
	s, _, err := w.try(credentials.NewID(), a, handle, pin, "a caller asked")
	return s, err
}

// enter opens a session that must open.
func (w *world) enter(a credentials.Agent, id, pin string) credentials.Session {
	w.t.Helper()
	w.mint(minting(id, pin))
	s, err := w.redeem(a, "H-"+id, pin)
	if err != nil {
		w.t.Fatalf("redeem: %v", err)
	}
	return s
}

// password redeems a temporary login with its right password.
func (w *world) password(attempt string, a *credentials.Agent, email, reason string) (credentials.Session, error) {
	found, err := w.Login(w.t.Context(), email)
	if err != nil {
		return credentials.Session{}, err
	}
	return w.RedeemPassword(w.t.Context(), credentials.PasswordTry{
		Login: found, ID: attempt, Agent: a, Right: len(found.Verifier) > 0, SID: credentials.NewID(), Reason: reason})
}

func grant(s credentials.Session) credentials.Grant {
	return credentials.Grant{ID: credentials.NewID(), Account: s.Account.ID, SID: s.ID, Client: "docs", Audience: "https://docs.example/api",
		Scope: "documents.read", TokenID: credentials.NewID()}
}

func action(s credentials.Session) credentials.Action {
	return credentials.Action{ID: credentials.NewID(), SID: s.ID, Client: "docs-api", Audience: "https://docs.example/api",
		Name: "document.open", Target: "Letter to Ann", Scope: "documents.read"}
}

// record reads and verifies a whole chain.
func (w *world) record(chain string) []audit.Entry {
	w.t.Helper()
	var out []audit.Entry
	var export bytes.Buffer
	for after := int64(0); ; {
		page, err := w.Record(w.t.Context(), chain, credentials.RecordPage{Forward: true, After: after, Limit: 50})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if err := e.Export(&export); err != nil {
				w.t.Fatal(err)
			}
		}
		out = append(out, page...)
		after = out[len(out)-1].Seq
	}
	report, err := audit.Verify(&export)
	if err != nil || report.Entries != len(out) || (report.Erased != 0) && !w.erased {
		w.t.Fatalf("the record of %q does not verify: %+v, %v", chain, report, err)
	}
	return out
}

// kinds counts a chain's entries by their kind.
func (w *world) kinds(chain string) map[string]int {
	w.t.Helper()
	out := map[string]int{}
	for _, e := range w.record(chain) {
		out[e.Kind]++
	}
	return out
}

// number reads one number.
func (w *world) number(query string, args ...any) (n int) {
	w.t.Helper()
	if err := w.engine.read.QueryRowContext(w.t.Context(), query, args...).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// sound checks what must hold of any database at any time.
func (w *world) sound() {
	w.t.Helper()
	for name, query := range map[string]string{
		"verifiers of dead credentials":     `SELECT count(*) FROM credentials WHERE state <> 'live' AND verifier IS NOT NULL`,
		"live credentials without verifier": `SELECT count(*) FROM credentials WHERE state = 'live' AND verifier IS NULL`,
		"negative reservations":             `SELECT count(*) FROM credentials WHERE reserved < 0`,
		"more tries than allowed":           `SELECT count(*) FROM credentials WHERE kind = 'pin' AND reserved + wrong > tries`,
		"negative uses":                     `SELECT count(*) FROM credentials WHERE uses_left < 0`,
		"live sessions of revoked ones":     `SELECT count(*) FROM sessions s JOIN credentials c ON c.id = s.credential WHERE c.state = 'revoked' AND s.ended_at = 0`,
		"live sessions of suspended agents": `SELECT count(*) FROM sessions s JOIN agents a ON a.id = s.agent WHERE a.suspended_at <> 0 AND s.ended_at = 0`,
		"ended sessions without one ending": `SELECT count(*) FROM sessions s WHERE ended_at <> 0 AND status_index IS NOT NULL AND 1 <> (SELECT count(*) FROM endings e WHERE e.sid = s.sid)`,
		"free places of needed endings":     `SELECT count(*) FROM endings e JOIN sessions s ON s.sid = e.sid WHERE s.status_index IS NULL`,
		"endings of live sessions":          `SELECT count(*) FROM endings e JOIN sessions s ON s.sid = e.sid WHERE s.ended_at = 0`,
		"gaps between the endings' numbers": `SELECT coalesce(max(n) - min(n) + 1, 0) - count(*) FROM endings WHERE epoch = (SELECT epoch FROM endings_counter)`,
		"the endings' counter and its last": `SELECT count(*) FROM endings_counter c WHERE n < (SELECT coalesce(max(n), 0) FROM endings WHERE epoch = c.epoch)`,
		"receipts of no token":              `SELECT count(*) FROM receipts r JOIN endings e ON e.sid = r.sid WHERE NOT EXISTS (SELECT 1 FROM grants g WHERE g.sid = r.sid AND g.client = r.client AND g.audience = r.audience)`,
		"holders of tokens without receipt": `SELECT count(*) FROM grants g JOIN endings e ON e.sid = g.sid WHERE NOT EXISTS (SELECT 1 FROM receipts r WHERE r.sid = g.sid AND r.client = g.client)`,
		"endings that miss an audience":     `SELECT count(*) FROM grants g JOIN endings e ON e.sid = g.sid WHERE replace(' ' || e.audiences || ' ', ' ' || g.audience || ' ', '') = ' ' || e.audiences || ' '`,
		"PINs used more often than may be": `SELECT count(*) FROM credentials c WHERE uses > 0 AND uses - uses_left <>
(SELECT count(*) FROM sessions s WHERE s.credential = c.id) + (SELECT count(*) FROM tries t WHERE t.verified = c.id)`,
		"live sessions of erased agents":    `SELECT count(*) FROM sessions WHERE agent <> '' AND agent_sub = '' AND ended_at = 0`,
		"live credentials of erased owners": `SELECT count(*) FROM credentials WHERE minter_subject = '' AND state = 'live'`,
		"tries that verified and opened":    `SELECT count(*) FROM tries WHERE verified <> '' AND (sid <> '' OR state <> 'right')`,
		"chains' ends and their heads":      `SELECT count(*) FROM accounts a WHERE seq <> (SELECT count(*) FROM record r WHERE r.chain = a.id)`,
	} {
		if n := w.number(query); n != 0 {
			w.t.Errorf("%s: %d", name, n)
		}
	}
	w.entriesMatch()
}

// entriesMatch checks that each thing that happened has exactly one entry, in
// every chain, and that every chain verifies.
func (w *world) entriesMatch() {
	w.t.Helper()
	total := map[string]int{}
	rows, err := w.engine.read.QueryContext(w.t.Context(), `SELECT id FROM accounts`)
	if err != nil {
		w.t.Fatal(err)
	}
	var chains []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			w.t.Fatal(err)
		}
		chains = append(chains, id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		w.t.Fatal(err)
	}
	for _, id := range chains {
		for kind, n := range w.kinds(id) {
			total[kind] += n
		}
	}
	for kind, query := range map[string]string{
		credentials.RecordMinted:    `SELECT count(*) FROM credentials`,
		credentials.RecordRevoked:   `SELECT count(*) FROM credentials WHERE state = 'revoked'`,
		credentials.RecordOpened:    `SELECT count(*) FROM sessions`,
		credentials.RecordEnded:     `SELECT count(*) FROM sessions WHERE ended_at <> 0`,
		credentials.RecordVerified:  `SELECT count(*) FROM tries WHERE verified <> ''`,
		credentials.RecordReceipt:   `SELECT count(*) FROM receipts WHERE state = 'applied'`,
		credentials.RecordLapsedTry: `SELECT count(*) FROM tries WHERE state = 'lapsed'`,
	} {
		if want := w.number(query); total[kind] != want {
			w.t.Errorf("%d entries of kind %s for %d of them", total[kind], kind, want)
		}
	}
	if got, want := total[credentials.RecordAction]+total[credentials.RecordRefusedAction], w.number(`SELECT count(*) FROM actions`); got != want {
		w.t.Errorf("%d entries for %d actions", got, want)
	}
}

// crowd is how many run at once: several times the connections to a database,
// and few enough that each verb ends within its limit on a busy machine.
const crowd = 64

// parallel runs f n times, all starting together, a crowd at once.
func parallel(n int, f func(i int)) {
	var wait sync.WaitGroup
	start := make(chan struct{})
	places := make(chan struct{}, crowd)
	for i := range n {
		wait.Go(func() {
			<-start
			places <- struct{}{}
			defer func() { <-places }()
			f(i)
		})
	}
	close(start)
	wait.Wait()
}

// isEnded reports whether err says that the session ended for this cause.
func isEnded(err error, cause credentials.Cause) bool {
	var ended *credentials.EndedError
	return errors.As(err, &ended) && ended.Cause == cause
}

func isNoMatch(err error) bool {
	var none *credentials.NoMatch
	return errors.As(err, &none)
}

func unusable(err error) credentials.State {
	var dead *credentials.Unusable
	errors.As(err, &dead)
	if dead == nil {
		return ""
	}
	return dead.State
}
