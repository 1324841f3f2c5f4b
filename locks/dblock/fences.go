package dblock

import (
	"context"

	"syncline/ent"
	"syncline/locks"
)

// The methods here serve a Locker that keeps its holds elsewhere.

// TakeToken takes the owner's next token. Errors are those of a locks.Locker.
func (l *Locker) TakeToken(ctx context.Context, owner locks.Owner) (locks.Token, error) {
	var token locks.Token
	err := l.transact(ctx, func(ctx context.Context, tx *ent.Tx) (bool, error) {
		counter, err := lockAccount(ctx, tx, owner)
		if err != nil {
			return false, err
		}
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
	err = l.transact(ctx, func(ctx context.Context, tx *ent.Tx) (bool, error) {
		if _, err := lockAccount(ctx, tx, key.Owner); err != nil {
			return false, err
		}
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
