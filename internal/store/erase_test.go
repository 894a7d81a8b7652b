package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// holds lists the places in which a text lies.
func (w *world) holds(texts ...string) (places []string) {
	w.t.Helper()
	w.rows(func(table string, row map[string]string) {
		for column, value := range row {
			for _, text := range texts {
				if strings.Contains(strings.ToLower(value), strings.ToLower(text)) {
					places = append(places, table+"."+column+" holds "+text)
				}
			}
		}
	})
	slices.Sort(places)
	return slices.Compact(places)
}

// Two agents and two owners, each with words of their own in every field that
// can hold any.
var (
	dana = credentials.Agent{Issuer: "https://sso.example", Subject: "sub-of-dana", Name: "Dana Agent", Email: "dana@mail.example", Connector: "corp"}
	eve  = credentials.Agent{Issuer: "https://sso.example", Subject: "sub-of-eve", Name: "Eve Agent", Email: "eve@mail.example", Connector: "corp"}
	olga = credentials.Owner{Issuer: "https://id-of-olga.example", Subject: "sub-of-olga", Name: "Olga Owner", Email: "olga@mail.example"}
	paul = credentials.Owner{Issuer: "https://id-of-paul.example", Subject: "sub-of-paul", Name: "Paul Owner", Email: "paul@mail.example"}

	ofDana = []string{"of-dana", "Dana Agent", "dana@", "danas"}
	ofEve  = []string{"of-eve", "Eve Agent", "eve@", "eves"}
	ofOlga = []string{"of-olga", "Olga Owner", "olga@", "olgas"}
	ofPaul = []string{"of-paul", "Paul Owner", "paul@", "pauls"}
)

// lent is a mint by a person, bound to them.
func lent(id string, by credentials.Owner, word string) func(*credentials.Minting) {
	return func(m *credentials.Minting) {
		m.By = credentials.Mark{Who: "owner", ID: by.Key(), Name: by.Name}
		m.Credential.Minter, m.Credential.Contact, m.Credential.ContactKey = by, by.Name, by.Key()
		m.Credential.Ticket = word
		m.Idempotency = &credentials.Idempotency{Client: "c", Key: m.Credential.ID, Digest: []byte("request" + word)}
		m.Account.Name, m.Account.Handle = "Name of "+id, "Handle-of-"+id
	}
}

// people fills two accounts with all that these four do: Olga lends and Dana
// works in both, Paul and Eve in the second.
func (w *world) people() (live []credentials.Session) {
	w.t.Helper()
	for i, do := range []struct {
		id    string
		owner credentials.Owner
		words string // what the owner types
		agent credentials.Agent
		say   string // what the agent types
	}{{"first", olga, "olgas", dana, "danas"}, {"second", olga, "olgas", dana, "danas"}, {"second", paul, "pauls", eve, "eves"}} {
		by := lent(do.id, do.owner, do.words)
		handle := credentials.FoldHandle("Handle-of-" + do.id)
		reason := do.words + " " + do.say
		form := func(name string) string { return fmt.Sprint(name, i) }
		w.mint(minting(do.id, fmt.Sprint("11111", i), by))
		s, _, err := w.try(form("enter"), do.agent, handle, fmt.Sprint("11111", i), reason)
		if err != nil {
			w.t.Fatal(err)
		}
		g := grant(s)
		if _, err := w.Issue(w.t.Context(), g); err != nil {
			w.t.Fatal(err)
		}
		act := action(s)
		act.Target = "what " + do.say + " opened"
		if _, err := w.Act(w.t.Context(), act); err != nil {
			w.t.Fatal(err)
		}
		w.mint(minting(do.id, fmt.Sprint("22222", i), by))
		if _, _, err := w.try(form("wrong"), do.agent, handle, "000000", do.say); !isNoMatch(err) {
			w.t.Fatal(err)
		}
		if _, err := w.verify(form("verify"), do.agent, handle, fmt.Sprint("22222", i), reason); err != nil {
			w.t.Fatal(err)
		}
		w.mint(login(do.id, fmt.Sprintf("guest%d-%s@x.example", i, do.words), by))
		live = append(live, s)
		w.mint(minting(do.id, fmt.Sprint("33333", i), by)) // stays alive
		if first, err := w.UseOTP(w.t.Context(), do.agent.Subject, 1); err != nil || first != (i != 1) {
			w.t.Fatal(first, err)
		}
	}
	return live
}

