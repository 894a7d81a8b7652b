package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
	"github.com/valetkey/valetkey/scopes"
)

// TestReplacement: one live PIN per account, policy and contact; the old one is
// dead, its verifier erased, its session goes on.
func TestReplacement(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "111111")
		bound := func(key string) func(*credentials.Minting) {
			return func(m *credentials.Minting) { m.Credential.Contact, m.Credential.ContactKey = key, key }
		}
		policy := func(m *credentials.Minting) { m.Credential.Policy = "two-day-pin" }
		first := w.mint(minting("acme", "222222"))
		stays := []credentials.Credential{
			w.mint(minting("acme", "333333", policy)), w.mint(minting("acme", "444444", bound("ann"))),
			w.mint(minting("acme", "555555", bound("bob"))), w.mint(login("acme", "guest@x.example")), w.mint(minting("other", "222222")),
		}
		second := w.mint(minting("acme", "666666"))
		want := map[string]credentials.State{s.Credential: credentials.Used, first.ID: credentials.Replaced, second.ID: credentials.Live}
		for _, c := range stays {
			want[c.ID] = credentials.Live
		}
		for id, state := range want {
			account := "acme"
			if id == stays[4].ID {
				account = "other"
			}
			if c, err := w.Credential(t.Context(), account, id); err != nil || c.State != state {
				t.Errorf("credential %s is %s, want %s, %v", id, c.State, state, err)
			}
		}
		if _, err := w.redeem(agent(2), "hacme", "222222"); !isNoMatch(err) {
			t.Errorf("the PIN that was replaced: %v", err)
		}
		if _, err := w.Touch(t.Context(), "acme", s.ID, time.Time{}); err != nil {
			t.Errorf("the session of an older PIN: %v", err)
		}
		record := w.record("acme")
		if last := record[len(record)-2]; last.Facts["replaced"] != first.ID {
			t.Errorf("the mint's entry: %v", last.Facts)
		}
		w.sound()
	})
}

// TestReplacedInFlight: a try that was reserved before a PIN was replaced does
// not open it, and learns why.
func TestReplacedInFlight(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(minting("acme", "111111"))
		held, err := w.Reserve(t.Context(), trying("1", agent(1), "hacme"))
		if err != nil {
			t.Fatal(err)
		}
		w.mint(minting("acme", "222222"))
		_, err = w.Settle(t.Context(), credentials.Settlement{Reservation: held, Matched: held.PINs[0].ID, SID: "sid"})
		if unusable(err) != credentials.Replaced {
			t.Errorf("a replaced PIN: %v", err)
		}
		w.sound()
	})
}

func TestMintRefusals(t *testing.T) {
	cases := map[string]struct {
		change func(*credentials.Minting)
		want   error
	}{
		"the same digits":        {func(m *credentials.Minting) { m.Verifier = []byte("111111") }, credentials.ErrSamePIN},
		"another policy's":       {func(m *credentials.Minting) { m.Verifier, m.Credential.Policy = []byte("111111"), "two-day-pin" }, credentials.ErrSamePIN},
		"another salt":           {func(m *credentials.Minting) { m.Salt = []byte("another") }, credentials.ErrSaltChanged},
		"another connector":      {func(m *credentials.Minting) { m.Account.Connector = "partners" }, credentials.ErrOtherOwner},
		"a handle that is taken": {func(m *credentials.Minting) { m.Account.Handle = " h-OTHER " }, credentials.ErrHandleTaken},
		"a new account with it": {func(m *credentials.Minting) {
			m.Account.ID, m.Credential.Account, m.Account.Handle = "new", "new", "h - acme"
		}, credentials.ErrHandleTaken},
	}
	each(t, func(t *testing.T, w *world) {
		old := w.mint(minting("acme", "111111"))
		w.mint(minting("other", "999999"))
		for name, tc := range cases {
			if _, _, err := w.Mint(t.Context(), minting("acme", "222222", tc.change)); !errors.Is(err, tc.want) {
				t.Errorf("%s: %v, want %v", name, err, tc.want)
			}
		}
		if c, err := w.Credential(t.Context(), "acme", old.ID); err != nil || c.State != credentials.Live {
			t.Errorf("a refused mint left the old PIN %s, %v", c.State, err)
		}
		if _, err := w.Account(t.Context(), "new"); !errors.Is(err, credentials.ErrNotFound) {
			t.Errorf("a refused mint made an account: %v", err)
		}
		if got, err := w.Account(t.Context(), "acme"); err != nil || got != account("acme") {
			t.Errorf("the account is %+v, %v", got, err)
		}
		w.sound()
	})
}

