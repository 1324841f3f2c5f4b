package turns

import "context"

type contextKey struct{}

// NewContext has a context carry the turn of what is done in it.
func NewContext(ctx context.Context, t *Turn) context.Context {
	return context.WithValue(ctx, contextKey{}, t)
}

// FromContext is the turn of what is done in a context, or nil.
func FromContext(ctx context.Context) *Turn {
	t, _ := ctx.Value(contextKey{}).(*Turn)
	return t
}
