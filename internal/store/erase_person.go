package store

import (
	"context"

	"github.com/valetkey/valetkey/credentials"
)

// theirs are the credentials that a person made, or that are bound to them, in
// one account: $1 the account, $2 the pseudonym, $3 and $4 issuer and subject.
const theirs = `account = $1 AND (minter_issuer = $3 AND minter_subject = $4 OR contact_key = $2)`

const (
	accountsOfPerson = `SELECT account FROM credentials WHERE minter_issuer = $2 AND minter_subject = $3 OR contact_key = $1
UNION SELECT account FROM sessions WHERE agent = $1 AND (agent_sub <> '' OR reason <> '')
UNION SELECT account FROM tries WHERE agent = $1 AND reason <> ''
UNION SELECT chain FROM record_people WHERE person = $1
ORDER BY 1`
	knownPerson = `SELECT 1 FROM agents WHERE id = $1
UNION SELECT 1 FROM record WHERE chain = '' AND kind = $2 AND replace(facts, $3, '') <> facts`
	namedAgent = `SELECT 1 FROM agents WHERE id = $1 AND subject <> ''`
)

// person is somebody who is to be erased.
type person struct{ key, issuer, subject string }

func (p person) of(account string) []any { return []any{account, p.key, p.issuer, p.subject} }

// ErasePerson erases an owner or agent from every record and table, after
// ending the sessions that they have and revoking what they lent. ErrNotFound:
// nobody of that issuer and subject is known here.
//
// The accounts are done one by one, and what the person is found by goes last:
// stopped half way, another run does the rest.
func (s *Store) ErasePerson(ctx context.Context, issuer, subject string) (Erased, error) {
	p := person{credentials.Person(issuer, subject), issuer, subject}
	out := Erased{Person: p.key}
	accounts, err := s.accountsOf(ctx, p)
	if err != nil {
		return out, err
	}
	named := false
	if err := s.query(ctx, namedAgent, []any{p.key}, scanning(&named, new(int))); err != nil {
		return out, err
	}
	if len(accounts) == 0 && !named {
		return s.erasedBefore(ctx, out)
	}
	for _, account := range accounts {
		if account == itself {
			continue
		}
		if err := s.erasePersonIn(ctx, p, account, &out); err != nil {
			return out, err
		}
		out.Accounts++
	}
	return out, s.eraseFromRecord(ctx, p, &out)
}

func (s *Store) accountsOf(ctx context.Context, p person) (ids []string, err error) {
	err = s.queryWithin(ctx, s.many(), accountsOfPerson, []any{p.key, p.issuer, p.subject}, func(r row) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// erasedBefore tells somebody who was erased from somebody who is unknown.
func (s *Store) erasedBefore(ctx context.Context, out Erased) (Erased, error) {
	fact := `"person":"` + out.Person + `"`
	err := s.queryWithin(ctx, s.many(), knownPerson, []any{out.Person, credentials.RecordPersonErased, fact}, scanning(&out.Before, new(int)))
	if err == nil && !out.Before {
		err = credentials.ErrNotFound
	}
	return out, err
}

const (
	revocable = `SELECT ` + credentialColumns + ` FROM credentials WHERE ` + theirs + ` AND (state = 'live' OR
id IN (SELECT credential FROM sessions WHERE account = $1 AND ended_at = 0))`
	liveOfTheirs = `SELECT ` + sessionColumns + ` FROM sessions WHERE account = $1 AND ended_at = 0 AND
credential IN (SELECT id FROM credentials WHERE ` + theirs + `) ORDER BY opened_at, sid`
	liveOfAgentIn = `SELECT ` + sessionColumns + ` FROM sessions WHERE account = $1 AND ended_at = 0 AND agent = $2 ORDER BY opened_at, sid`
)

// erasePersonIn ends the person's access in an account, either way, and erases
// them from its rows. It holds the agent's row, so that they open no session
// beside it.
func (s *Store) erasePersonIn(ctx context.Context, p person, account string, out *Erased) error {
	var revoked, ended int
	err := s.long(ctx, func(t *tx) error {
		if _, err := t.one(lockAgent, []any{p.key}, new(int64)); err != nil {
			return err
		}
		if err := t.hold(account); err != nil {
			return err
		}
		if err := t.endAll(liveOfAgentIn, credentials.CauseOperator, byOperator, account, p.key); err != nil {
			return err
		}
		var err error
		if revoked, err = t.revokeSome(revocable, byOperator, p.of(account)...); err != nil {
			return err
		}
		if err := t.endAll(liveOfTheirs, credentials.CauseRevoked, byOperator, p.of(account)...); err != nil {
			return err
		}
		ended = len(t.ended)
		return t.blankPerson(p, account)
	})
	if err == nil {
		out.Credentials, out.Sessions = out.Credentials+revoked, out.Sessions+ended
	}
	return err
}

const (
	blankTheirKeys     = `UPDATE idempotency SET digest = $5 WHERE credential IN (SELECT id FROM credentials WHERE ` + theirs + `)`
	blankTheirSessions = blankSessions + ` WHERE account = $1 AND credential IN (SELECT id FROM credentials WHERE ` + theirs + `)`
	blankOwn           = ` WHERE account = $1 AND agent = $2`
)

func (t *tx) blankPerson(p person, account string) error {
	for _, step := range []struct {
		query string
		args  []any
	}{
		{blankTheirKeys, append(p.of(account), []byte{})},
		{blankTheirSessions, p.of(account)},
		{blankCredentials + ` WHERE ` + theirs, p.of(account)},
		{blankAgents + blankOwn, []any{account, p.key}},
		{blankTries + blankOwn, []any{account, p.key}},
	} {
		if _, err := t.exec(step.query, step.args...); err != nil {
			return err
		}
	}
	return nil
}

const (
	blankTheirActions = `UPDATE actions SET digest = $2 WHERE (chain, seq) IN (SELECT chain, seq FROM record_people WHERE person = $1)`
	blankAgent        = `UPDATE agents SET issuer = '', subject = '', name = '', email = '' WHERE id = $1`
	dropOTP           = `DELETE FROM otp_used WHERE person = $1`
	dropPerson        = `DELETE FROM record_people WHERE person = $1`
)

// eraseFromRecord erases the person from every chain and says so in the
// installation's. After it nothing leads to them.
func (s *Store) eraseFromRecord(ctx context.Context, p person, out *Erased) error {
	return s.long(ctx, func(t *tx) error {
		if _, err := t.one(lockAgent, []any{p.key}, new(int64)); err != nil {
			return err
		}
		if err := t.hold(itself); err != nil {
			return err
		}
		if _, err := t.exec(blankAgent, p.key); err != nil {
			return err
		}
		if _, err := t.exec(dropOTP, p.subject); err != nil {
			return err
		}
		if _, err := t.exec(blankTheirActions, p.key, []byte{}); err != nil {
			return err
		}
		n, err := t.exec(dropPerson, p.key)
		if err != nil {
			return err
		}
		out.Entries = int(n)
		return t.record(itself, credentials.DraftPersonErased(p.key, byOperator))
	})
}