// TestAccountChanges: a mint takes over a new name and handle; the old handle
// is free again.
func TestAccountChanges(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(minting("acme", "111111"))
		w.mint(minting("acme", "222222", func(m *credentials.Minting) { m.Account.Name, m.Account.Handle = "Acme Ltd", "New One" }))
		if _, err := w.redeem(agent(1), "H-acme", "222222"); !isNoMatch(err) {
			t.Errorf("by the old handle: %v", err)
		}
		s, err := w.redeem(agent(1), "NEW one", "222222")
		if err != nil || s.Account.Name != "Acme Ltd" || s.Account.Handle != "New One" {
			t.Errorf("by the new handle: %+v, %v", s.Account, err)
		}
		w.mint(minting("second", "333333", func(m *credentials.Minting) { m.Account.Handle = "H-acme" }))
	})
}

// TestIdempotency: one key makes one credential, in sequence and in parallel,
// and no other request may use it.
// raced is a transaction that makes an account which another one makes at this
// very moment: of the two unique values PostgreSQL may find the handle first.
type raced struct {
	*pipeline
	made *bool
}

func (r raced) settle() error {
	if *r.made {
		return r.pipeline.settle()
	}
	*r.made = true
	return fmt.Errorf("%w: %w", errUndone, &pgconn.PgError{Code: "23505"})
}

// TestAnAccountMadeTwiceAtOnce is one account, and its handle is not another's.
func TestAnAccountMadeTwiceAtOnce(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.Postgres(t))
	w.mint(minting("other", "222222"))
	made := false
	_, back := w.through(func(q *pipeline) transaction { return raced{q, &made} })
	w.mint(minting("acme", "123456"))
	made = false
	if _, _, err := w.Mint(t.Context(), minting("new", "123456", func(m *credentials.Minting) { m.Account.Handle = "H-other" })); !errors.Is(err, credentials.ErrHandleTaken) {
		t.Errorf("by another account's handle: %v", err)
	}
	back()
	parallel(crowd, func(i int) {
		if _, _, err := w.Mint(t.Context(), minting(fmt.Sprint("n", i/8), fmt.Sprint(100000+i))); err != nil {
			t.Error(err)
		}
	})
	w.sound()
}

func TestIdempotency(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		key := func(client, digest string) func(*credentials.Minting) {
			return func(m *credentials.Minting) {
				m.Idempotency = &credentials.Idempotency{Client: client, Key: "key", Digest: []byte(digest)}
			}
		}
		var mu sync.Mutex
		made := map[string]int{}
		fresh := 0
		parallel(20, func(i int) {
			c, repeated, err := w.Mint(t.Context(), minting("acme", fmt.Sprintf("%06d", i), key("settings", "one")))
			mu.Lock()
			defer mu.Unlock()
			if made[c.ID]++; err != nil {
				t.Error(err)
			}
			if !repeated {
				fresh++
			}
		})
		if len(made) != 1 || fresh != 1 || w.number(`SELECT count(*) FROM credentials`) != 1 {
			t.Errorf("%d credentials were told, %d as new", len(made), fresh)
		}
		if _, _, err := w.Mint(t.Context(), minting("acme", "777777", key("settings", "two"))); !errors.Is(err, credentials.ErrKeyReused) {
			t.Errorf("the key with another request: %v", err)
		}
		others := w.mint(minting("acme", "888888", key("other client", "two")))
		c, repeated, err := w.Mint(t.Context(), minting("acme", "666666", key("other client", "two")))
		if err != nil || !repeated || c.ID != others.ID {
			t.Errorf("the key of two clients, again by the second: %q, repeated %v, %v; want %q", c.ID, repeated, err, others.ID)
		}
		c, repeated, err = w.Mint(t.Context(), minting("acme", "555555", key("settings", "one")))
		if err != nil || !repeated || made[c.ID] == 0 {
			t.Errorf("the key of two clients, again by the first: %q, repeated %v, %v", c.ID, repeated, err)
		}
		w.sound()
	})
}

