package keys

import (
	"strings"
	"testing"
	"time"
)

// apply carries a plan out on a list, as the database does.
func apply(list []StoredKey, p Plan, name func() string) []StoredKey {
	var out []StoredKey
	for _, k := range list {
		for _, m := range p.Move {
			if m.ID == k.ID {
				k = m
			}
		}
		dropped := false
		for _, d := range p.Drop {
			dropped = dropped || d.ID == k.ID
		}
		if !dropped {
			out = append(out, k)
		}
	}
	for _, k := range p.Make {
		k.ID = name()
		out = append(out, k)
	}
	return out
}

// TestScheduleHoldsItsPromises: over a year of looks at odd moments, something
// always signs, was published long enough before, and stays long enough after.
func TestScheduleHoldsItsPromises(t *testing.T) {
	t.Parallel()
	for _, s := range []Schedule{
		{Every: 30 * 24 * time.Hour, Life: 5 * time.Minute}, {Every: 7 * 24 * time.Hour, Life: 48 * time.Hour},
		{Every: time.Hour, Life: 5 * time.Minute}, {Every: time.Second, Life: time.Minute},
	} {
		start := time.Unix(1_800_000_000, 0).UTC()
		now, made := start, 0
		name := func() string { made++; return string(rune('a'+made%26)) + strings.Repeat("x", made/26) }
		wanted := Wanted([]string{"RS256"})
		list := apply(nil, Missing(nil, wanted, now), name)
		published, ended := map[string]time.Time{}, map[string]time.Time{}
		first := map[string]bool{}
		for _, k := range list {
			first[k.ID] = true
		}
		for step := 0; now.Before(start.Add(min(365*24*time.Hour, 200*s.Every+100*Ahead))); step++ {
			before := list
			list = apply(list, s.Due(list, wanted, now), name)
			for _, f := range wanted {
				active := 0
				for _, k := range list {
					if k.Family() == f && k.State == Active {
						active++
					}
				}
				if active != 1 {
					t.Fatalf("%v: %d keys sign for %v at %s", s, active, f, now.Sub(start))
				}
			}
			judge(t, s, before, list, first, published, ended, now)
			now = now.Add(max(s.Every/97, time.Minute) + time.Duration(step%7)*time.Second)
		}
		if made < 20 {
			t.Errorf("%v: only %d keys were made", s, made)
		}
	}
}

func judge(t *testing.T, s Schedule, before, list []StoredKey, first map[string]bool, published, ended map[string]time.Time, now time.Time) {
	t.Helper()
	there := map[string]State{}
	for _, k := range list {
		there[k.ID] = k.State
		if _, known := published[k.ID]; !known {
			published[k.ID] = now
			if k.State != Next && !first[k.ID] {
				t.Fatalf("%v: a key is published as %s", s, k.State)
			}
		}
		if k.State == Retiring && ended[k.ID].IsZero() {
			ended[k.ID] = now
		}
	}
	for _, k := range before {
		switch state, still := there[k.ID]; {
		case k.State == Next && state == Active && now.Sub(published[k.ID]) < 2*MaxAge:
			t.Fatalf("%v: a key signs %s after it was published", s, now.Sub(published[k.ID]))
		case !still && k.State != Retiring:
			t.Fatalf("%v: a key that is %s goes", s, k.State)
		case !still && now.Sub(ended[k.ID]) < s.Life+2*MaxAge:
			t.Fatalf("%v: a key goes %s after it has signed", s, now.Sub(ended[k.ID]))
		}
	}
}

func TestHasten(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0).UTC()
	day := 24 * time.Hour
	key := func(id string, state State, since, due time.Time) StoredKey {
		return StoredKey{ID: id, Purpose: ForAccess, Alg: "ES256", Stage: Stage{state, since, due}}
	}
	hasten := Schedule{Every: 30 * day, Life: 5 * time.Minute, Hasten: true}
	active := key("a", Active, now.Add(-day), time.Time{})

	p := hasten.Due([]StoredKey{active, key("n", Next, now.Add(-day), now.Add(29*day))}, nil, now)
	if len(p.Move) != 2 || p.Move[0].ID != "n" || p.Move[0].State != Active || p.Move[1].State != Retiring ||
		!p.Move[1].Due.Equal(now.Add(day+2*MaxAge)) || len(p.Make) != 1 || !p.Make[0].Due.Equal(now.Add(30*day)) {
		t.Errorf("a next key that is known everywhere: %+v", p)
	}
	p = hasten.Due([]StoredKey{active, key("n", Next, now.Add(-time.Minute), now.Add(30*day))}, nil, now)
	if len(p.Move) != 1 || p.Move[0].State != Next || !p.Move[0].Due.Equal(now.Add(2*MaxAge-time.Minute)) || len(p.Make) != 0 {
		t.Errorf("a next key that is new: %+v", p)
	}
	// The job does not put it off again, and does it when it is due.
	list := []StoredKey{active, p.Move[0]}
	usual := hasten
	usual.Hasten = false
	if p := usual.Due(list, nil, now); !p.Empty() {
		t.Errorf("before it is due: %+v", p)
	}
	if p := usual.Due(list, nil, now.Add(2*MaxAge-time.Minute)); len(p.Signing()) != 1 {
		t.Errorf("when it is due: %+v", p)
	}
	if p := hasten.Due([]StoredKey{active}, nil, now); len(p.Make) != 1 || p.Make[0].State != Next || !p.Make[0].Due.Equal(now.Add(2*MaxAge)) {
		t.Errorf("without a next key: %+v", p)
	}
}

func TestCompromisedLeavesNothing(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var list []StoredKey
	for i, state := range []State{Next, Active, Retiring} {
		for _, f := range Wanted([]string{"RS256", "EdDSA"}) {
			list = append(list, StoredKey{ID: string(state) + f.Alg + string(f.Purpose), Purpose: f.Purpose, Alg: f.Alg, Stage: Stage{State: state, Since: now.Add(time.Duration(i))}})
		}
	}
	p := Schedule{Every: time.Hour}.Compromised(list, now)
	if len(p.Drop) != 9 || len(p.Make) != 6 || len(p.Move) != 0 {
		t.Errorf("%d dropped, %d made, %d kept", len(p.Drop), len(p.Make), len(p.Move))
	}
	for _, f := range Wanted([]string{"RS256", "EdDSA"}) {
		if f.in(Active, p.Make) == nil || f.in(Next, p.Make) == nil {
			t.Errorf("%v lacks a key", f)
		}
	}
}