func (w *world) ended(s credentials.Session) credentials.Cause {
	w.t.Helper()
	got, err := w.Session(w.t.Context(), s.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return got.Cause
}

// TestEraseAgent: nothing is left of an agent but a pseudonym; what others did
// stays; a suspension outlives it.
func TestEraseAgent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live := w.people()
		if err := w.Suspend(t.Context(), eve.Key(), true, byOperator); err != nil {
			t.Fatal(err)
		}
		w.erased = true
		for _, a := range []credentials.Agent{dana, eve} {
			got, err := w.ErasePerson(t.Context(), a.Issuer, a.Subject)
			if err != nil || got.Person != a.Key() || got.Before || got.Credentials != 0 || got.Entries == 0 {
				t.Fatalf("%+v, %v", got, err)
			}
			if a.Subject == dana.Subject && (got.Accounts != 2 || got.Sessions != 2) {
				t.Errorf("%+v", got)
			}
		}
		if left := w.holds(append(ofDana[:3:3], ofEve[:3]...)...); len(left) != 0 {
			t.Errorf("after it %s", strings.Join(left, "\n"))
		}
		if left := w.holds(ofDana[3], ofEve[3]); len(left) != 0 {
			t.Errorf("what they typed is left: %s", strings.Join(left, "\n"))
		}
		if len(w.holds(ofOlga...)) == 0 || len(w.holds(ofPaul...)) == 0 {
			t.Error("the owners are gone too")
		}
		if cause := w.ended(live[0]); cause != credentials.CauseOperator {
			t.Errorf("the session ended by %q", cause)
		}
		if s, err := w.Session(t.Context(), live[0].ID); err != nil || s.Agent == nil || s.Agent.Name != "" || s.AgentKey() != dana.Key() {
			t.Errorf("the session as it is read: %+v, %v", s.Agent, err)
		}
		w.sound()
		w.afterErasure(t)
	})
}

// afterErasure looks what becomes of agents who were erased.
func (w *world) afterErasure(t *testing.T) {
	t.Helper()
	before := w.contents()
	if got, err := w.ErasePerson(t.Context(), dana.Issuer, dana.Subject); err != nil || !got.Before {
		t.Errorf("again: %+v, %v", got, err)
	}
	if _, err := w.ErasePerson(t.Context(), dana.Issuer, "somebody"); !errors.Is(err, credentials.ErrNotFound) {
		t.Errorf("somebody unknown: %v", err)
	}
	if w.contents() != before {
		t.Error("erasing nothing changed something")
	}
	if _, _, err := w.try("x", eve, "handleofsecond", "333331", ""); !errors.Is(err, credentials.ErrSuspended) {
		t.Errorf("a suspended agent who was erased: %v", err)
	}
	if _, _, err := w.try("y", dana, "handleofsecond", "333332", "pauls"); err != nil {
		t.Errorf("an agent who comes back: %v", err)
	}
	if n := w.number(`SELECT count(*) FROM agents WHERE subject = $1 AND issuer = $2`, dana.Subject, dana.Issuer); n != 1 {
		t.Error("an agent who came back is not named")
	}
	w.sound()
}

