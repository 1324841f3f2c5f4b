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

// Bind gives a context that ends with either. Call release when done with it.
func (l *Lifetime) Bind(ctx context.Context) (bound context.Context, release func()) {
	bound, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.ctx, func() { cancel(l.Err()) })
	return bound, func() { stop(); cancel(nil) }
}
