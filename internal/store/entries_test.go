package store

import (
	"fmt"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestEntryOfEveryVerb: each decision has one entry, with what it says of it.
func TestEntryOfEveryVerb(t *testing.T) {
	want := map[string]map[string]int{
		"mint": {credentials.RecordMinted: 1}, "settle right": {credentials.RecordOpened: 1}, "settle wrong": {credentials.RecordRefusedTry: 1},
		"password": {credentials.RecordOpened: 1}, "issue": {credentials.RecordToken: 1}, "refresh": {credentials.RecordToken: 1},
		"act": {credentials.RecordAction: 1}, "end": {credentials.RecordEnded: 1}, "reserve": {}, "touch": {},
		"revoke":  {credentials.RecordRevoked: 2, credentials.RecordEnded: 1},
		"verify":  {credentials.RecordVerified: 1},
		"erase":   {credentials.RecordRevoked: 2, credentials.RecordEnded: 1, credentials.RecordAccountErased: 1},
		"suspend": {credentials.RecordSuspended: 1, credentials.RecordEnded: 1},
	}
	t.Parallel()
	for _, name := range names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, storetest.SQLite(t)).scene()
			count := func() map[string]int {
				out := map[string]int{}
				for _, chain := range []string{itself, "acme", "beta", "new"} {
					for kind, n := range s.kinds(chain) {
						out[kind] += n
					}
				}
				return out
			}
			before := count()
			if err := s.verbs()[name](t.Context()); err != nil {
				t.Fatal(err)
			}
			after := count()
			for kind, n := range before {
				if after[kind] -= n; after[kind] == 0 {
					delete(after, kind)
				}
			}
			if fmt.Sprint(after) != fmt.Sprint(want[name]) {
				t.Errorf("entries %v, want %v", after, want[name])
			}
		})
	}
}

// TestRecordNeverShowsSecrets: nothing of what was typed is kept.
func TestRecordNeverShowsSecrets(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.SQLite(t))
	mint, redeem := w.minter()
	m, err := mint.Mint(t.Context(), request("acme", "support-pin"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := redeem.PIN(t.Context(), "1", agent(1), "hacme", credentials.NewSecret("987123"), "why"); !isNoMatch(err) {
		t.Fatal(err)
	}
	if _, err := redeem.PIN(t.Context(), "2", agent(1), "hacme", m.Secret, "why"); err != nil {
		t.Fatal(err)
	}
	var export strings.Builder
	for _, e := range append(w.record("acme"), w.record(itself)...) {
		e.Digests, e.Hash, e.Prev = nil, nil, nil
		e.About = append([]audit.Person(nil), e.About...)
		for i := range e.About {
			e.About[i].Salt, e.About[i].ID = nil, ""
		}
		if err := e.Export(&export); err != nil {
			t.Fatal(err)
		}
	}
	for _, secret := range []string{m.Secret.Reveal(), "987123"} {
		if strings.Contains(export.String(), secret) || strings.Contains(w.contents(), secret) {
			t.Errorf("%s is kept", secret)
		}
	}
}