// minter has the rules and the real hash on top of the store.
func (w *world) minter() (*credentials.Minter, *credentials.Redeemer) {
	w.t.Helper()
	catalogue, err := scopes.NewCatalogue([]scopes.Scope{{Name: "documents.read", Kind: scopes.View}, {Name: "settings.write", Kind: scopes.Change}}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	hasher := credentials.NewHasher(w.secrets.Pepper())
	pin := credentials.Policy{ID: "support-pin", Kind: credentials.PIN, Digits: 6, RedeemWithin: []time.Duration{time.Hour}, RedeemDefault: time.Hour,
		Uses: 1, Tries: 5, Session: time.Hour, Idle: time.Hour, Scopes: []string{"documents.read", "settings.write"}}
	phone, login := pin, pin
	phone.ID, phone.Digits, phone.Tries, phone.ContactBound = "phone-pin", 4, 3, true
	login.ID, login.Kind, login.Digits, login.Uses, login.EmailDomain = "temporary-login", credentials.Password, 0, 0, "Support.Example"
	return &credentials.Minter{Store: w, Hasher: hasher, Catalogue: catalogue, Policies: []credentials.Policy{pin, phone, login}},
		&credentials.Redeemer{Store: w, Hasher: hasher}
}

func request(id, policy string) credentials.MintRequest {
	return credentials.MintRequest{Account: account(id), Owner: owner, Policy: policy, By: byOwner}
}

// TestWholeWay: mint, redeem and burn with the real rules and hash.
func TestWholeWay(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		mint, redeem := w.minter()
		pins := make([]credentials.Minted, 16)
		parallel(len(pins), func(i int) { // a new account, 16 times at once: one salt
			var err error
			if pins[i], err = mint.Mint(t.Context(), request("acme", "support-pin")); err != nil {
				t.Error(err)
			}
		})
		live, err := w.Credentials(t.Context(), "acme", credentials.Page{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		live = slices.DeleteFunc(live, func(c credentials.Credential) bool { return c.State != credentials.Live })
		if len(live) != 1 {
			t.Fatalf("%d live PINs", len(live))
		}
		i := slices.IndexFunc(pins, func(m credentials.Minted) bool { return m.ID == live[0].ID })
		typed := pins[i].Secret.Reveal()
		s, err := redeem.PIN(t.Context(), "1", agent(1), " H-ACME ", credentials.NewSecret(typed[:3]+" "+typed[3:]), "a\nreason")
		if err != nil || s.Reason != "a reason" || !slices.Equal(s.Scopes, []string{"documents.read"}) || !slices.Equal(s.AMR, []string{"pwd", "otp", "pin"}) {
			t.Fatalf("redeem: %+v, %v", s, err)
		}
		again, err := redeem.PIN(t.Context(), "1", agent(1), "hacme", credentials.NewSecret(typed), "")
		if err != nil || again.ID != s.ID {
			t.Errorf("the same form again: %s instead of %s, %v", again.ID, s.ID, err)
		}
		lent, err := mint.Mint(t.Context(), request("acme", "temporary-login"))
		if err != nil {
			t.Fatal(err)
		}
		a := agent(2)
		if s, err = redeem.Password(t.Context(), "2", &a, lent.Email, lent.Secret, ""); err != nil || s.Email != lent.Email {
			t.Errorf("password: %v", err)
		}
		if _, err = redeem.Password(t.Context(), "3", nil, lent.Email, lent.Secret, ""); !isNoMatch(err) {
			t.Errorf("a login that needs SSO, without: %v", err)
		}
		if _, err = redeem.Password(t.Context(), "4", &a, lent.Email, credentials.NewSecret("x"), ""); !isNoMatch(err) {
			t.Errorf("a wrong password: %v", err)
		}
		w.sound()
	})
}

// TestNewPINDiffers: with four digits and most of them live, a new one still
// differs from all.
func TestNewPINDiffers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		mint, redeem := w.minter()
		seen := map[string]bool{}
		for i := range 15 {
			r := request("acme", "phone-pin")
			r.Owner.Subject = fmt.Sprint("contact", i)
			m, err := mint.Mint(t.Context(), r)
			if err != nil || seen[m.Secret.Reveal()] || m.Contact != owner.Name {
				t.Fatalf("mint %d: repeats %v, %v", i, seen[m.Secret.Reveal()], err)
			}
			seen[m.Secret.Reveal()] = true
		}
		wrong := "0000"
		for i := 1; seen[wrong]; i++ {
			wrong = fmt.Sprintf("%04d", i)
		}
		for i := range 3 { // one guess is a try of every live PIN of that length
			if _, err := redeem.PIN(t.Context(), fmt.Sprint(i), agent(i), "hacme", credentials.NewSecret(wrong), ""); !isNoMatch(err) {
				t.Fatal(err)
			}
		}
		if n := w.number(`SELECT count(*) FROM credentials WHERE state = 'burned'`); n != 15 {
			t.Errorf("%d of 15 PINs are dead", n)
		}
		w.sound()
	})
}
