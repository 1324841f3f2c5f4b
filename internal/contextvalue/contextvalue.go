// Package contextvalue puts values into contexts. A value is found by its type, and
// takes one allocation together with its context: a request passes a dozen of them.
package contextvalue

import "context"

// New makes a context that has a value of type T, the zero value at first.
func New[T any](ctx context.Context) (context.Context, *T) {
	c := &valueContext[T]{Context: ctx}
	return c, &c.value
}

// Of is the value of type T that the innermost New of that type made; nil if none did.
func Of[T any](ctx context.Context) *T {
	value, _ := ctx.Value(key[T]{}).(*T)
	return value
}

type key[T any] struct{}

type valueContext[T any] struct {
	context.Context
	value T
}

// Value implements context.Context.
func (c *valueContext[T]) Value(of any) any {
	if of == (key[T]{}) {
		return &c.value
	}
	return c.Context.Value(of)
}
