package store

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
)

const (
	selectSigningKeys = `SELECT id, purpose, alg, generation, sealed, made_at, state, since, due FROM signing_keys ORDER BY purpose, alg, generation`
	insertSigningKey  = `INSERT INTO signing_keys (id, purpose, alg, generation, sealed, made_at, state, since, due) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	moveSigningKey    = `UPDATE signing_keys SET state = $2, since = $3, due = $4 WHERE id = $1`
	dropSigningKey    = `DELETE FROM signing_keys WHERE id = $1`
	readKeysVersion   = `SELECT keys_version FROM installation WHERE one = 1`
	nextKeysVersion   = `UPDATE installation SET keys_version = keys_version + 1 WHERE one = 1`
	longestAccess     = `SELECT access FROM endings_counter WHERE one = 1`
)

// longestOther is the life of the longest token besides access tokens and those
// that live as long: a logout token.
const longestOther = 2 * time.Minute

// storedKey is a row.
type storedKey struct {
	keys.StoredKey
	generation int64
}

func scanKey(r row) (k storedKey, err error) {
	var made, since, due int64
	err = r.Scan(&k.ID, &k.Purpose, &k.Alg, &k.generation, &k.Sealed, &made, &k.State, &since, &due)
	k.MadeAt, k.Since, k.Due = fromMicros(made), fromMicros(since), fromMicros(due)
	return k, err
}

// SigningKeys lists the signing keys, by purpose, algorithm and age.
func (s *Store) SigningKeys(ctx context.Context) (out []keys.StoredKey, err error) {
	err = s.query(ctx, selectSigningKeys, nil, func(r row) error {
		k, err := scanKey(r)
		out = append(out, k.StoredKey)
		return err
	})
	return out, err
}

// Ring loads the signing keys, making those that are missing: one that signs
// access tokens, and one that signs ID tokens by each of these algorithms. Of
// several nodes that start at once, one makes each.
func (s *Store) Ring(ctx context.Context, idAlgs []string) (*keys.Ring, error) {
	_, err := s.changeKeys(ctx, s.verb, func(list []keys.StoredKey, _ time.Duration, now time.Time) keys.Plan {
		return keys.Missing(list, keys.Wanted(idAlgs), now)
	}, nil)
	if err != nil {
		return nil, err
	}
	list, err := s.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	opened, err := s.openKeys(list)
	if err != nil {
		return nil, err
	}
	return keys.NewRing(opened)
}

func (s *Store) openKeys(list []keys.StoredKey) (out []*keys.SigningKey, err error) {
	sealer := s.secrets.Sealer("signing keys")
	for _, row := range list {
		k, err := row.Open(sealer)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}

// RotateKeys lets the next signing keys sign as soon as they have been published
// long enough, which may be at once.
func (s *Store) RotateKeys(ctx context.Context, every time.Duration, by credentials.Mark) error {
	_, err := s.changeKeys(ctx, s.guarded, func(list []keys.StoredKey, life time.Duration, now time.Time) keys.Plan {
		return keys.Schedule{Every: every, Life: life, Hasten: true}.Due(list, nil, now)
	}, rotated(by))
	return err
}

// CompromisedKeys drops every signing key and makes others, which sign at once.
// It returns how many are gone. It works whatever the clock says.
func (s *Store) CompromisedKeys(ctx context.Context, every time.Duration, by credentials.Mark) (gone int, err error) {
	plan, err := s.changeKeys(ctx, s.verb, func(list []keys.StoredKey, _ time.Duration, now time.Time) keys.Plan {
		return keys.Schedule{Every: every}.Compromised(list, now)
	}, func(t *tx, p keys.Plan) error {
		var signing []string
		for _, k := range p.Make {
			if k.State == keys.Active {
				signing = append(signing, k.ID)
			}
		}
		return t.record(itself, credentials.DraftKeys(signing, true, by))
	})
	return len(plan.Drop), err
}

// rotated records which keys begin to sign, if any do.
func rotated(by credentials.Mark) func(*tx, keys.Plan) error {
	return func(t *tx, p keys.Plan) error {
		signing := p.Signing()
		if len(signing) == 0 {
			return nil
		}
		return t.record(itself, credentials.DraftKeys(signing, false, by))
	}
}

// errNothingDue ends a transaction that has nothing to write: another node did.
var errNothingDue = errors.New("nothing is due")

// changeKeys carries out what decide says, under the installation's row, so that
// of several nodes one does. Keys are made before: that takes long.
func (s *Store) changeKeys(ctx context.Context, run func(context.Context, func(*tx) error) error,
	decide func(list []keys.StoredKey, life time.Duration, now time.Time) keys.Plan, record func(*tx, keys.Plan) error,
) (keys.Plan, error) {
	list, err := s.SigningKeys(ctx)
	if err != nil {
		return keys.Plan{}, err
	}
	plan := decide(list, 0, s.now())
	if plan.Empty() {
		return plan, nil
	}
	made, err := makeKeys(plan.Make, s.now())
	if err != nil {
		return plan, err
	}
	err = run(ctx, func(t *tx) error {
		if _, err := t.exec(nextKeysVersion); err != nil { // the first lock
			return err
		}
		err := t.hold(itself)
		if err != nil {
			return err
		}
		plan, err = t.changeKeys(decide, maps.Clone(made))
		if err == nil && plan.Empty() {
			return errNothingDue
		}
		if err != nil || record == nil {
			return err
		}
		return record(t, plan)
	})
	if errors.Is(err, errNothingDue) {
		return keys.Plan{}, nil
	}
	return plan, err
}

// makeKeys makes a key for each that is wanted.
func makeKeys(wanted []keys.StoredKey, now time.Time) (map[keys.Family][]*keys.SigningKey, error) {
	out := map[keys.Family][]*keys.SigningKey{}
	for _, w := range wanted {
		k, err := keys.NewSigningKey(w.Purpose, w.Alg, now)
		if err != nil {
			return nil, err
		}
		out[w.Family()] = append(out[w.Family()], k)
	}
	return out, nil
}

// changeKeys decides again, with the keys held, and writes. made are keys to use
// up before others are made. The plan that it returns names the new keys.
func (t *tx) changeKeys(decide func([]keys.StoredKey, time.Duration, time.Time) keys.Plan, made map[keys.Family][]*keys.SigningKey) (keys.Plan, error) {
	var access int64
	if _, err := t.one(longestAccess, nil, &access); err != nil {
		return keys.Plan{}, err
	}
	var list []keys.StoredKey
	newest := map[keys.Family]int64{}
	err := t.each(selectSigningKeys, func(r row) error {
		k, err := scanKey(r)
		list = append(list, k.StoredKey)
		newest[k.Family()] = max(newest[k.Family()], k.generation)
		return err
	})
	if err != nil {
		return keys.Plan{}, err
	}
	plan := decide(list, max(time.Duration(access)*time.Microsecond, longestOther), t.now)
	for _, k := range plan.Drop {
		if _, err := t.exec(dropSigningKey, k.ID); err != nil {
			return plan, err
		}
	}
	for _, k := range plan.Move {
		if _, err := t.exec(moveSigningKey, k.ID, string(k.State), micros(k.Since), micros(k.Due)); err != nil {
			return plan, err
		}
	}
	for i := range plan.Make {
		f := plan.Make[i].Family()
		newest[f]++
		if err := t.insertKey(&plan.Make[i], newest[f], made); err != nil {
			return plan, err
		}
	}
	return plan, nil
}

// insertKey stores a key for what is wanted, and gives that the key's id.
func (t *tx) insertKey(wanted *keys.StoredKey, generation int64, made map[keys.Family][]*keys.SigningKey) error {
	f := wanted.Family()
	if len(made[f]) == 0 { // decided otherwise than before
		more, err := makeKeys([]keys.StoredKey{*wanted}, t.now)
		if err != nil {
			return err
		}
		made[f] = more[f]
	}
	k := made[f][0]
	made[f] = made[f][1:]
	k.Stage, k.MadeAt = wanted.Stage, t.now
	row, err := k.Store(t.s.secrets.Sealer("signing keys"))
	if err != nil {
		return err
	}
	wanted.ID = row.ID
	_, err = t.exec(insertSigningKey, row.ID, string(row.Purpose), row.Alg, generation, row.Sealed, micros(row.MadeAt),
		string(row.State), micros(row.Since), micros(row.Due))
	return err
}

const useOTP = `INSERT INTO otp_used (person, step) VALUES ($1, $2) ON CONFLICT DO NOTHING`

// UseOTP marks a time step of a person's one-time codes as used. It reports
// whether this is the first use.
func (s *Store) UseOTP(ctx context.Context, person string, step int64) (first bool, err error) {
	err = s.verb(ctx, func(t *tx) error {
		n, err := t.exec(useOTP, person, step)
		first = n == 1
		return err
	})
	return first, err
}
