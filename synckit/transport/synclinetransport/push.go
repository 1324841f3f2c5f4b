package synclinetransport

import (
	"context"
	stderrors "errors"
	"fmt"

	"syncline/client"
	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/wire"
)

// item is an event on its way.
type item struct {
	event wire.Event
	write client.Write
}

// Push implements synckit.Transport. A large push goes in several requests, each
// all or nothing. The client tries them again under the same mutation id, so
// that a lost answer does no harm.
func (t *Transport) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	return t.push(ctx, events, &landing{})
}

func (t *Transport) push(ctx context.Context, events []synckit.EventWithVersion, l *landing) error {
	ctx, release, err := t.lifetime.Begin(ctx, "push")
	if err != nil {
		return &synckit.PushError{Err: err}
	}
	defer release()
	if len(events) == 0 {
		return nil
	}
	limits, err := t.serverLimits(ctx)
	if err != nil {
		return &synckit.PushError{Err: err}
	}
	outcome := &synckit.PushError{}
	for _, batch := range split(encode(events, limits, outcome), limits) {
		wire.Merge(outcome, t.pushBatch(ctx, batch, l))
		if outcome.Err != nil {
			break
		}
	}
	return wire.Result(outcome)
}

// Check implements synckit.CheckingTransport. The limits are known after the first page or
// push.
func (t *Transport) Check(_ context.Context, event synckit.EventWithVersion) error {
	t.mu.Lock()
	known := t.limits
	t.mu.Unlock()
	if known == nil {
		return errors.New(errors.Unavailable, "check", stderrors.New("the server's limits are not known yet"))
	}
	outcome := &synckit.PushError{}
	encode([]synckit.EventWithVersion{event}, *known, outcome)
	return outcome.Refused[event.Event.ID()]
}

// serverLimits asks the server once.
func (t *Transport) serverLimits(ctx context.Context) (client.Limits, error) {
	t.mu.Lock()
	known := t.limits
	t.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	var limits client.Limits
	err := t.call(ctx, "push", func(ctx context.Context) error {
		var err error
		limits, err = t.client.Limits(ctx)
		return err
	})
	if err != nil {
		return limits, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limits = &limits
	return limits, nil
}

// encode makes records of events. Those that cannot be are refused.
func encode(events []synckit.EventWithVersion, limits client.Limits, outcome *synckit.PushError) []item {
	var items []item
	for _, e := range events {
		if _, ok := e.Version.(cursor.IntegerCursor); ok {
			e.Version = nil // a position in another log
		}
		encoded, err := wire.Encode(e)
		var write client.Write
		if err == nil {
			write, err = encodeRecord(encoded)
		}
		if err == nil && len(write.Data) > limits.MaxRecordBytes {
			err = errors.New(errors.TooLarge, "push", fmt.Errorf("the event has %d bytes, a record up to %d", len(write.Data), limits.MaxRecordBytes))
		}
		if err != nil {
			wire.Refuse(outcome, e.Event.ID(), err)
			continue
		}
		items = append(items, item{event: encoded, write: write})
	}
	return items
}

// overhead is room for what a request has beside the data of its writes, for each.
const overhead = 512

// split parts a push into requests that the server takes. A record is in each
// only once.
func split(items []item, limits client.Limits) [][]item {
	var batches [][]item
	start, size := 0, overhead
	seen := map[string]bool{}
	for i, it := range items {
		bytes := (len(it.write.Data)+2)/3*4 + overhead
		if i > start && (i-start >= limits.MaxBatch || size+bytes > limits.MaxRequestBytes || seen[it.write.ID]) {
			batches = append(batches, items[start:i])
			start, size = i, overhead
			clear(seen)
		}
		seen[it.write.ID] = true
		size += bytes
	}
	if start < len(items) {
		batches = append(batches, items[start:])
	}
	return batches
}

// writesField is where the service finds fault with events, and not with what
// goes with all of them.
const writesField = "input.writes"

// pushBatch writes one request, and again without those that are there already.
func (t *Transport) pushBatch(ctx context.Context, batch []item, l *landing) *synckit.PushError {
	outcome := &synckit.PushError{}
	for len(batch) > 0 {
		err := t.write(ctx, batch, l)
		var conflicts *client.BatchConflictError
		switch {
		case err == nil:
			for _, it := range batch {
				outcome.Stored = append(outcome.Stored, it.event.Event.ID)
			}
			return outcome
		case stderrors.As(err, &conflicts):
			batch = judge(batch, conflicts.Conflicts, outcome)
		case isBadInput(err, writesField) && len(batch) > 1:
			wire.Merge(outcome, t.pushBatch(ctx, batch[:len(batch)/2], l))
			if outcome.Err != nil {
				return outcome
			}
			batch = batch[len(batch)/2:]
		case isBadInput(err, writesField):
			wire.Refuse(outcome, batch[0].event.Event.ID, err)
			return outcome
		default:
			outcome.Err = err
			return outcome
		}
	}
	return outcome
}

func (t *Transport) write(ctx context.Context, batch []item, l *landing) error {
	writes := make([]client.Write, len(batch))
	for i, it := range batch {
		writes[i] = it.write
	}
	return t.call(ctx, "push", func(ctx context.Context) error {
		written, err := t.client.Write(ctx, writes)
		l.add(written)
		return err
	})
}

// judge tells the events whose records are there already: they are stored if
// they are the same. It gives the others, to be written.
func judge(batch []item, conflicts []*client.ConflictError, outcome *synckit.PushError) []item {
	there := make(map[int]*client.Record, len(conflicts))
	for _, c := range conflicts {
		there[c.Index] = c.Current
	}
	var rest []item
	for i, it := range batch {
		current, conflict := there[i]
		id := it.event.Event.ID
		switch {
		case !conflict:
			rest = append(rest, it)
		case isSame(current, it):
			outcome.Stored = append(outcome.Stored, id)
		default:
			wire.Refuse(outcome, id, errors.New(errors.EventIDReused, "push", nil, errors.Metadata{"event": id}))
		}
	}
	return rest
}

func isSame(current *client.Record, it item) bool {
	if current == nil {
		return false
	}
	e, err := decodeEvent(*current)
	return err == nil && e.Event.Same(it.event.Event)
}
