package transporttest

import (
	"context"
	stderrors "errors"
	"sync/atomic"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// FaultyLog is a log whose disk can be full, for Peer.Fail.
type FaultyLog struct {
	synckit.Log
	failing atomic.Bool
}

// Fail makes all that writes fail, or work again.
func (l *FaultyLog) Fail(failing bool) { l.failing.Store(failing) }

var errFull = stderrors.New("no space left on device")

// Store implements synckit.EventStore.
func (l *FaultyLog) Store(ctx context.Context, event synckit.Event, version synckit.Version) error {
	if l.failing.Load() {
		return errors.New(errors.StorageFailed, "store", errFull)
	}
	return l.Log.Store(ctx, event, version)
}

// Commit implements synckit.Log.
func (l *FaultyLog) Commit(ctx context.Context, commit synckit.Commit) (synckit.Committed, error) {
	if l.failing.Load() && len(commit.Append) > 0 {
		return synckit.Committed{}, errors.New(errors.StorageFailed, "commit", errFull)
	}
	return l.Log.Commit(ctx, commit)
}
