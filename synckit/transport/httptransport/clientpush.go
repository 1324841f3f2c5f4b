package httptransport

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/wire"
)

// Push implements synckit.Transport. A large push goes in several requests.
func (t *Transport) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	return t.push(ctx, events, nil)
}

// PushAfter implements synckit.SkippingTransport.
func (t *Transport) PushAfter(ctx context.Context, cursor string, events []synckit.EventWithVersion) (end string, err error) {
	at := wire.Place{Cursor: cursor, Known: !strings.HasPrefix(cursor, sincePrefix)}
	err = t.push(ctx, events, &at)
	return at.End(err), err
}

// push moves a place on, if there is one, with each part.
func (t *Transport) push(ctx context.Context, events []synckit.EventWithVersion, at *wire.Place) error {
	encoded, outcome := wire.EncodeAll(events)
	parts := wire.Split(encoded, t.options.MaxRequestEvents, t.options.MaxRequestBytes)
	for _, part := range parts {
		wire.Merge(outcome, t.pushPart(ctx, part, at))
		if outcome.Err != nil {
			break
		}
	}
	if len(parts) == 0 {
		outcome.Err = t.lifetime.Err()
	}
	return wire.Result(outcome)
}

// pushPart sends one request, or more where the server finds it too large.
func (t *Transport) pushPart(ctx context.Context, events []wire.Event, at *wire.Place) *synckit.PushError {
	body, err := json.Marshal(events)
	if err != nil {
		return &synckit.PushError{Err: errors.New(errors.Internal, "push", err)}
	}
	target := "/push"
	if after := at.Asked(); after != nil {
		target += "?" + url.Values{"after": {*after}}.Encode()
	}
	answer, err := t.call(ctx, http.MethodPost, target, body, t.options.Timeout)
	switch {
	case err != nil:
		return &synckit.PushError{Err: err}
	case answer.status == http.StatusOK:
		var told wire.PushAnswer
		if at != nil && json.Unmarshal(answer.body, &told) != nil {
			told.Cursor = "" // another server's answer may be any text
		}
		at.Move(told.Cursor)
		return &synckit.PushError{Stored: wire.IDs(events)}
	case answer.status == http.StatusRequestEntityTooLarge && len(events) > 1:
		outcome := t.pushPart(ctx, events[:len(events)/2], at)
		if outcome.Err == nil {
			wire.Merge(outcome, t.pushPart(ctx, events[len(events)/2:], at))
		}
		return outcome
	default:
		return refusal(answer, events)
	}
}

// refusal is what became of events that were not all stored.
func refusal(a answer, events []wire.Event) *synckit.PushError {
	var told wire.PushAnswer
	if json.Unmarshal(a.body, &told) == nil && len(told.Refused)+len(told.Stored) > 0 {
		outcome := told.Outcome()
		if outcome.Err == nil && len(outcome.Stored)+len(outcome.Refused) < len(events) {
			outcome.Err = errors.New(errors.Internal, "push", errUnaccounted)
		}
		return outcome
	}
	failed := a.fault("push")
	if len(events) == 1 && errors.CodeOf(failed) == errors.TooLarge {
		outcome := &synckit.PushError{}
		wire.Refuse(outcome, events[0].Event.ID, failed)
		return outcome
	}
	return &synckit.PushError{Err: failed}
}
