package turned_test

import (
	"context"
	"errors"
	"testing"

	"syncline/internal/turns"
	"syncline/internal/turns/turned"
	"syncline/locks"
	"syncline/record"
)

// look is a store and a Locker that tell whether a turn has its place when they are asked.
type look struct {
	record.Store
	places *turns.Pool
	inTurn []bool
	err    error
}

func (l *look) note() error {
	l.inTurn = append(l.inTurn, l.places.Free() == 1)
	return l.err
}

func (l *look) Write(context.Context, record.Owner, record.Request) (record.Result, error) {
	return record.Result{}, l.note()
}

func (l *look) Changes(context.Context, record.Owner, record.Span) (record.Snapshot, error) {
	return record.Snapshot{}, l.note()
}

func (l *look) Acquire(context.Context, locks.Owner, locks.Request) (locks.Grant, error) {
	return locks.Grant{}, l.note()
}

func (l *look) Release(context.Context, locks.Key, string) (locks.Lock, error) {
	return locks.Lock{}, l.note()
}

func (l *look) Read(context.Context, []locks.Key) ([]locks.Lock, error) { return nil, l.note() }

func TestTurns(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	var owner record.Owner
	for name, test := range map[string]struct {
		call       func(ctx context.Context, l *look) error
		before, in bool // whether the turn has its place
		err        error
		after      bool
	}{
		"write": {func(ctx context.Context, l *look) error {
			_, err := turned.Records(l).Write(ctx, owner, record.Request{})
			return err
		}, true, false, nil, false},
		"changes": {func(ctx context.Context, l *look) error {
			_, err := turned.Records(l).Changes(ctx, owner, record.Span{})
			return err
		}, true, true, nil, true},
		"changes, without the store": {func(ctx context.Context, l *look) error {
			_, err := turned.Records(l).Changes(ctx, owner, record.Span{})
			return err
		}, true, true, broken, false},
		"acquire": {func(ctx context.Context, l *look) error {
			_, err := turned.Locks(l).Acquire(ctx, owner, locks.Request{})
			return err
		}, true, false, nil, false},
		"release": {func(ctx context.Context, l *look) error {
			_, err := turned.Locks(l).Release(ctx, locks.Key{}, "")
			return err
		}, true, false, nil, false},
		"read of a lock": {func(ctx context.Context, l *look) error {
			_, err := turned.Locks(l).Read(ctx, nil)
			return err
		}, false, true, nil, true},
		"read of a lock, without the store": {func(ctx context.Context, l *look) error {
			_, err := turned.Locks(l).Read(ctx, nil)
			return err
		}, false, true, broken, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &look{places: turns.New(2), err: test.err}
			turn := l.places.Of(turns.Name{Of: "a", Weight: 1})
			ctx := turns.NewContext(t.Context(), turn)
			if test.before {
				if err := turn.Take(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if err := test.call(ctx, l); !errors.Is(err, test.err) {
				t.Errorf("got %v", err)
			}
			if len(l.inTurn) != 1 || l.inTurn[0] != test.in {
				t.Errorf("in turn: %v, want %v", l.inTurn, test.in)
			}
			if after := l.places.Free() == 1; after != test.after {
				t.Errorf("in turn afterwards: %v", after)
			}
		})
	}
	// One that has ended is not waited for.
	l := &look{places: turns.New(2)}
	first := l.places.Of(turns.Name{Of: "a", Weight: 1})
	if err := first.Take(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(turns.NewContext(t.Context(), l.places.Of(turns.Name{Of: "a", Weight: 1})))
	cancel()
	if _, err := turned.Locks(l).Read(ctx, nil); !errors.Is(err, context.Canceled) || len(l.inTurn) > 0 {
		t.Errorf("%v, %v", err, l.inTurn)
	}
}
