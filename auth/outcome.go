package auth

import (
	"context"
	"errors"
	"sync"
	"time"

	"syncline/internal/contextvalue"
)

// Outcome is how the verification of a request ended. It is safe for concurrent
// use: a WebSocket goes on after its request.
type Outcome struct {
	mu        sync.Mutex
	principal Principal
	err       *Error
	began     time.Time
	ended     time.Time
}

// Get is the principal, its zero value if the request was not signed or was
// refused, and the refusal if it was.
func (o *Outcome) Get() (Principal, *Error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.principal, o.err
}

// Took is when the verification began and when it ended, with the time that the request's body took to
// arrive; the zero times if there was none.
func (o *Outcome) Took() (began, ended time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.began, o.ended
}

// WithOutcome makes a context in which an access log that stands outside the
// Middleware learns the outcome: it is there when the handler has returned. For
// a WebSocket connection it is that of its last VerifyInit.
func WithOutcome(ctx context.Context) (context.Context, *Outcome) {
	return contextvalue.New[Outcome](ctx)
}

// observe notes the outcome of what began at a time, and returns err.
func observe(ctx context.Context, began time.Time, p Principal, err error) error {
	if o := contextvalue.Of[Outcome](ctx); o != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.principal, o.err, o.began, o.ended = p, nil, began, time.Now()
		_ = errors.As(err, &o.err)
	}
	return err
}
