package sealed

import (
	"context"
	stderrors "errors"
	"fmt"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/wire"
)

// Transport is a synckit.PagedTransport that seals what another one carries. It is safe for
// concurrent use.
type Transport struct {
	inner   synckit.PagedTransport
	codec   Codec
	options Options
}

var (
	_ synckit.SkippingTransport = (*Transport)(nil)
	_ synckit.NamedTransport    = (*Transport)(nil)
	_ synckit.CheckingTransport = (*Transport)(nil)
	_ synckit.ReadingTransport  = (*Transport)(nil)
	_ synckit.DroppingTransport = (*Transport)(nil)
)

// Over seals what a transport carries. Closing it closes the transport.
func Over(inner synckit.PagedTransport, codec Codec, options Options) *Transport {
	return &Transport{inner: inner, codec: codec, options: options}
}

// Peer implements synckit.NamedTransport: the transport's own name. Empty: it has none.
func (t *Transport) Peer() string {
	if named, ok := t.inner.(synckit.NamedTransport); ok {
		return named.Peer()
	}
	return ""
}

// Reads implements synckit.ReadingTransport.
func (t *Transport) Reads() string { return fmt.Sprint(t.options.AcceptPlain, " ", t.codec.Opens()) }

// Check implements synckit.CheckingTransport.
func (t *Transport) Check(ctx context.Context, event synckit.EventWithVersion) error {
	sealed, err := t.seal(ctx, event)
	if err != nil {
		return err
	}
	if checking, ok := t.inner.(synckit.CheckingTransport); ok {
		return checking.Check(ctx, sealed)
	}
	return nil
}

// Push implements synckit.Transport.
func (t *Transport) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	_, err := t.push(ctx, events, func(ctx context.Context, sealed []synckit.EventWithVersion, _ bool) (string, error) {
		return "", t.inner.Push(ctx, sealed)
	})
	return err
}

// PushAfter implements synckit.SkippingTransport.
func (t *Transport) PushAfter(ctx context.Context, cursor string, events []synckit.EventWithVersion) (end string, err error) {
	return t.push(ctx, events, func(ctx context.Context, sealed []synckit.EventWithVersion, all bool) (string, error) {
		if skipping, ok := t.inner.(synckit.SkippingTransport); ok && all {
			return skipping.PushAfter(ctx, cursor, sealed)
		}
		return "", t.inner.Push(ctx, sealed)
	})
}

// push seals events and sends them. all tells whether that is all of them.
func (t *Transport) push(
	ctx context.Context, events []synckit.EventWithVersion,
	send func(ctx context.Context, sealed []synckit.EventWithVersion, all bool) (end string, err error),
) (end string, err error) {
	outcome, sealed := &synckit.PushError{}, make([]synckit.EventWithVersion, 0, len(events))
	for _, e := range events {
		s, err := t.seal(ctx, e)
		switch {
		case err == nil:
			sealed = append(sealed, s)
		case errors.IsRetryable(err), ctx.Err() != nil:
			return "", err
		default:
			wire.Refuse(outcome, e.Event.ID(), err)
		}
	}
	end, err = send(ctx, sealed, len(sealed) == len(events))
	further, ok := stderrors.AsType[*synckit.PushError](err)
	switch {
	case len(outcome.Refused) == 0, err != nil && !ok:
		return end, err
	case ok:
		wire.Merge(outcome, further)
	default:
		for _, e := range sealed {
			outcome.Stored = append(outcome.Stored, e.Event.ID())
		}
	}
	return "", outcome
}

// PullPage implements synckit.PagedTransport.
func (t *Transport) PullPage(ctx context.Context, since string, limit int) (synckit.Page, error) {
	page, err := t.inner.PullPage(ctx, since, limit)
	if err != nil {
		return synckit.Page{}, err
	}
	came := page.Events
	page.Events = make([]synckit.EventWithVersion, 0, len(came))
	for _, e := range came {
		opened, err := t.open(ctx, e)
		switch {
		case err == nil:
			page.Events = append(page.Events, opened)
		case errors.IsRetryable(err), ctx.Err() != nil:
			return synckit.Page{}, err
		default:
			page.Unreadable = append(page.Unreadable, synckit.Unreadable{Name: "event " + e.Event.ID(), Event: e.Event, Err: err})
		}
	}
	return page, nil
}

// Pull implements synckit.Transport. One event that cannot be opened is an error of the whole;
// PullPage, which the manager uses, goes on without it.
func (t *Transport) Pull(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	events, err := t.inner.Pull(ctx, since)
	if err != nil {
		return nil, err
	}
	opened := make([]synckit.EventWithVersion, len(events))
	for i, e := range events {
		if opened[i], err = t.open(ctx, e); err != nil {
			return nil, err
		}
	}
	return opened, nil
}

// Subscribe implements synckit.Transport. What cannot be opened is told of without its content.
func (t *Transport) Subscribe(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
	return t.inner.Subscribe(ctx, func(events []synckit.EventWithVersion) error {
		opened := make([]synckit.EventWithVersion, len(events))
		for i, e := range events {
			var err error
			if opened[i], err = t.open(ctx, e); err != nil {
				bare := synckit.NewEvent(e.Event.ID(), synckit.SealedType, e.Event.AggregateID(), nil, nil)
				opened[i] = synckit.EventWithVersion{Event: bare, Version: e.Version}
			}
		}
		return handler(opened)
	})
}

// Drop implements synckit.DroppingTransport, if the transport can.
func (t *Transport) Drop(ctx context.Context, ids []string) error {
	if dropping, ok := t.inner.(synckit.DroppingTransport); ok {
		return dropping.Drop(ctx, ids)
	}
	return errors.New(errors.Unsupported, "drop", nil)
}

// Close implements synckit.Transport.
func (t *Transport) Close() error { return t.inner.Close() }