// TestEraseOwner: what an owner lent is revoked, then nothing is left of them;
// what others lent goes on.
func TestEraseOwner(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live := w.people()
		w.erased = true
		got, err := w.ErasePerson(t.Context(), olga.Issuer, olga.Subject)
		// In each account: the PIN of the live session, the live PIN, the login.
		if want := (Erased{Person: olga.Key(), Accounts: 2, Entries: got.Entries, Credentials: 6, Sessions: 2}); err != nil || got != want {
			t.Errorf("%+v, want %+v, %v", got, want, err)
		}
		words := slices.DeleteFunc(w.holds(ofOlga...), func(place string) bool {
			// An agent's reason is the agent's: it goes with them or the account.
			return place == "sessions.reason holds olgas" || place == "tries.reason holds olgas" || place == "record_people.fields holds olgas"
		})
		if len(words) != 0 {
			t.Errorf("after it %s", strings.Join(words, "\n"))
		}
		if w.ended(live[0]) != credentials.CauseRevoked || w.ended(live[1]) != credentials.CauseRevoked || w.ended(live[2]) != "" {
			t.Errorf("the sessions ended by %q, %q, %q", w.ended(live[0]), w.ended(live[1]), w.ended(live[2]))
		}
		if usable, err := w.Usable(t.Context(), "second", 9); err != nil || len(usable) != 2 || usable[0].Minter.Name != paul.Name {
			t.Errorf("%d credentials are left, %v", len(usable), err)
		}
		if got, err := w.ErasePerson(t.Context(), olga.Issuer, olga.Subject); err != nil || !got.Before {
			t.Errorf("again: %+v, %v", got, err)
		}
		if e := w.only(itself, credentials.RecordPersonErased); fmt.Sprint(e.Facts) != fmt.Sprint(map[string]string{"by": "operator", "person": olga.Key()}) || len(e.Digests) != 0 {
			t.Errorf("the entry: %v", e)
		}
		w.sound()
	})
}

// TestEraseAccount: nothing of the account's people is left in it, everything is
// revoked, the handle is free, and a later mint continues the same record.
func TestEraseAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live := w.people()
		w.erased = true
		got, err := w.EraseAccount(t.Context(), "first")
		if err != nil || got.Accounts != 1 || got.Credentials != 2 || got.Sessions != 1 || got.Entries == 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		if w.ended(live[0]) != credentials.CauseRevoked || w.ended(live[1]) != "" {
			t.Errorf("the sessions ended by %q and %q", w.ended(live[0]), w.ended(live[1]))
		}
		everybody := slices.Concat(ofDana, ofEve, ofOlga, ofPaul, []string{"Name of first", "Handle-of-first"})
		w.rows(func(table string, row map[string]string) {
			if row["account"] != "first" && row["chain"] != "first" && (table != "accounts" || row["id"] != "first") {
				return
			}
			for _, text := range everybody {
				if strings.Contains(fmt.Sprint(row), text) {
					t.Errorf("%s of %s: %v", text, table, row)
				}
			}
		})
		if len(w.holds("Name of second")) == 0 {
			t.Error("the other account is gone too")
		}
		if again, err := w.EraseAccount(t.Context(), "first"); err != nil || !again.Before {
			t.Errorf("again: %+v, %v", again, err)
		}
		for _, id := range []string{"", "nobody"} {
			if _, err := w.EraseAccount(t.Context(), id); !errors.Is(err, credentials.ErrNotFound) {
				t.Errorf("account %q: %v", id, err)
			}
		}
		if _, _, err := w.try("z", agent(9), "erased first", "333330", ""); !isNoMatch(err) {
			t.Errorf("by what stands in for the handle: %v", err)
		}
		last := w.only("first", credentials.RecordAccountErased)
		w.mint(minting("third", "111111", func(m *credentials.Minting) { m.Account.Handle = "Handle-of-first" }))
		w.mint(minting("first", "444444"))
		if s, err := w.redeem(agent(7), "H-first", "444444"); err != nil || s.Account.Name != "Account first" {
			t.Errorf("after a later mint: %+v, %v", s.Account, err)
		}
		if all := w.record("first"); all[len(all)-1].Seq != last.Seq+2 {
			t.Errorf("the record ends at %d after %d", all[len(all)-1].Seq, last.Seq)
		}
		w.sound()
	})
}

