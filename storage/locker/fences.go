package locker

import (
	"context"

	"syncline/ent"
	"syncline/locks"
)

// The methods here serve a Locker that keeps its holds elsewhere.

// TakeToken takes the owner's next token. Errors are those of a locks.Locker.
func (l *Locker) TakeToken(ctx context.Context, owner locks.Owner) (locks.Token, error) {
	var token locks.Token
	err := l.transact(ctx, owner, func(ctx context.Context, tx *ent.Tx, counter locks.Token) (bool, error) {
		var err error
		token, err = takeToken(ctx, tx, owner, counter)
		return true, err
	})
	return token, err
}

// RaiseFence brings a lock's fence to a token, unless it stands there or above,
// and answers where it stands. Errors are those of a locks.Locker.
func (l *Locker) RaiseFence(ctx context.Context, key locks.Key, token locks.Token) (locks.Token, error) {
	fence, err := readFence(ctx, l.read.Lock, key)
	if err == nil && fence >= token { // a renewal's, mostly
		return fence, nil
	}
	err = l.transact(ctx, key.Owner, func(ctx context.Context, tx *ent.Tx, _ locks.Token) (bool, error) {
		var err error
		if fence, err = readFence(ctx, tx.Lock, key); err != nil || fence >= token {
			return false, err
		}
		err = raiseFence(ctx, tx, key, fence, token)
		fence = token
		return true, err
	})
	return fence, err
}
