package httptransport

import (
	"context"
	"encoding/json"
	"net/http"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/wire"
)

// Push implements synckit.Transport. A large push goes in several requests.
func (t *Transport) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	encoded, outcome := wire.EncodeAll(events)
	parts := wire.Split(encoded, t.options.MaxRequestEvents, t.options.MaxRequestBytes)
	for _, part := range parts {
		wire.Merge(outcome, t.pushPart(ctx, part))
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
func (t *Transport) pushPart(ctx context.Context, events []wire.Event) *synckit.PushError {
	body, err := json.Marshal(events)
	if err != nil {
		return &synckit.PushError{Err: errors.New(errors.Internal, "push", err)}
	}
	answer, err := t.call(ctx, http.MethodPost, "/push", body, t.options.Timeout)
	switch {
	case err != nil:
		return &synckit.PushError{Err: err}
	case answer.status == http.StatusOK:
		return &synckit.PushError{Stored: wire.IDs(events)}
	case answer.status == http.StatusRequestEntityTooLarge && len(events) > 1:
		outcome := t.pushPart(ctx, events[:len(events)/2])
		if outcome.Err == nil {
			wire.Merge(outcome, t.pushPart(ctx, events[len(events)/2:]))
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
