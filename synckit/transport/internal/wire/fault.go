package wire

import (
	"context"
	stderrors "errors"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// Fault is an error as a peer is told of it.
type Fault struct {
	Code    errors.Code `json:"code"`
	Message string      `json:"message,omitempty"`
	// RetryAfter is in seconds; 0 leaves it to the client.
	RetryAfter int `json:"retry_after,omitempty"`
}

// told are the codes that a peer's fault can have. The text of other errors,
// which are faults of this side, stays on this side.
func told(code errors.Code) bool {
	switch code {
	case errors.InvalidEvent, errors.InvalidVersion, errors.EventIDReused, errors.CursorLost,
		errors.TooLarge, errors.Refused, errors.Unauthenticated, errors.Unsupported:
		return true
	default:
		return false
	}
}

// busySeconds is how long a peer is asked to wait when this side cannot serve.
const busySeconds = 1

// NewFault is what a peer is told of an error of this side.
func NewFault(err error) Fault {
	code := errors.CodeOf(err)
	switch {
	case told(code):
		return Fault{Code: code, Message: err.Error()}
	case code == errors.Internal:
		return Fault{Code: code, Message: "internal fault"}
	case code == errors.Timeout || stderrors.Is(err, context.DeadlineExceeded):
		return Fault{Code: errors.Timeout, Message: "took too long", RetryAfter: busySeconds}
	default:
		return Fault{Code: errors.Unavailable, Message: "not available now", RetryAfter: busySeconds}
	}
}

// Error is the error that a peer's fault is on this side.
func (f Fault) Error(op string) error {
	code := f.Code
	if code == "" {
		code = errors.Internal
	}
	e := errors.New(code, op, stderrors.New("the peer says: "+f.Message))
	if f.RetryAfter > 0 {
		e.Metadata = errors.Metadata{errors.RetryAfter: (time.Duration(f.RetryAfter) * time.Second).String()}
	}
	return e
}

// PushAnswer tells what became of each event of a push.
type PushAnswer struct {
	Stored  []string         `json:"stored,omitempty"`
	Refused map[string]Fault `json:"refused,omitempty"`
	Error   *Fault           `json:"error,omitempty"`
	// Cursor is the one after the events, where they stand right after the one that was asked about.
	Cursor string `json:"cursor,omitempty"`
}

// NewPushAnswer is what a peer is told of a push.
func NewPushAnswer(outcome *synckit.PushError) PushAnswer {
	answer := PushAnswer{Stored: outcome.Stored}
	if len(outcome.Refused) > 0 {
		answer.Refused = make(map[string]Fault, len(outcome.Refused))
		for id, err := range outcome.Refused {
			answer.Refused[id] = NewFault(err)
		}
	}
	if outcome.Err != nil {
		fault := NewFault(outcome.Err)
		answer.Error = &fault
	}
	return answer
}

// Outcome is what a push came to, by the peer's answer.
func (a PushAnswer) Outcome() *synckit.PushError {
	outcome := &synckit.PushError{Stored: a.Stored}
	for id, fault := range a.Refused {
		Refuse(outcome, id, fault.Error("push"))
	}
	if a.Error != nil {
		outcome.Err = a.Error.Error("push")
	}
	return outcome
}

// Refuse adds an event that is refused.
func Refuse(outcome *synckit.PushError, id string, err error) {
	if outcome.Refused == nil {
		outcome.Refused = make(map[string]error)
	}
	outcome.Refused[id] = err
}

// Merge adds what became of further events of the same push.
func Merge(into, further *synckit.PushError) {
	into.Stored = append(into.Stored, further.Stored...)
	for id, err := range further.Refused {
		Refuse(into, id, err)
	}
	into.Err = further.Err
}

// Result is an outcome as Transport.Push returns it: nil if all were stored.
func Result(outcome *synckit.PushError) error {
	if outcome.Err == nil && len(outcome.Refused) == 0 {
		return nil
	}
	return outcome
}
