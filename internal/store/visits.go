package store

import (
	"context"
	"strings"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// What an owner sees of the present. Each is one statement, by an index that
// holds what lives apart from what is over; + 0 keeps SQLite from an index that
// holds what lives in every account.
const (
	listUsable = `SELECT ` + credentialColumns + ` FROM credentials
WHERE account = $1 AND state = 'live' AND redeem_by + 0 > $2 AND (uses = 0 OR uses_left > 0)
ORDER BY made_at DESC, id DESC LIMIT $3`
	listVisits = `SELECT ` + sessionColumns + `, coalesce((
	SELECT string_agg(client, ' ' ORDER BY first, client)
	FROM (SELECT client, min(at) AS first FROM grants WHERE grants.sid = sessions.sid GROUP BY client) AS apps), '')
FROM sessions WHERE account = $1 AND ended_at = 0 AND ends_at > $2 AND active_at + idle > $2
ORDER BY opened_at DESC, sid DESC LIMIT $3`
	listOver = `SELECT ` + sessionColumns + ` FROM sessions WHERE account = $1 AND ended_at > $2
ORDER BY ended_at DESC, opened_at DESC, sid DESC LIMIT $3`
)

// Usable implements credentials.Reader.
func (s *Store) Usable(ctx context.Context, account string, limit int) (out []credentials.Credential, err error) {
	err = s.query(ctx, listUsable, []any{account, micros(s.now()), limit}, func(r row) error {
		c, err := scanCredential(r)
		out = append(out, c)
		return err
	})
	return out, err
}

// Visits implements credentials.Reader.
func (s *Store) Visits(ctx context.Context, account string, limit int) (out []credentials.Visit, err error) {
	err = s.query(ctx, listVisits, []any{account, micros(s.now()), limit}, func(r row) error {
		var apps string
		found, err := scanSession(r, &apps)
		out = append(out, credentials.Visit{Session: found, Apps: strings.Fields(apps)})
		return err
	})
	return out, err
}

// Over implements credentials.Reader.
func (s *Store) Over(ctx context.Context, account string, since time.Time, limit int) (out []credentials.Session, err error) {
	err = s.query(ctx, listOver, []any{account, micros(since), limit}, gather(&out))
	return out, err
}

// namesAtOnce is how many names one statement finds. Its text is always the
// same, so that it is kept once: what is missing is filled up with nothing.
const namesAtOnce = 100

var listNames = `SELECT sid, account, agent_name FROM sessions WHERE sid IN (` + places(1, namesAtOnce) + `)`

// Names implements credentials.Reader.
func (s *Store) Names(ctx context.Context, account string, sids []string) (map[string]string, error) {
	out := make(map[string]string, len(sids))
	for len(sids) > 0 {
		args := make([]any, namesAtOnce)
		for i := range args {
			args[i] = ""
			if i < len(sids) {
				args[i] = sids[i]
			}
		}
		sids = sids[min(namesAtOnce, len(sids)):]
		err := s.query(ctx, listNames, args, func(r row) error {
			var sid, of, name string
			err := r.Scan(&sid, &of, &name)
			if of == account && name != "" {
				out[sid] = name
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
