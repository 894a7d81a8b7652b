package revocation

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/valetkey/valetkey/internal/store"
)

const (
	ssfEvery  = time.Second
	ssfGather = 100 * time.Millisecond // what ends within it is gathered together
	trimEvery = time.Minute
	pushes    = 8 // at once, from one node
)

// Run gathers events and pushes them until ctx ends, and returns when what was
// being pushed is done.
func (s *SSF) Run(ctx context.Context) error {
	s.init()
	var pushing sync.WaitGroup
	defer pushing.Wait()
	places := make(chan struct{}, pushes)
	tick := time.NewTicker(ssfEvery)
	defer tick.Stop()
	var trimmed time.Time
	for {
		_, changed := s.View()
		s.gather(ctx)
		if time.Since(trimmed) > trimEvery {
			s.trim(ctx)
			trimmed = time.Now()
		}
		s.pushDue(ctx, &pushing, places)
		select { // not more often than that
		case <-time.After(ssfGather):
		case <-ctx.Done():
			return nil
		}
		select {
		case <-changed:
		case <-s.kick:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// gather makes events of the endings for every stream that has not got them.
func (s *SSF) gather(ctx context.Context) {
	for again := true; again && ctx.Err() == nil; {
		behind, err := s.Store.SSFBehind(ctx)
		s.failed(ctx, err)
		again = false
		for id, client := range behind {
			more, paused, err := s.Store.GatherSSF(ctx, client, id, s.hears, s.Most)
			s.failed(ctx, err)
			if paused != "" {
				s.Logger.Error("a stream of security events is paused; what it has not got is lost to it", "client", client, "stream", id, "reason", paused)
			}
			again = again || more && err == nil
		}
		if len(behind) > 0 {
			s.tell()
		}
	}
}

// hears is the audience whose sessions a stream hears of; empty: of none.
func (s *SSF) hears(x store.SSFStream) string {
	if !slices.Contains(delivered(x), eventRevoked) {
		return ""
	}
	return s.Receivers[x.Client].Audience
}

func (s *SSF) trim(ctx context.Context) {
	paused, err := s.Store.TrimSSF(ctx, s.Keep)
	s.failed(ctx, err)
	for _, id := range paused {
		s.Logger.Error("a stream of security events had some that were not taken for too long; they are lost, and it is paused", "stream", id)
	}
}

// pushDue starts to push to every stream that is due, as many as there are places
// for.
func (s *SSF) pushDue(ctx context.Context, pushing *sync.WaitGroup, places chan struct{}) {
	due, err := s.Store.SSFDue(ctx, pushes)
	s.failed(ctx, err)
	for _, id := range due {
		select {
		case places <- struct{}{}:
		default:
			return
		}
		pushing.Go(func() {
			defer func() { <-places }()
			s.push(ctx, id)
		})
	}
}
