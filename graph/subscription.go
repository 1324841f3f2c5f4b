package graph

import (
	"context"

	"syncline/feed"
	"syncline/graph/object"
	"syncline/graph/transport"
	"syncline/locks"
	"syncline/record"
)

func (s subscription) RecordChanged(ctx context.Context, since *record.Cursor) (<-chan *object.RecordChange, error) {
	owner, err := ownerOf(ctx)
	if err != nil {
		return nil, err
	}
	if since, err = resumeFrom(ctx, since); err != nil {
		return nil, err
	}
	follower, err := s.feed.Follow(ctx, owner, since)
	if err != nil {
		return nil, err
	}
	return transport.Stream(ctx, follower, object.NewRecordChange, positions()), nil
}

func (s subscription) LockChanged(ctx context.Context, name string) (<-chan *object.Lock, error) {
	owner, err := ownerOf(ctx)
	if err != nil {
		return nil, err
	}
	watcher, err := s.locks.Watch(ctx, owner, name)
	if err != nil {
		return nil, err
	}
	return transport.Stream(ctx, lockStates{watcher}, object.NewLock, nil), nil
}

// positions tells the position of each event of a subscription. What comes once the reader
// has caught up is new since the write.
func positions() func(feed.Event) transport.Position {
	live := false
	return func(event feed.Event) transport.Position {
		at := transport.Position{Cursor: event.Cursor.String()}
		switch {
		case event.Kind == feed.CaughtUp:
			live = true
		case live && event.Record != nil:
			at.Since = event.Record.UpdatedAt
			if event.Heard != nil {
				at.Trace = &transport.Trace{Parent: event.Heard.Trace, Heard: event.Heard.At}
			}
		}
		return at
	}
}

// resumeFrom prefers the cursor that the client sent beside its document: the
// one among the variables may be stale.
func resumeFrom(ctx context.Context, since *record.Cursor) (*record.Cursor, error) {
	text, ok := transport.ResumeFrom(ctx)
	if !ok {
		return since, nil
	}
	cursor, err := record.ParseCursor(text)
	if err != nil {
		return nil, &record.InvalidError{Field: "resume", Reason: "not a cursor: send one that this service returned, or none"}
	}
	return &cursor, nil
}

// lockStates waits in Poll: a lock is watched by a goroutine.
type lockStates struct{ *locks.Watcher }

func (l lockStates) Poll(ctx context.Context) (lock locks.Lock, ok bool, err error) {
	lock, err = l.Next(ctx)
	return lock, err == nil, err
}

func (lockStates) Notify(func()) {}

func (lockStates) Forget() {} // each state is read when it is asked for
