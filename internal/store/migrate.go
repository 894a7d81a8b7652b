package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/valetkey/valetkey/migrations"
)

// Schema tells how far a database is.
type Schema struct {
	Have, Want int64
}

// Migrate brings the schema of a database up to date, or only tells how far it
// is. Nodes that do so at once wait for one another.
func Migrate(ctx context.Context, dsn string, apply bool) (Schema, error) {
	e, err := openEngine(ctx, dsn, false, false)
	if err != nil {
		return Schema{}, err
	}
	defer e.close()
	p, err := migrator(e)
	if err != nil {
		return Schema{}, err
	}
	if apply {
		if err := up(ctx, e, p); err != nil {
			return Schema{}, behindPooler(err)
		}
	}
	have, err := schema(ctx, p)
	return have, behindPooler(err)
}

func (s *Store) migrate(ctx context.Context, apply bool) error {
	p, err := migrator(s.engine)
	if err != nil {
		return err
	}
	if apply {
		return up(ctx, s.engine, p)
	}
	have, err := schema(ctx, p)
	if err != nil {
		return err
	}
	if have.Have < have.Want {
		return fmt.Errorf("the database's schema is at step %d and this program needs %d: run «valetkey migrate --config FILE»", have.Have, have.Want)
	}
	return nil
}

func migrator(e *engine) (*goose.Provider, error) {
	opts := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if e.dialect == goose.DialectPostgres {
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(e.dialect, e.write, migrations.Files, opts...)
}

// schema reads how far the database is and refuses one that is ahead.
func schema(ctx context.Context, p *goose.Provider) (Schema, error) {
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return Schema{}, fmt.Errorf("the schema's version cannot be read: %w", notOurs(err))
	}
	if have > want {
		return Schema{}, fmt.Errorf("the database's schema is at step %d, made by a newer program; this one knows %d: run the newer one", have, want)
	}
	return Schema{Have: have, Want: want}, nil
}

// notOurs says what to do where somebody else owns the schema.
func notOurs(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42501" { // insufficient_privilege
		return fmt.Errorf("%w: run «valetkey migrate --config FILE» first, with database_direct as the user who owns the schema", err)
	}
	return err
}

// sqliteTries is how often migrating SQLite is tried: another process may be
// doing the same step, and then finds it done.
const sqliteTries = 3

func up(ctx context.Context, e *engine, p *goose.Provider) error {
	tries := 1
	if e.dialect == goose.DialectSQLite3 {
		tries = sqliteTries
	}
	var err error
	for range tries {
		if _, err = schema(ctx, p); err != nil {
			continue
		}
		if _, err = p.Up(ctx); err == nil {
			return nil
		}
	}
	return fmt.Errorf("the database cannot be migrated: %w", err)
}
