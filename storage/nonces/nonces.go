// Package nonces remembers nonces in the database, so that a restart does not
// forget them.
package nonces

import (
	"context"
	"fmt"
	"sync"
	"time"

	"syncline/auth"
	"syncline/auth/signing"
	"syncline/ent"
	entnonce "syncline/ent/nonce"
)

// sweepEvery is how often expired nonces are looked for.
const sweepEvery = time.Minute

// Nonces is an auth.NonceMemory that costs a durable write for each nonce, or
// one for many that come at the same time.
type Nonces struct {
	client *ent.Client
	now    func() time.Time
	turn   chan struct{} // one writes at a time, for all who wait

	mu      sync.Mutex
	swept   time.Time
	waiting []*claim
}

var _ auth.NonceMemory = (*Nonces)(nil)

// New remembers in a migrated database. client is one that may write.
func New(client *ent.Client, now func() time.Time) *Nonces {
	return &Nonces{client: client, now: now, turn: make(chan struct{}, 1)}
}

// Remember implements auth.NonceMemory.
func (n *Nonces) Remember(ctx context.Context, key signing.PublicKey, nonce signing.Nonce, until time.Time) error {
	now := n.now()
	if n.sweepDue(now) {
		if err := n.sweep(ctx, now); err != nil {
			return fmt.Errorf("nonces: sweep: %w", err)
		}
	}
	return n.await(ctx, &claim{key: key, nonce: nonce, until: until, done: make(chan error, 1)})
}

// remember writes one nonce by itself.
func (n *Nonces) remember(ctx context.Context, c *claim) error {
	err := n.insert(ctx, c.key, c.nonce, c.until)
	if ent.IsConstraintError(err) {
		return n.replaceExpired(ctx, c.key, c.nonce, c.until, n.now())
	}
	if err != nil {
		return fmt.Errorf("nonces: %w", err)
	}
	return nil
}

// insert fails with a constraint error if the nonce is there already: of any
// number of racers the primary key lets one through.
func (n *Nonces) insert(ctx context.Context, key signing.PublicKey, nonce signing.Nonce, until time.Time) error {
	return n.client.Nonce.Create().
		SetOwner(key[:]).
		SetID(nonce[:]).
		SetExpiresAt(until.UnixMicro()).
		Exec(ctx)
}

// replaceExpired takes the place of a nonce that has expired and is not swept
// yet. After the first racer the row is no expired one any more.
func (n *Nonces) replaceExpired(ctx context.Context, key signing.PublicKey, nonce signing.Nonce, until, now time.Time) error {
	replaced, err := n.client.Nonce.Update().
		Where(entnonce.Owner(key[:]), entnonce.ID(nonce[:]), entnonce.ExpiresAtLT(now.UnixMicro())).
		SetExpiresAt(until.UnixMicro()).
		Save(ctx)
	if err != nil {
		return fmt.Errorf("nonces: %w", err)
	}
	if replaced == 0 {
		return auth.ErrNonceReused
	}
	return nil
}

// sweepDue says so to one caller each time.
func (n *Nonces) sweepDue(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.swept) < sweepEvery {
		return false
	}
	n.swept = now
	return true
}

func (n *Nonces) sweep(ctx context.Context, now time.Time) error {
	_, err := n.client.Nonce.Delete().Where(entnonce.ExpiresAtLT(now.UnixMicro())).Exec(ctx)
	return err
}
