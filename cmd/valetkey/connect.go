package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/valetkey/valetkey/internal/config"
	"github.com/valetkey/valetkey/internal/store"
)

// connect asks everything that the configuration names outside this process,
// and tells of each whether it answers. Nothing is migrated.
func connect(ctx context.Context, out io.Writer, cfg *config.Config) error {
	failed := 0
	tell := func(what string, err error, well string) {
		if err != nil {
			failed++
			well = err.Error()
		}
		fmt.Fprintf(out, "%s: %s\n", what, well)
	}
	fmt.Fprintln(out)
	if file := string(cfg.Database.SQLite); file != "" && absent(file) {
		tell("database", nil, "does not exist yet; serve makes it")
	} else {
		schema, err := store.Migrate(ctx, dsn(cfg.DatabaseDirect), false)
		tell("database", err, fmt.Sprintf("answers; its schema is at step %d of %d", schema.Have, schema.Want))
		if err == nil && file == "" {
			said, err := promises(ctx, cfg)
			tell("database", err, said)
		}
	}
	ask := func(people string, c config.Connector, door string) {
		if c.OIDC != nil {
			upstream := wireOIDC(cfg, c, door)
			tell(people+"["+c.ID+"]", upstream.Discover(ctx), "its issuer answers; register there the redirect URI "+upstream.RedirectURI)
		}
	}
	for _, o := range cfg.Owners {
		ask("owners", o.Connector, ownerDoor)
	}
	for _, a := range cfg.Agents {
		ask("agents", a.Connector, agentDoor)
	}
	switch failed {
	case 0:
		return nil
	case 1:
		return errors.New("one of them did not answer as it should; see above")
	}
	return fmt.Errorf("%d of them did not answer as they should; see above", failed)
}

// promises says what PostgreSQL promises, and what it does not.
func promises(ctx context.Context, cfg *config.Config) (string, error) {
	s, err := store.Promises(ctx, dsn(cfg.Database), dsn(cfg.DatabaseDirect), cfg.Database != cfg.DatabaseDirect)
	if err == nil && s.Replica {
		err = errors.New("is a replica, which cannot be written to and may be behind; let database lead to the primary")
	}
	said := "a commit is on a second machine before it is answered"
	if !s.Synchronous {
		said = "warning: a failover may undo the last commits, revocations among them, since no synchronous standby is set up (synchronous_standby_names)"
	}
	if s.Listens {
		return said + "; notices of endings arrive", err
	}
	return said + fmt.Sprintf("; warning: no notice of an ending arrives (LISTEN), so other nodes learn of it by polling, within %v; let database_direct lead past the pooler", cfg.Poll), err
}
