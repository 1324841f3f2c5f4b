package peerlog

import (
	"context"
	"slices"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/wire"
)

// Push stores events in order. It tells what became of each.
func (l *Log) Push(ctx context.Context, events []synckit.EventWithVersion) *synckit.PushError {
	_, outcome := l.PushAfter(ctx, events, nil)
	return outcome
}

// PushAfter is Push by somebody who has read up to a cursor, if there is one: end is then
// as in synckit.SkippingTransport.
func (l *Log) PushAfter(ctx context.Context, events []synckit.EventWithVersion, after *string) (end string, outcome *synckit.PushError) {
	if len(events) == 0 {
		return "", &synckit.PushError{}
	}
	defer l.tellPushed()
	if log, ok := l.store.(synckit.Log); ok {
		committed, err := commit(ctx, log, events...)
		if err == nil {
			err = synckit.DropCovered(ctx, log, events)
		}
		switch {
		case err == nil:
			if pages, ok := l.pages.(*logPages); ok && after != nil && len(committed.Appended) == len(events) {
				end = pages.endOf(ctx, *after, committed)
			}
			return end, &synckit.PushError{Stored: ids(events)}
		case !isEventsOwn(err):
			return "", &synckit.PushError{Err: err}
		}
	}
	return "", l.pushEach(ctx, events)
}

// Receive is PushAfter for events as a peer sends them. Those that cannot be read are
// refused.
func (l *Log) Receive(ctx context.Context, events []wire.Event, after *string) (end string, outcome *synckit.PushError) {
	outcome = &synckit.PushError{}
	sound := make([]synckit.EventWithVersion, 0, len(events))
	for _, e := range events {
		decoded, err := e.Decode(ctx, l.parse)
		if err != nil {
			wire.Refuse(outcome, e.Event.ID, err)
			continue
		}
		sound = append(sound, decoded)
	}
	if len(sound) < len(events) {
		after = nil
	}
	end, stored := l.PushAfter(ctx, sound, after)
	wire.Merge(outcome, stored)
	return end, outcome
}

// pushEach stores events one by one, so that one that is refused takes no other
// with it. It stops where the store fails, for the events' order.
func (l *Log) pushEach(ctx context.Context, events []synckit.EventWithVersion) *synckit.PushError {
	outcome := &synckit.PushError{}
	for _, e := range events {
		err := l.storeOne(ctx, e)
		switch {
		case err == nil:
			outcome.Stored = append(outcome.Stored, e.Event.ID())
		case isEventsOwn(err):
			wire.Refuse(outcome, e.Event.ID(), err)
		default:
			outcome.Err = err
			return outcome
		}
	}
	return outcome
}

func (l *Log) storeOne(ctx context.Context, e synckit.EventWithVersion) error {
	if log, ok := l.store.(synckit.Log); ok {
		_, err := commit(ctx, log, e)
		if err == nil {
			err = synckit.DropCovered(ctx, log, []synckit.EventWithVersion{e})
		}
		return err
	}
	err := l.store.Store(ctx, e.Event, e.Version)
	if err == nil || errors.CodeOf(err) != "" || ctx.Err() != nil {
		return err
	}
	return l.explain(ctx, e.Event, err)
}

// explain finds out whether a store that does not say why it failed did so
// because it has the event already.
func (l *Log) explain(ctx context.Context, event synckit.Event, failed error) error {
	there, err := l.store.LoadByAggregate(ctx, event.AggregateID(), beginning)
	if err != nil {
		return failed
	}
	i := slices.IndexFunc(there, func(e synckit.EventWithVersion) bool { return e.Event.ID() == event.ID() })
	if i < 0 {
		return failed
	}
	if same(there[i].Event, event) {
		return nil
	}
	return errors.New(errors.EventIDReused, "store event", failed, errors.Metadata{"event": event.ID()})
}

func same(a, b synckit.Event) bool {
	x, errX := synckit.Encode(a)
	y, errY := synckit.Encode(b)
	return errX == nil && errY == nil && x.Same(y)
}

// commit appends events as this node's own: from here they go on to whomever
// this node syncs with.
func commit(ctx context.Context, log synckit.Log, events ...synckit.EventWithVersion) (synckit.Committed, error) {
	entries := make([]synckit.Entry, len(events))
	for i, e := range events {
		entries[i].EventWithVersion = e
	}
	return log.Commit(ctx, synckit.Commit{Append: entries})
}

func ids(events []synckit.EventWithVersion) []string {
	all := make([]string, len(events))
	for i, e := range events {
		all[i] = e.Event.ID()
	}
	return all
}

// isEventsOwn tells whether a failure lies in an event, so that it fails
// whenever it is tried.
func isEventsOwn(err error) bool {
	switch errors.CodeOf(err) {
	case errors.InvalidEvent, errors.InvalidVersion, errors.EventIDReused, errors.TooLarge, errors.Refused, errors.Unsupported:
		return true
	default:
		return false
	}
}
