package keys

import (
	"slices"
	"strings"
	"time"
)

// MaxAge is how long relying apps may keep the JWKS.
const MaxAge = 5 * time.Minute

// Ahead is how long a key is published before it signs, and after the last that
// it signed is over. Twice MaxAge: a node may have learned of the key late, and a
// cache may have kept the JWKS before an app did.
const Ahead = 2 * MaxAge

// lingers is how long a key is published at least after it has signed. Tokens
// are over long before; but an ID token is an id_token_hint also after that, and
// most sessions do not last a day.
const lingers = 24 * time.Hour

// Family are the keys of one purpose and algorithm: one of them signs.
type Family struct {
	Purpose Purpose
	Alg     string
}

// Family is the key's.
func (k StoredKey) Family() Family { return Family{k.Purpose, k.Alg} }

// Wanted are the families of an installation: access tokens are always ES256,
// ID tokens have these algorithms.
func Wanted(idAlgs []string) []Family {
	out := []Family{{ForAccess, "ES256"}}
	for _, alg := range idAlgs {
		out = append(out, Family{ForID, alg})
	}
	return out
}

// Schedule says how long keys sign.
type Schedule struct {
	Every  time.Duration // how long each signs
	Life   time.Duration // the longest life of what they sign
	Hasten bool          // the next keys take over as soon as they may
}

// Plan is what is to be done with the keys of an installation.
type Plan struct {
	Make []StoredKey // their purpose, algorithm and stage; the key is to be made
	Move []StoredKey // with the stage that they go to
	Drop []StoredKey
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool { return len(p.Make)+len(p.Move)+len(p.Drop) == 0 }

// Signing are the ids of the keys that begin to sign, besides those that are to
// be made.
func (p Plan) Signing() (ids []string) {
	for _, k := range p.Move {
		if k.State == Active {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

// Missing makes keys that sign for those wanted families that have none.
func Missing(list []StoredKey, wanted []Family, now time.Time) (p Plan) {
	for _, f := range wanted {
		if f.in(Active, list) == nil {
			p.make(f, Stage{State: Active, Since: now})
		}
	}
	return p
}

// Due says what has to be done now. Families that keys exist of go on whether
// they are wanted or not: another node may want them.
func (s Schedule) Due(list []StoredKey, wanted []Family, now time.Time) (p Plan) {
	for _, k := range list {
		if k.State == Retiring && !now.Before(k.Due) {
			p.Drop = append(p.Drop, k)
		}
	}
	for _, f := range families(list, wanted) {
		s.due(&p, f, f.in(Active, list), f.in(Next, list), now)
	}
	return p
}

func (s Schedule) due(p *Plan, f Family, active, next *StoredKey, now time.Time) {
	if active == nil {
		p.make(f, Stage{State: Active, Since: now})
		active = &StoredKey{Stage: Stage{Since: now}}
	}
	end := active.Since.Add(s.Every)
	if s.Hasten {
		end = now
	}
	if next == nil {
		p.make(f, Stage{State: Next, Since: now, Due: later(end, now.Add(Ahead))})
		return
	}
	at := later(end, next.Since.Add(Ahead))
	switch earlier := at.Before(next.Due); {
	case !now.Before(next.Due) || earlier && !now.Before(at):
		p.move(*next, Stage{State: Active, Since: now})
		if active.ID != "" {
			p.move(*active, Stage{State: Retiring, Since: now, Due: now.Add(max(s.Life, lingers) + Ahead)})
		}
		p.make(f, Stage{State: Next, Since: now, Due: now.Add(max(s.Every, Ahead))})
	case earlier:
		p.move(*next, Stage{State: Next, Since: next.Since, Due: at})
	}
}

// Compromised replaces every key, whatever its state: whoever had one of them
// may have had all.
func (s Schedule) Compromised(list []StoredKey, now time.Time) (p Plan) {
	p.Drop = list
	for _, f := range families(list, nil) {
		p.make(f, Stage{State: Active, Since: now})
		p.make(f, Stage{State: Next, Since: now, Due: now.Add(max(s.Every, Ahead))})
	}
	return p
}

func (p *Plan) make(f Family, s Stage) {
	p.Make = append(p.Make, StoredKey{Purpose: f.Purpose, Alg: f.Alg, Stage: s})
}

func (p *Plan) move(k StoredKey, s Stage) {
	k.Stage = s
	p.Move = append(p.Move, k)
}

// in finds the family's latest key in a state.
func (f Family) in(state State, list []StoredKey) (found *StoredKey) {
	for i, k := range list {
		if k.State == state && k.Family() == f && (found == nil || k.Since.After(found.Since)) {
			found = &list[i]
		}
	}
	return found
}

func families(list []StoredKey, wanted []Family) []Family {
	out := slices.Clone(wanted)
	for _, k := range list {
		out = append(out, k.Family())
	}
	slices.SortFunc(out, func(a, b Family) int {
		return strings.Compare(string(a.Purpose)+a.Alg, string(b.Purpose)+b.Alg)
	})
	return slices.Compact(out)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
