package auth

import (
	"context"
	"errors"
	"time"

	"syncline/auth/signing"
)

// ErrNonceReused is returned by a NonceMemory that has seen the nonce before.
var ErrNonceReused = errors.New("auth: nonce was seen before")

// ForgottenError says that a NonceMemory knows nothing of signatures that were
// created before some time: they may have been used.
type ForgottenError struct {
	Before time.Time
}

func (e *ForgottenError) Error() string {
	return "auth: nonces of signatures from before " + e.Before.UTC().Format(time.RFC3339Nano) + " are forgotten"
}

// NonceMemory remembers which nonces a key has used, so that a signature serves
// once.
type NonceMemory interface {
	// Remember takes note of a key's nonce until a time, in whole seconds, which
	// is MaxAge after its signature was created. It returns ErrNonceReused
	// (errors.Is) if it was told of this key and nonce before and the time given
	// then has not passed; of any number of calls at once exactly one returns nil.
	// It may remember for longer, never for less: a memory that has lost what it
	// knew returns a *ForgottenError (errors.As) for older signatures.
	// Any other error means that it cannot tell or cannot remember: the
	// signature is then refused, as unavailable. It is called with verified
	// signatures only.
	Remember(ctx context.Context, key signing.PublicKey, nonce signing.Nonce, until time.Time) error
}
