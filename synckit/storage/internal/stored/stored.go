// Package stored has what all stores share: which version and which clock an entry
// carries, which entries come after a version, and how an operation fails.
package stored

import (
	"context"
	stderrors "errors"
	"reflect"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	_ "syncline/synckit/resolve" // so that synckit.WithLWW and its like work for whoever has a store
	"syncline/synckit/version"
)

// Reused is the error for an ID that is taken by another event.
func Reused(op, id string) error {
	return errors.New(errors.EventIDReused, op, nil, errors.Metadata{"event": id})
}

// NotWaiting is the error for a review that is not there (any more).
func NotWaiting(op, id string) error {
	return errors.New(errors.NotFound, op, nil, errors.Metadata{"review": id})
}

// Ended is the error for a context that has ended. It wraps the context's own.
func Ended(op string, err error) error {
	if stderrors.Is(err, context.DeadlineExceeded) {
		return errors.New(errors.Timeout, op, err)
	}
	return err
}

// Own is the version that an event brings along; nil if it has none. A position
// is none: it was one in another log.
func Own(v synckit.Version) synckit.Version {
	if v == nil || v.IsZero() {
		return nil
	}
	switch v.(type) {
	case cursor.IntegerCursor, *cursor.IntegerCursor:
		return nil
	}
	return v
}

// At is the version of an entry: its own, or else its position.
func At(own synckit.Version, position synckit.Position) synckit.Version {
	if own != nil {
		return own
	}
	return cursor.IntegerCursor{Seq: uint64(position)}
}

// Since is a version to load after, seen from a log: either a position, or a
// version by which each entry is judged.
type Since struct {
	Position synckit.Position
	Version  synckit.Version // nil: the position decides
}

// After reads the argument of Load.
func After(since synckit.Version) Since {
	if since == nil || since.IsZero() {
		return Since{}
	}
	switch c := since.(type) {
	case cursor.IntegerCursor:
		return Since{Position: synckit.Position(c.Seq)}
	case *cursor.IntegerCursor:
		return Since{Position: synckit.Position(c.Seq)}
	}
	if vector, ok := since.(cursor.VectorCursor); ok {
		if clock, err := version.NewVectorClock(vector.Counters); err == nil {
			return Since{Version: clock}
		}
		return Since{} // beyond the limits of a clock: the beginning misses nothing
	}
	return Since{Version: since}
}

// ByPlace tells whether the version is best looked up in the log: what comes
// after it is then what stands behind it. A causal version says more by itself.
func (s Since) ByPlace() bool {
	_, causal := s.Version.(synckit.CausalVersion)
	return s.Version != nil && !causal
}

// Passes tells whether an entry with a version of its own (or nil) comes after.
// One that cannot be judged does: a reader drops what it has, but cannot know
// what it never saw.
func (s Since) Passes(own synckit.Version) bool {
	if s.Version == nil || own == nil || reflect.TypeOf(own) != reflect.TypeOf(s.Version) {
		return true
	}
	if causal, ok := own.(synckit.CausalVersion); ok {
		order := causal.Order(s.Version)
		return order == synckit.After || order == synckit.Concurrent
	}
	return own.Compare(s.Version) > 0
}
