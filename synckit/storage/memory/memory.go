// Package memory keeps events in memory: for tests, and for apps whose events
// need not outlive the process.
package memory

import (
	"context"
	"sync"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/internal/signal"
	"syncline/synckit/storage/internal/stored"
	"syncline/synckit/version"
)

// Store is a synckit.Log in memory.
type Store struct {
	changed signal.Signal

	mu         sync.RWMutex
	closed     bool
	rows       []row             // position p is rows[p-1]
	byID       map[string]int    // index in rows
	aggregates map[string][]int  // indexes in rows, ascending
	clocks     map[string]uint64 // the highest of each aggregate
	cursors    map[cursorKey]string
	times      stored.Times
	reviews    reviews
}

var (
	_ synckit.Log          = (*Store)(nil)
	_ synckit.ReviewFinder = (*Store)(nil)
	_ synckit.ReviewMarker = (*Store)(nil)
	_ synckit.Dropper      = (*Store)(nil)
)

// row keeps the encoding, so that what a caller does with its event later
// changes nothing here.
type row struct {
	event     synckit.EncodedEvent
	version   synckit.Version // the event's own, or nil
	origin    string
	confirmed bool
	dropped   bool // only the ID is left
}

type cursorKey struct {
	peer      string
	direction synckit.Direction
}

// New returns an empty store.
func New() *Store {
	return &Store{
		byID:       map[string]int{},
		aggregates: map[string][]int{},
		clocks:     map[string]uint64{},
		cursors:    map[cursorKey]string{},
		reviews:    newReviews(),
	}
}

// Close implements synckit.EventStore. The events are gone with it.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.rows, s.byID, s.aggregates, s.clocks, s.cursors, s.reviews = nil, nil, nil, nil, nil, reviews{}
	return nil
}

// usable is called with the lock held.
func (s *Store) usable(ctx context.Context, op string) error {
	if s.closed {
		return errors.New(errors.Closed, op, nil)
	}
	if err := ctx.Err(); err != nil {
		return stored.Ended(op, err)
	}
	return nil
}

// Changed implements synckit.Log.
func (s *Store) Changed() <-chan struct{} { return s.changed.Changed() }

// ParseVersion reads a version from its text: a position, a vector clock or a
// hybrid logical time.
func (s *Store) ParseVersion(_ context.Context, text string) (synckit.Version, error) {
	return version.Parse(text)
}

// entry decodes a row.
func (s *Store) entry(index int) (synckit.Entry, error) {
	r := s.rows[index]
	event, err := r.event.Decode()
	if err != nil {
		return synckit.Entry{}, err
	}
	position := synckit.Position(index + 1)
	return synckit.Entry{
		EventWithVersion: synckit.EventWithVersion{Event: event, Version: stored.At(r.version, position)},
		Position:         position,
		Origin:           r.origin,
		Confirmed:        r.confirmed,
	}, nil
}
