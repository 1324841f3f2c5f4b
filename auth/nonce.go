package auth

import (
	"context"
	"errors"
	"time"

	"syncline/auth/signing"
)

// ErrNonceReused is returned by a NonceMemory that has seen the nonce before.
var ErrNonceReused = errors.New("auth: nonce was seen before")

// NonceMemory remembers which nonces a key has used, so that a signature serves
// once.
type NonceMemory interface {
	// Remember takes note of a key's nonce until a time, in whole seconds. It
	// returns ErrNonceReused (errors.Is) if it was told of this key and nonce
	// before and the time given then has not passed; of any number of calls at
	// once exactly one returns nil. It may remember for longer, never for less.
	// Any other error means that it cannot tell or cannot remember: the
	// signature is then refused, as unavailable. It is called with verified
	// signatures only.
	Remember(ctx context.Context, key signing.PublicKey, nonce signing.Nonce, until time.Time) error
}
