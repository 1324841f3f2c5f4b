package live

import (
	"context"

	"syncline/synckit/errors"
)

// Lifetime is that of a transport: it ends the calls that run when it is closed.
type Lifetime struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// NewLifetime begins one.
func NewLifetime() *Lifetime {
	l := &Lifetime{}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	return l
}

// Close ends it. It may be called more than once.
func (l *Lifetime) Close() { l.cancel(errors.New(errors.Closed, "use transport", nil)) }

// Done is closed when it has ended.
func (l *Lifetime) Done() <-chan struct{} { return l.ctx.Done() }

// Err is of code Closed once it has ended.
func (l *Lifetime) Err() error { return context.Cause(l.ctx) }

// Begin is Bind for a call, which does not begin once either has ended.
func (l *Lifetime) Begin(ctx context.Context, op string) (bound context.Context, release func(), err error) {
	if err := l.Err(); err != nil {
		return nil, nil, err
	}
	if ctx.Err() != nil {
		return nil, nil, Ended(ctx, op)
	}
	bound, release = l.Bind(ctx)
	return bound, release, nil
}

// Failed is why a call failed that began with ctx and went on with bound, which
// ends with its time: what ended it, or else err, of code Unavailable if it has
// none.
func (l *Lifetime) Failed(ctx, bound context.Context, op string, err error) error {
	switch {
	case l.Err() != nil:
		return l.Err()
	case ctx.Err() != nil:
		return Ended(ctx, op)
	case bound.Err() != nil:
		return errors.New(errors.Timeout, op, err)
	case errors.CodeOf(err) != "":
		return err
	default:
		return errors.New(errors.Unavailable, op, err)
	}
}

// Bind gives a context that ends with either. Call release when done with it.
func (l *Lifetime) Bind(ctx context.Context) (bound context.Context, release func()) {
	bound, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.ctx, func() { cancel(l.Err()) })
	return bound, func() { stop(); cancel(nil) }
}
