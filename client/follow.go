package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Follow yields what happened in the feed after since, then a CaughtUp event,
// then every further change as it happens, until ctx ends: its error comes
// last. It resumes by itself after any disconnect, without hole or duplicate:
// revisions only ascend. After each disconnect a further CaughtUp tells that
// events are live again.
//
// Apply an event, store what it changed, then store its Cursor, in this order:
// after a crash, follow from the stored cursor. A consumer may be slow; others
// do not notice.
//
// Errors that no retry mends end it: ErrCursorTooOld (walk from Beginning with
// All and drop what that does not bring), ErrEpochMismatch, ErrUnauthenticated,
// ErrForbidden, ErrBadUserInput, ErrProtocol.
func (c *Client) Follow(ctx context.Context, since Cursor) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		at, last := since, Revision(0)
		sub := subscription{
			document:  recordChangedDocument,
			variables: func() any { return map[string]any{"since": at.wire()} },
		}
		err := watch(ctx, c, sub, func(data struct{ RecordChanged Event }) (bool, error) {
			e := data.RecordChanged
			switch {
			case (e.Kind != Changed && e.Kind != CaughtUp) || e.Cursor == "":
				return false, fmt.Errorf("%w: event %q", ErrProtocol, e.Kind)
			case e.Kind == Changed && e.Record.Revision <= last:
				return true, nil // seen before the disconnect
			}
			at, last = e.Cursor, max(last, e.Record.Revision)
			return yield(e, nil), nil
		})
		if err != nil {
			yield(Event{}, err)
		}
	}
}

type subscription struct {
	document  string
	variables func() any // read afresh at each connection
}

// watch delivers the data of a subscription's events, over as many connections
// as it takes, until deliver says that it wants no more: then the error is nil.
func watch[T any](ctx context.Context, c *Client, sub subscription, deliver func(T) (more bool, err error)) error {
	w := watcher{client: c, subscription: sub}
	w.deliver = func(raw json.RawMessage) (bool, error) {
		var data T
		if err := json.Unmarshal(raw, &data); err != nil {
			return false, fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		return deliver(data)
	}
	return w.run(ctx)
}

type watcher struct {
	client *Client
	subscription
	deliver func(json.RawMessage) (more bool, err error)
	// reached: some connection was acknowledged, so the endpoint is right.
	reached bool
	// progress: an event arrived on the present connection.
	progress bool
}

// errStopped says that the consumer wants no more.
var errStopped = errors.New("stopped")

func (w *watcher) run(ctx context.Context) error {
	var pause backoff
	var last error
	corrected, began := false, time.Now()
	if err := checkText(w.variables()); err != nil {
		return err
	}
	for {
		w.progress = false
		err := w.connection(ctx)
		if w.progress {
			pause.reset()
			corrected, last = false, nil
		}
		switch {
		case errors.Is(err, errStopped):
			return nil
		case ctx.Err() != nil:
			return w.client.whatFailed(w.document, began, gaveUp(ctx, last))
		case !corrected && isClockOff(err):
			if err := w.client.correctClock(err); err != nil {
				return err
			}
			corrected = true
			continue
		case w.isFinal(err):
			return w.client.whatFailed(w.document, began, err)
		}
		last = err
		after, _ := mayPass(err)
		wait := pause.next(after)
		w.client.log.InfoContext(ctx, "not connected", "tryingAgainIn", wait, "error", err)
		if sleep(ctx, wait) != nil {
			return w.client.whatFailed(w.document, began, gaveUp(ctx, last))
		}
	}
}

// isFinal tells whether an error will come back at every connection.
func (w *watcher) isFinal(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		switch e.Code {
		case ErrUnavailable, ErrRateLimited, ErrInternal, ErrNonceReused, ErrSignatureExpired:
			return false
		}
		return true
	}
	_, ok := mayPass(err)
	return !ok
}

// connection delivers events until the connection ends; its error is never nil.
func (w *watcher) connection(ctx context.Context) error {
	s, err := w.client.connect(ctx)
	if w.reached && errors.Is(err, ErrProtocol) { // a gateway speaks for a server that is away
		err = &unreachableError{cause: err}
	}
	if err != nil {
		return err
	}
	defer s.close()
	w.reached = true
	payload, err := json.Marshal(map[string]any{"query": w.document, "variables": w.variables()})
	if err != nil {
		return err
	}
	if err := s.write(message{ID: "1", Type: "subscribe", Payload: payload}); err != nil {
		return err
	}
	for {
		select {
		case m, open := <-s.incoming:
			if !open {
				return s.err
			}
			if err := w.handle(m); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// handle takes one message of the subscription; an error ends the connection.
func (w *watcher) handle(m message) error {
	switch m.Type {
	case "next":
		return w.next(m.Payload)
	case "error":
		var failed wireErrors
		if err := json.Unmarshal(m.Payload, &failed); err != nil || len(failed) == 0 {
			return fmt.Errorf("%w: an error without content", ErrProtocol)
		}
		return failed.error()
	case "complete":
		return &unreachableError{cause: errors.New("the server ended the subscription")}
	default:
		return fmt.Errorf("%w: message %q", ErrProtocol, m.Type)
	}
}

func (w *watcher) next(payload json.RawMessage) error {
	var result struct {
		Data   json.RawMessage
		Errors wireErrors
	}
	if err := json.Unmarshal(payload, &result); err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if len(result.Errors) > 0 {
		return result.Errors.error()
	}
	w.progress = true
	more, err := w.deliver(result.Data)
	if err == nil && !more {
		err = errStopped
	}
	return err
}
