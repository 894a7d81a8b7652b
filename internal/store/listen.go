package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/valetkey/valetkey/credentials"
)

const (
	endingsChannel = "valetkey_endings"
	probeWithin    = 2 * time.Second  // for this node's own notice to come back
	probeAgain     = time.Minute      // where it does not
	pingEvery      = 15 * time.Second // of silence
	listenPause    = 5 * time.Second  // at most, before connecting again
)

// errDeaf says that notices do not arrive over this connection.
var errDeaf = errors.New("notices do not arrive")

// findNotify finds out whether the database takes notices. Some that speak
// PostgreSQL's protocol do not, and no ending may fail for that.
func (s *Store) findNotify(ctx context.Context) error {
	if !s.engine.notify {
		return nil
	}
	_, err := s.engine.write.ExecContext(ctx, notifyNodes)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "0A") || strings.HasPrefix(pg.Code, "42")) { // not supported; not there, not allowed
		s.engine.notify = false
		s.log.Warn("this database has no NOTIFY, so nodes learn of one another's endings by polling", "error", err)
		return nil
	}
	return err
}

// Listen has Wake signalled by endings that other nodes commit, until ctx ends.
// dsn leads to the database past any pooler. Where notices do not arrive, which
// it finds out by sending itself one, it says so once: the readers' own poll
// must do then. On SQLite there is no other node, and nothing to do.
func (s *Store) Listen(ctx context.Context, dsn string) error {
	if !s.engine.notify {
		return nil
	}
	cfg, err := pgxpool.ParseConfig(dsn) // it may have settings of a pool, which a server refuses
	if err != nil {
		return errUnparsed
	}
	const first = 100 * time.Millisecond
	pause := first
	for deaf, failing := false, false; ctx.Err() == nil; {
		heard, err := s.listen(ctx, cfg.ConnConfig)
		switch {
		case ctx.Err() != nil: // the error says that, too
		case errors.Is(err, errDeaf):
			if !deaf {
				s.log.Warn("LISTEN does not reach this node, so it learns of other nodes' endings by polling; let database_direct lead past the pooler")
			}
			deaf, failing, pause = true, false, probeAgain
		case heard:
			deaf, failing, pause = false, false, first
			s.log.Warn("the connection that listens for endings is lost; polling until it is back", "error", err)
		default:
			if !failing {
				s.log.Warn("this node cannot listen for endings yet; polling until it can", "error", err)
			}
			failing, pause = true, min(2*pause, listenPause)
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // jitter
		case <-ctx.Done():
		}
	}
	return nil
}

// listen listens over one connection until it fails. heard means that notices
// did arrive.
func (s *Store) listen(ctx context.Context, cfg *pgx.ConnConfig) (heard bool, err error) {
	connect, cancel := context.WithTimeout(ctx, verbLimit)
	defer cancel()
	c, err := pgx.ConnectConfig(connect, cfg)
	if err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = c.Close(ctx)
	}()
	if _, err := c.Exec(connect, `LISTEN `+endingsChannel); err != nil {
		return false, err
	}
	if err := s.hearsItself(connect, c); err != nil {
		return false, err
	}
	for {
		s.woken() // also for what was committed before this connection listened
		if err := wait(ctx, c, pingEvery); err != nil {
			return true, err
		}
	}
}

// hearsItself sends a notice over the pool, as a commit does, and waits for it.
func (s *Store) hearsItself(ctx context.Context, c *pgx.Conn) error {
	probe := credentials.NewID()
	if _, err := s.engine.write.ExecContext(ctx, `SELECT pg_notify($1, $2)`, endingsChannel, probe); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	for {
		notice, err := c.WaitForNotification(within)
		switch {
		case within.Err() != nil:
			return errDeaf
		case err != nil:
			return err
		case notice.Payload == probe:
			return nil
		}
	}
}

// wait waits for a notice, asking after each silence whether the database is
// there: a connection may be dead without a word.
func wait(ctx context.Context, c *pgx.Conn, silence time.Duration) error {
	for {
		within, cancel := context.WithTimeout(ctx, silence)
		_, err := c.WaitForNotification(within)
		silent := within.Err() != nil && ctx.Err() == nil
		cancel()
		if !silent {
			return err
		}
		ping, cancel := context.WithTimeout(ctx, pingEvery)
		err = c.Ping(ping)
		cancel()
		if err != nil {
			return err
		}
	}
}
