package graph

import (
	"context"

	"syncline/graph/model"
	"syncline/graph/object"
	"syncline/graph/transport"
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
	return stream(ctx, follower, object.NewRecordChange), nil
}

func (s subscription) LockChanged(ctx context.Context, name string) (<-chan *model.Lock, error) {
	owner, err := ownerOf(ctx)
	if err != nil {
		return nil, err
	}
	watcher, err := s.locks.Watch(ctx, owner, name)
	if err != nil {
		return nil, err
	}
	return stream(ctx, watcher, toLock), nil
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

// source is where a subscription's events come from.
type source[T any] interface {
	Next(ctx context.Context) (T, error)
	Close()
}

func stream[T, M any](ctx context.Context, from source[T], convert func(T) *M) <-chan *M {
	return transport.Stream(ctx, func(ctx context.Context) (*M, error) {
		event, err := from.Next(ctx)
		if err != nil {
			return nil, err
		}
		return convert(event), nil
	}, from.Close)
}
