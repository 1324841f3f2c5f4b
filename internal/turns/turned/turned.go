// Package turned has those who wait for a store let others have the processor
// meanwhile: the turn that a call's context carries is given back.
package turned

import (
	"context"

	"syncline/internal/turns"
	"syncline/locks"
	"syncline/record"
)

// Records is a store whose writes are waited for without a turn, since others carry
// them out. Reads are the work of those who ask, who keep their turn unless it fails:
// they may try again later.
func Records(store record.Store) record.Store { return records{store} }

type records struct{ record.Store }

func (r records) Write(ctx context.Context, owner record.Owner, request record.Request) (record.Result, error) {
	turns.FromContext(ctx).Give()
	return r.Store.Write(ctx, owner, request)
}

func (r records) Changes(ctx context.Context, owner record.Owner, span record.Span) (record.Snapshot, error) {
	snapshot, err := r.Store.Changes(ctx, owner, span)
	if err != nil {
		turns.FromContext(ctx).Give()
	}
	return snapshot, err
}

// Locks is a Locker that is waited for without a turn while it grants and
// releases. A read waits for its turn: whoever watches a lock has none before.
func Locks(locker locks.Locker) locks.Locker { return lockTurns{locker} }

type lockTurns struct{ locks.Locker }

func (l lockTurns) Acquire(ctx context.Context, owner locks.Owner, request locks.Request) (locks.Grant, error) {
	turns.FromContext(ctx).Give()
	return l.Locker.Acquire(ctx, owner, request)
}

func (l lockTurns) Release(ctx context.Context, key locks.Key, instanceID string) (locks.Lock, error) {
	turns.FromContext(ctx).Give()
	return l.Locker.Release(ctx, key, instanceID)
}

func (l lockTurns) Read(ctx context.Context, keys []locks.Key) ([]locks.Lock, error) {
	turn := turns.FromContext(ctx)
	if err := turn.Take(ctx); err != nil {
		return nil, err
	}
	found, err := l.Locker.Read(ctx, keys)
	if err != nil {
		turn.Give()
	}
	return found, err
}
