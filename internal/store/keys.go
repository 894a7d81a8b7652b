package store

import (
	"context"
	"database/sql"

	"github.com/valetkey/valetkey/internal/keys"
)

const (
	selectSigningKeys = `SELECT id, purpose, alg, sealed, made_at FROM signing_keys ORDER BY made_at, id`
	insertSigningKey  = `INSERT INTO signing_keys (id, purpose, alg, generation, sealed, made_at) VALUES ($1, $2, $3, 1, $4, $5) ON CONFLICT DO NOTHING`
)

// Ring loads the signing keys, making those that are missing: one for access
// tokens, and one for ID tokens by each of these algorithms. Of several nodes
// that start at once, one makes each.
func (s *Store) Ring(ctx context.Context, idAlgs []string) (*keys.Ring, error) {
	have, err := s.signingKeys(ctx)
	if err != nil {
		return nil, err
	}
	made := false
	add := func(purpose keys.Purpose, alg string) error {
		for _, k := range have {
			if k.Purpose == purpose && string(k.Alg) == alg {
				return nil
			}
		}
		made = true
		return s.makeKey(ctx, purpose, alg)
	}
	err = add(keys.ForAccess, "ES256")
	for _, alg := range idAlgs {
		if err == nil {
			err = add(keys.ForID, alg)
		}
	}
	if err == nil && made {
		have, err = s.signingKeys(ctx)
	}
	if err != nil {
		return nil, err
	}
	return keys.NewRing(have)
}

func (s *Store) makeKey(ctx context.Context, purpose keys.Purpose, alg string) error {
	k, err := keys.NewSigningKey(purpose, alg, s.now())
	if err != nil {
		return err
	}
	row, err := k.Store(s.secrets.Sealer("signing keys"))
	if err != nil {
		return err
	}
	return s.verb(ctx, func(t *tx) error {
		_, err := t.exec(insertSigningKey, row.ID, string(row.Purpose), row.Alg, row.Sealed, micros(row.MadeAt))
		return err
	})
}

func (s *Store) signingKeys(ctx context.Context) (out []*keys.SigningKey, err error) {
	sealer := s.secrets.Sealer("signing keys")
	err = s.query(ctx, selectSigningKeys, nil, func(r *sql.Rows) error {
		var row keys.StoredKey
		var at int64
		if err := r.Scan(&row.ID, &row.Purpose, &row.Alg, &row.Sealed, &at); err != nil {
			return err
		}
		row.MadeAt = fromMicros(at)
		k, err := row.Open(sealer)
		out = append(out, k)
		return err
	})
	return out, err
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
