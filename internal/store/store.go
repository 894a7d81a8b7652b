package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
)

// Options say which database to open and how.
type Options struct {
	DSN     string // sqlite:PATH or a postgres:// URL
	Secrets *keys.Secrets
	Migrate bool              // bring the schema up to date first
	Serve   bool              // alone from an SQLite file, until the store is closed; commands may run beside it
	Recover bool              // for Store.Recover: alone with the database, whatever became of a recovery before
	Pooled  bool              // a transaction pooler stands before the database
	Access  time.Duration     // the longest life of an access token
	Clients map[string]Client // by client_id, of those that hold tokens
	Now     func() time.Time
	Log     *slog.Logger
}

// Client is how a relying app learns of endings.
type Client struct {
	Enforces credentials.Enforces
	Logout   bool // it is called back at each (OpenID Connect Back-Channel Logout)
}

// Store implements credentials.Store and credentials.Reader.
type Store struct {
	engine              *engine
	now                 func() time.Time
	log                 *slog.Logger
	secrets             *keys.Secrets
	clients             map[string]Client
	together            *together
	guesses             guesses
	wake                chan struct{} // holds one while there may be endings that nobody has read
	hear                func(credentials.Cursor, []credentials.Ending) bool
	clockBad            atomic.Bool
	like                atomic.Pointer[time.Time] // when this clock was last found to be like PostgreSQL's
	from, next          atomic.Pointer[time.Time] // see Past
	commits, statements atomic.Int64
	limit               time.Duration                // of one verb
	flight              time.Duration                // of an attempt; see flightLimit
	ID                  string                       // of the installation
	place               func(try int) int64          // statusPlace, but for tests that force two into one
	probe               func(statement string) error // nil but in tests: sees each statement first, and may fail it
	elapsed             func(from, now time.Time) time.Duration
}

var (
	_ credentials.Store  = (*Store)(nil)
	_ credentials.Reader = (*Store)(nil)
)

// Open opens the database, migrates it if asked to, and checks that it belongs
// to these secrets and to a schema that this program knows.
func Open(ctx context.Context, o Options) (*Store, error) {
	e, err := openEngine(ctx, o.DSN, o.Recover, o.Pooled)
	if err != nil {
		return nil, err
	}
	s := &Store{engine: e, now: o.Now, log: o.Log, secrets: o.Secrets, clients: o.Clients, wake: make(chan struct{}, 1),
		limit: verbLimit, flight: flightLimit, place: statusPlace, elapsed: func(from, now time.Time) time.Duration { return now.Sub(from) }}
	s.together = &together{look: s.sessionsNow}
	if s.now == nil {
		s.now = time.Now
	}
	from := s.now()
	s.from.Store(&from)
	s.next.Store(&from)
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if o.Serve {
		err = e.serveAlone(ctx, o.DSN)
	}
	if err == nil {
		err = s.prepareToServe(ctx, o)
	}
	if err != nil {
		s.Close()
		return nil, behindPooler(err)
	}
	return s, nil
}

func (s *Store) prepareToServe(ctx context.Context, o Options) error {
	// SQLite does not wait for another program that opens a new file at the same moment.
	if err := again(ctx, func() error { return s.engine.write.PingContext(ctx) }); err != nil {
		return unreached{err}
	}
	if err := s.migrate(ctx, o.Migrate); err != nil {
		return err
	}
	recovering, err := s.installation(ctx)
	if err != nil {
		return err
	}
	if recovering && !o.Recover {
		return errors.New("a recovery of this database was begun and has not come to its end: run «valetkey recover --config FILE» again")
	}
	if err := errors.Join(s.lengthen(ctx, o.Access), s.findNotify(ctx)); err != nil {
		return err
	}
	return s.checkClock(ctx)
}

// Close closes the database. Nothing may use the store afterwards.
func (s *Store) Close() { s.engine.close() }

// Engine names the database for people: SQLite or PostgreSQL.
func (s *Store) Engine() string { return s.engine.name }

// Ready reports whether the database answers and the clock can be trusted.
func (s *Store) Ready(ctx context.Context) error {
	if err := s.Clock(); err != nil {
		return err
	}
	var one int
	return s.engine.read.QueryRowContext(ctx, `SELECT 1`).Scan(&one)
}

const (
	insertInstallation = `INSERT INTO installation (one, id, check_value, made_at, clock_mark) VALUES (1, $1, $2, $3, $3) ON CONFLICT DO NOTHING`
	insertCounter      = `INSERT INTO endings_counter (one, epoch, n) VALUES (1, $1, 0) ON CONFLICT DO NOTHING`
	insertItself       = `INSERT INTO accounts (id, connector, name, handle, handle_key, salt, seq, hash, at, touched)
VALUES ('', '', '', '', '', $1, 0, $2, 0, 0) ON CONFLICT DO NOTHING`
	selectInstallation = `SELECT id, check_value, recovering FROM installation WHERE one = 1`
)

// installation makes the installation's rows in an empty database, and refuses
// one that was made with other secrets. recovering: a recovery has begun.
func (s *Store) installation(ctx context.Context) (recovering bool, err error) {
	var check []byte
	read := func() error {
		return s.engine.write.QueryRowContext(ctx, selectInstallation).Scan(&s.ID, &check, &recovering)
	}
	if err = read(); errors.Is(err, sql.ErrNoRows) {
		if err = s.found(ctx); err == nil {
			err = read()
		}
	}
	if err != nil {
		return false, fmt.Errorf("the installation cannot be read: %w", err)
	}
	if string(check) != string(s.secrets.Check(s.ID)) {
		return false, errors.New("the secrets file is not the one that this database was made with: restore the right file, or copy it from another node")
	}
	return recovering, nil
}

// found makes the rows of a new installation; of several nodes one wins.
func (s *Store) found(ctx context.Context) error {
	return s.verb(ctx, func(t *tx) error {
		id := credentials.NewID()
		if _, err := t.exec(insertInstallation, id, s.secrets.Check(id), micros(s.now())); err != nil {
			return err
		}
		if _, err := t.exec(insertCounter, credentials.NewID()); err != nil {
			return err
		}
		_, err := t.exec(insertItself, []byte(credentials.NewID()), []byte{})
		return err
	})
}
