// Package auth verifies who sent a request.
package auth

import (
	"context"

	"syncline/auth/signing"
)

// Principal is who a verified request acts for.
type Principal struct {
	// Key is the public key recovered from the signature: the owner.
	Key signing.PublicKey
}

type contextKey struct{}

// NewContext puts a verified principal into a context.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext takes the verified principal out of a context; false if the
// request was not signed.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(contextKey{}).(Principal)
	return p, ok
}
