package auth

import (
	"context"
	"errors"
)

// Outcome is how the verification of a request ended.
type Outcome struct {
	Principal Principal // its zero value if the request was not signed, or refused
	Err       *Error    // nil unless it was refused
}

type outcomeKey struct{}

// WithOutcome makes a context in which an access log that stands outside the
// Middleware learns the outcome: it is there when the handler has returned. For
// a WebSocket connection it is that of its last VerifyInit.
func WithOutcome(ctx context.Context) (context.Context, *Outcome) {
	o := new(Outcome)
	return context.WithValue(ctx, outcomeKey{}, o), o
}

// observe notes the outcome, and returns err.
func observe(ctx context.Context, p Principal, err error) error {
	if o, ok := ctx.Value(outcomeKey{}).(*Outcome); ok {
		*o = Outcome{Principal: p}
		_ = errors.As(err, &o.Err)
	}
	return err
}
