package store

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

const (
	lockAgent       = `UPDATE agents SET seen_at = seen_at WHERE id = $1 RETURNING suspended_at`
	suspendAgent    = `UPDATE agents SET suspended_at = $2 WHERE id = $1`
	forgiveAgent    = `UPDATE tries SET forgiven = 1 WHERE agent = $1 AND forgiven = 0`
	accountsOfAgent = `SELECT DISTINCT account FROM sessions WHERE agent = $1 AND ended_at = 0`
	liveOfAgent     = `SELECT ` + sessionColumns + ` FROM sessions WHERE agent = $1 AND ended_at = 0 ORDER BY account, opened_at`
	readSuspended   = `SELECT suspended_at FROM agents WHERE id = $1`
	listAgents      = `SELECT id, issuer, subject, name, email, seen_at, suspended_at FROM agents ORDER BY seen_at DESC, id`
)

// Suspend implements credentials.Store. It holds the agent's row before it
// looks for sessions, so that none is opened beside it.
func (s *Store) Suspend(ctx context.Context, agent string, suspended bool, by credentials.Mark) error {
	return s.long(ctx, func(t *tx) error {
		var since int64
		found, err := t.one(lockAgent, []any{agent}, &since)
		if err != nil {
			return err
		}
		if !found {
			return credentials.ErrNotFound
		}
		if (since != 0) == suspended {
			return nil
		}
		if err := t.holdOf(agent, itself); err != nil {
			return err
		}
		return t.suspend(agent, suspended, by)
	})
}

func (t *tx) suspend(agent string, suspended bool, by credentials.Mark) error {
	at := int64(0)
	if suspended {
		at = micros(t.now)
	}
	if _, err := t.exec(suspendAgent, agent, at); err != nil {
		return err
	}
	if err := t.record(itself, credentials.DraftSuspension(agent, suspended, by)); err != nil {
		return err
	}
	if suspended {
		return t.endAll(liveOfAgent, credentials.CauseOperator, by, agent)
	}
	// Whoever lifts a suspension has looked: the tries behind it are forgiven.
	_, err := t.exec(forgiveAgent, agent)
	return err
}

const liveAgents = `SELECT DISTINCT agent_issuer, agent_sub, connector FROM sessions WHERE ` + sessionDue + ` > 0 AND agent <> ''`

// EndUnknown ends the sessions of agents whom known does not know any more:
// people who were taken out of the configuration must not go on refreshing.
func (s *Store) EndUnknown(ctx context.Context, known func(credentials.Agent) bool) error {
	var gone []credentials.Agent
	err := s.query(ctx, liveAgents, nil, func(r row) error {
		var a credentials.Agent
		err := r.Scan(&a.Issuer, &a.Subject, &a.Connector)
		if err == nil && !known(a) {
			gone = append(gone, a)
		}
		return err
	})
	for _, a := range gone {
		if err == nil {
			err = s.endAgent(ctx, a.Key())
		}
	}
	return err
}

func (s *Store) endAgent(ctx context.Context, agent string) error {
	return s.long(ctx, func(t *tx) error {
		var since int64
		if found, err := t.one(lockAgent, []any{agent}, &since); err != nil || !found {
			return err
		}
		if err := t.holdOf(agent); err != nil {
			return err
		}
		return t.endAll(liveOfAgent, credentials.CauseOperator, byOperator, agent)
	})
}

// holdOf takes the head rows of every account that the agent has a live session
// in, and of these besides.
func (t *tx) holdOf(agent string, besides ...string) error {
	accounts := besides
	err := t.each(accountsOfAgent, func(r row) error {
		var id string
		err := r.Scan(&id)
		accounts = append(accounts, id)
		return err
	}, agent)
	if err != nil {
		return err
	}
	return t.hold(accounts...)
}

// Suspended implements credentials.Store.
func (s *Store) Suspended(ctx context.Context, agent string) (bool, error) {
	var at int64
	found := false
	err := s.query(ctx, readSuspended, []any{agent}, scanning(&found, &at))
	return found && at != 0, err
}

// AgentRow is an agent as operators list them.
type AgentRow struct {
	ID, Issuer, Subject, Name, Email string
	SeenAt, SuspendedAt              time.Time
}

// Agents lists every agent who has tried to redeem, the latest first.
func (s *Store) Agents(ctx context.Context) (out []AgentRow, err error) {
	err = s.query(ctx, listAgents, nil, func(r row) error {
		var a AgentRow
		var seen, suspended int64
		err := r.Scan(&a.ID, &a.Issuer, &a.Subject, &a.Name, &a.Email, &seen, &suspended)
		a.SeenAt, a.SuspendedAt = fromMicros(seen), fromMicros(suspended)
		out = append(out, a)
		return err
	})
	return out, err
}
