package store

import (
	"context"
	"slices"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
)

const (
	rotationPoll = time.Second
	// tellAgain is after how many polls a change is told a second time. An app that
	// was told at once may have fetched the JWKS from a node that had not looked.
	tellAgain = 3
)

// Rotation is the job that keeps a node's ring as the database has it, and that
// lets the next keys sign when it is time: of several nodes, one does each step.
type Rotation struct {
	Store    *Store
	Ring     *keys.Ring
	Every    time.Duration // how long a key signs
	IDAlgs   []string      // of the ID tokens of some client
	OnChange func()        // the published keys are others

	version int64 // of what the ring holds
	list    []keys.StoredKey
	told    int // polls until a change is told again
}

// Run works until ctx ends.
func (r *Rotation) Run(ctx context.Context) error {
	tick := time.NewTicker(rotationPoll)
	defer tick.Stop()
	for failing := false; ; {
		err := r.once(ctx)
		if failed := err != nil && ctx.Err() == nil; failed != failing {
			failing = failed
			if failed {
				r.Store.log.Warn("the signing keys could not be looked at; those that are known go on", "error", err)
			} else {
				r.Store.log.Info("the signing keys are looked at again")
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// once looks whether the keys have changed, by one read of one row, and does what
// is due.
func (r *Rotation) once(ctx context.Context) error {
	if err := r.follow(ctx); err != nil {
		return err
	}
	due := func(list []keys.StoredKey, life time.Duration, now time.Time) keys.Plan {
		return keys.Schedule{Every: r.Every, Life: life}.Due(list, keys.Wanted(r.IDAlgs), now)
	}
	if due(r.list, 0, r.Store.now()).Empty() {
		return nil
	}
	_, err := r.Store.changeKeys(ctx, r.Store.guarded, due, rotated(credentials.Mark{Who: "broker"}))
	if err != nil {
		return err
	}
	return r.follow(ctx)
}

// follow loads the keys if they have changed.
func (r *Rotation) follow(ctx context.Context) error {
	if r.told > 0 {
		if r.told--; r.told == 0 {
			r.OnChange()
		}
	}
	var version int64
	found := false
	if err := r.Store.query(ctx, readKeysVersion, nil, scanning(&found, &version)); err != nil {
		return err
	}
	if version == r.version && r.list != nil {
		return nil
	}
	list, err := r.Store.SigningKeys(ctx) // of this version or a later one, which the next look finds
	if err != nil {
		return err
	}
	opened, err := r.Store.openKeys(list)
	if err != nil {
		return err
	}
	before := published(r.Ring)
	if err := r.Ring.Replace(opened); err != nil {
		return err
	}
	r.version, r.list = version, list
	if !slices.Equal(before, published(r.Ring)) {
		r.told = tellAgain
		r.OnChange()
	}
	return nil
}

// published are the ids of the keys in the JWKS.
func published(r *keys.Ring) (ids []string) {
	for _, k := range r.Public().Keys {
		ids = append(ids, k.KeyID)
	}
	slices.Sort(ids)
	return ids
}