// TestErasedRepeats: what was compared with the erased is refused, not done again.
func TestErasedRepeats(t *testing.T) {
	for name, erase := range map[string]func(*world) error{
		"people": func(w *world) error {
			_, err1 := w.ErasePerson(w.t.Context(), dana.Issuer, dana.Subject)
			_, err2 := w.ErasePerson(w.t.Context(), olga.Issuer, olga.Subject)
			return errors.Join(err1, err2)
		},
		"account": func(w *world) error { _, err := w.EraseAccount(w.t.Context(), "acme"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				m := minting("acme", "222222", lent("acme", olga, "olgas"))
				w.mint(m)
				s, _, err := w.try("1", dana, "handleofacme", "222222", "olgas")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Issue(t.Context(), grant(s)); err != nil {
					t.Fatal(err)
				}
				act := action(s)
				if _, err := w.Act(t.Context(), act); err != nil {
					t.Fatal(err)
				}
				w.erased = true
				if err := erase(w); err != nil {
					t.Fatal(err)
				}
				if got, err := w.Act(t.Context(), act); !errors.Is(err, credentials.ErrKeyReused) {
					t.Errorf("the action again: %+v, %v", got, err)
				}
				if _, _, err := w.Mint(t.Context(), m); !errors.Is(err, credentials.ErrKeyReused) {
					t.Errorf("the mint again: %v", err)
				}
				w.sound()
			})
		})
	}
}

// TestEraseAgainstEverything: whoever enters or lends beside their own erasure
// did so before it, and is gone, or after it, and is named.
func TestEraseAgainstEverything(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.mint(login("acme", "guest@x.example"))
		w.erased = true
		parallel(62, func(i int) {
			var err error
			switch {
			case i == 30:
				_, err = w.ErasePerson(t.Context(), dana.Issuer, dana.Subject)
			case i == 31:
				_, err = w.ErasePerson(t.Context(), olga.Issuer, olga.Subject)
			case i%2 == 0:
				a := dana
				_, err = w.password(credentials.NewID(), &a, "guest@x.example", "danas")
			default:
				_, _, err = w.Mint(t.Context(), login("acme", fmt.Sprint(i, "@x.example"), lent("acme", olga, "olgas")))
			}
			if err != nil && !errors.Is(err, credentials.ErrNotFound) {
				t.Error(err)
			}
		})
		w.sound()
		for _, p := range [][2]string{{dana.Issuer, dana.Subject}, {olga.Issuer, olga.Subject}} {
			if _, err := w.ErasePerson(t.Context(), p[0], p[1]); err != nil {
				t.Error(err)
			}
		}
		if left := w.holds(append(slices.Clone(ofOlga), ofDana...)...); len(left) != 0 {
			t.Error(strings.Join(left, "\n"))
		}
		w.sound()
	})
}

// TestEraseHalfWay: wherever it stops, another run does the rest.
func TestEraseHalfWay(t *testing.T) {
	t.Parallel()
	marker := errors.New("marker")
	first := open(t, storetest.SQLite(t))
	first.people()
	again := first.frozen()
	for at, done := 1, false; !done; at++ {
		w := again()
		w.erased = true
		n := 0
		w.probe = func(statement string) error {
			if n++; n == at && statement != "COMMITTED" {
				return marker
			}
			return nil
		}
		_, err := w.ErasePerson(t.Context(), dana.Issuer, dana.Subject)
		w.probe = nil
		if done = err == nil && n < at; !done && err != nil {
			if !errors.Is(err, marker) {
				t.Fatalf("statement %d: %v", at, err)
			}
			if got, err := w.ErasePerson(t.Context(), dana.Issuer, dana.Subject); err != nil || got.Before {
				t.Errorf("after statement %d failed: %+v, %v", at, got, err)
			}
		}
		if left := w.holds(ofDana...); len(left) != 0 {
			t.Errorf("statement %d failed, and then %s", at, strings.Join(left, "\n"))
		}
		w.only(itself, credentials.RecordPersonErased)
		w.sound()
		w.Close()
	}
}
