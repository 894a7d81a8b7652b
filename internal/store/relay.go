package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// SQLite has one connection that writes, and each COMMIT waits for the disk. So
// verbs take turns, in the order in which they ask, and what waits when one is done
// goes on in the transaction that is open: the last of them commits for all. Nobody
// waits for a verb that is not there yet, so that one alone does what it would
// without the others.

// relay gives the turn to write to one verb after the other.
type relay struct {
	db      *sql.DB
	mu      sync.Mutex
	taken   bool          // somebody has the turn
	waiting []chan *group // where those who ask will be told, the first to be told first
}

// group is a transaction and the verbs in it, of which each begins when the one
// before is done.
type group struct {
	held  *sql.Conn
	f     *fileConn
	began time.Time
	size  int
	over  chan struct{} // closed when it has been committed, or will not be
	err   error         // then: why not
}

// Limits of a group: the first verb of it waits for all the others.
const (
	groupSize = 32
	groupAge  = 5 * time.Millisecond // nobody joins an older one
)

const (
	beginFile    = `BEGIN IMMEDIATE`
	commitFile   = `COMMIT`
	rollbackFile = `ROLLBACK`

	// A verb that is not the first of its group can be undone without the others.
	beginVerb    = `SAVEPOINT verb`
	endVerb      = `RELEASE verb`
	rollbackVerb = `ROLLBACK TO verb`
)

// errByAnother marks what was undone for a failure that was not its own. It is
// done again: see passing.
var errByAnother = errors.New("undone with another that failed")

var errNoAnswer = errors.New("the commit has not come back")

// begin waits for the turn no longer than ctx lasts, and begins.
func (r *relay) begin(ctx context.Context) (transaction, error) {
	g, err := r.turn(ctx)
	if err != nil {
		return nil, err
	}
	e := &embedded{relay: r, group: g, joins: g != nil}
	if e.joins {
		if _, err = g.f.run(context.Background(), beginVerb, nil, nil); err != nil {
			r.fail(g, err)
		}
	} else if e.group, err = r.open(ctx); err != nil {
		r.pass()
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// turn waits for the turn. With it comes the group to join, or none.
func (r *relay) turn(ctx context.Context) (*group, error) {
	r.mu.Lock()
	if !r.taken {
		r.taken = true
		r.mu.Unlock()
		return nil, nil
	}
	told := make(chan *group, 1)
	r.waiting = append(r.waiting, told)
	r.mu.Unlock()
	select {
	case g := <-told:
		return g, nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	i := slices.Index(r.waiting, told)
	if i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
	}
	r.mu.Unlock()
	if i < 0 { // it was given the turn at this very moment
		r.next(<-told)
	}
	return nil, ctx.Err()
}

// open begins a group. Whoever uses the connection without a turn is waited for.
func (r *relay) open(ctx context.Context) (*group, error) {
	held, f, err := take(ctx, r.db)
	if err != nil {
		return nil, err
	}
	if _, err := f.run(context.Background(), beginFile, nil, nil); err != nil {
		_ = held.Close()
		return nil, err
	}
	return &group{held: held, f: f, began: time.Now(), size: 1, over: make(chan struct{})}, nil
}

// next gives the turn to the verb that waits longest, which joins the group if it
// still may. If not, or if nobody waits, the group is committed first; nil is none.
func (r *relay) next(g *group) {
	if g != nil && g.size < groupSize && time.Since(g.began) < groupAge && r.give(g) {
		return
	}
	defer r.pass()
	if g != nil {
		g.commit()
	}
}

// give gives the turn, and the group to join, to the verb that waits longest, and
// reports whether there is one. Where there is none, and no group to commit first,
// the turn is free: whoever asks from now on finds it so.
func (r *relay) give(g *group) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.taken = g != nil
		return false
	}
	if g != nil {
		g.size++
	}
	r.waiting[0] <- g // has room
	r.waiting = slices.Delete(r.waiting, 0, 1)
	return true
}

// pass gives the turn away without a group.
func (r *relay) pass() { r.give(nil) }

// fail ends a group because of a failure after which nobody can count on anything
// that was done in it.
func (r *relay) fail(g *group, cause error) {
	g.rollback()
	g.close(fmt.Errorf("%w, %w: %v", errUndone, errByAnother, cause)) //nolint:errorlint // it is the other's
	r.pass()
}

// commit commits what all verbs of the group did. They are told also if it panics.
func (g *group) commit() {
	err := errNoAnswer
	defer func() {
		if err != nil {
			g.rollback()
		}
		g.close(err)
	}()
	_, err = g.f.run(context.Background(), commitFile, nil, nil)
}

// rollback undoes what all verbs of the group did.
func (g *group) rollback() {
	if _, err := g.f.run(context.Background(), rollbackFile, nil, nil); err != nil {
		// It was undone already, or is not over: nobody is to get this connection.
		_ = g.held.Raw(func(any) error { return driver.ErrBadConn })
	}
}

// close lets go of the connection, and then of those who wait.
func (g *group) close(err error) {
	g.err = err
	_ = g.held.Close()
	close(g.over)
}

// commit returns when what the verb did is stored, together with all of its group.
func (e *embedded) commit() error {
	if e.failed != nil {
		return e.refuse(fmt.Errorf("%w: %w", errUndone, e.failed))
	}
	e.over = true
	if e.joins {
		if _, err := e.group.f.run(context.Background(), endVerb, nil, nil); err != nil {
			e.relay.fail(e.group, err)
			return fmt.Errorf("%w: %w", errUndone, err)
		}
	}
	e.relay.next(e.group)
	<-e.group.over
	return e.group.err
}

// refuse undoes what the verb did. Where it may have seen what others of its group
// wrote, its refusal is told when that is stored, and not at all if it is not. The
// verb whose failure undid them is told of that.
func (e *embedded) refuse(err error) error {
	alone := e.undo(err)
	if !e.joins || !alone && errors.Is(err, e.failed) {
		return err
	}
	<-e.group.over
	if e.group.err != nil {
		return e.group.err
	}
	return err
}

// undo undoes what the verb did and reports whether nothing else was.
func (e *embedded) undo(cause error) (alone bool) {
	e.over = true
	if !e.joins { // nobody has joined it yet
		e.group.rollback()
		e.group.close(nil)
		e.relay.pass()
		return true
	}
	for _, query := range []string{rollbackVerb, endVerb} {
		if _, err := e.group.f.run(context.Background(), query, nil, nil); err != nil {
			// SQLite undoes the whole transaction by itself where it finds no room, no
			// memory, or that the file cannot be written.
			e.relay.fail(e.group, errors.Join(cause, err))
			return false
		}
	}
	e.relay.next(e.group)
	return true
}

func (e *embedded) end() {
	if !e.over {
		e.undo(errors.New("it did not come to its end"))
	}
	// Whoever waited for it goes on at once: their work holds up everybody else's,
	// and what this goroutine still has to do holds up nobody's. It was a fifth more
	// refreshes and mints a second when each had a COMMIT of its own.
	runtime.Gosched()
}

// joined reports whether the COMMIT is that of another verb.
func (e *embedded) joined() bool { return e.joins }

// On PostgreSQL each verb has a transaction of its own, which end undoes.

func (p *pipeline) refuse(err error) error { return err }
func (p *pipeline) joined() bool           { return false }
