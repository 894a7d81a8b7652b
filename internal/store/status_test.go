package store

import (
	"sync"
	"testing"

	"github.com/valetkey/valetkey/credentials"
)

// TestPlacesInTheStatusList: at random, in the list, never 0; the next list
// comes when a few of one were taken.
func TestPlacesInTheStatusList(t *testing.T) {
	t.Parallel()
	seen := map[int64]bool{}
	for range 2000 {
		for try := range statusTries {
			place := statusPlace(try)
			if list, in := credentials.StatusList(place); list != int64(try/perList) || in == 0 {
				t.Fatalf("try %d: place %d of list %d", try, in, list)
			}
			if try == 0 {
				seen[place] = true
			}
		}
	}
	if len(seen) < 1900 {
		t.Errorf("%d different places of 2000", len(seen))
	}
}

// TestNoTwoSessionsHaveOnePlace: where a place is taken another is tried, and
// then the next list's; where none is free no session opens.
func TestNoTwoSessionsHaveOnePlace(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		taken := w.enter(agent(0), "acme", "111111")
		var mu sync.Mutex
		tried := 0
		w.place = func(try int) int64 { // all but the last are taken
			mu.Lock()
			defer mu.Unlock()
			if tried++; try < statusTries-1 {
				return taken.StatusIndex
			}
			return statusPlace(try)
		}
		s := w.enter(agent(1), "acme", "222222")
		if !w.engine.file {
			tried-- // that was taken to be free
		}
		if tried != statusTries || s.StatusIndex>>credentials.StatusBits != (statusTries-1)/perList {
			t.Errorf("place %d after %d tries", s.StatusIndex, tried)
		}
		w.place = func(int) int64 { return taken.StatusIndex }
		w.mint(minting("acme", "333333"))
		if got, err := w.redeem(agent(2), "hacme", "333333"); err == nil {
			t.Errorf("opened at %d", got.StatusIndex)
		}
		w.place = statusPlace
		if _, err := w.redeem(agent(2), "hacme", "333333"); err != nil {
			t.Errorf("with a place: %v", err)
		}
		// Many at once reach for the same few.
		w.place = func(try int) int64 { return int64(1 + try) }
		got := map[int64]bool{}
		for _, s := range w.guests(20) {
			got[s.StatusIndex] = true
		}
		if len(got) != 20 {
			t.Errorf("20 sessions have %d places", len(got))
		}
		w.place = statusPlace
		w.sound()
	})
}

// TestAPlaceIsFreeOnlyWhenNoTokenCanLive: an ended session keeps its place.
func TestAPlaceIsFreeOnlyWhenNoTokenCanLive(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := w.enter(agent(1), "acme", "111111")
		w.end(s)
		w.place = func(try int) int64 { return s.StatusIndex + int64(try) }
		if next := w.enter(agent(2), "acme", "222222"); next.StatusIndex != s.StatusIndex+1 {
			t.Errorf("place %d beside %d", next.StatusIndex, s.StatusIndex)
		}
		w.clock.add(noted + credentials.EndingMargin)
		if err := w.SweepOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if next := w.enter(agent(3), "acme", "333333"); next.StatusIndex != s.StatusIndex {
			t.Errorf("place %d, and %d is free", next.StatusIndex, s.StatusIndex)
		}
		w.sound()
	})
}
