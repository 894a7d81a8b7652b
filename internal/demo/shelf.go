package demo

import (
	"crypto/rand"
	"sync"
	"time"
)

// shelf keeps things for a while under random names that only their bearer
// knows: sign-ins, codes, sessions. It lives in memory, so it is empty after a
// restart, as a demonstration may be.
type shelf[T any] struct {
	now   func() time.Time
	mu    sync.Mutex
	items map[string]kept[T]
}

type kept[T any] struct {
	value T
	until time.Time
}

func newShelf[T any](now func() time.Time) *shelf[T] {
	return &shelf[T]{now: now, items: map[string]kept[T]{}}
}

// put returns the new thing's name, of at least 128 random bits.
func (s *shelf[T]) put(value T, life time.Duration) string {
	name, now := rand.Text(), s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, item := range s.items {
		if !now.Before(item.until) {
			delete(s.items, old)
		}
	}
	s.items[name] = kept[T]{value, now.Add(life)}
	return name
}

func (s *shelf[T]) get(name string) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.look(name)
}

// take gets a thing for the last time.
func (s *shelf[T]) take(name string) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.look(name)
	delete(s.items, name)
	return value, ok
}

func (s *shelf[T]) look(name string) (value T, ok bool) {
	item, ok := s.items[name]
	if !ok || !s.now().Before(item.until) {
		return value, false
	}
	return item.value, true
}
