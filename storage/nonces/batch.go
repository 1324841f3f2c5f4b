package nonces

import (
	"context"
	"time"

	"syncline/auth/signing"
	"syncline/ent"
)

// Bounds of one write for many. When a thousand clients reconnect at once, the
// database is asked a few times, and writers wait behind one of these at most.
const (
	maxBatch  = 200
	batchTime = 30 * time.Second
)

// claim is a nonce that somebody waits to have remembered.
type claim struct {
	key   signing.PublicKey
	nonce signing.Nonce
	until time.Time
	done  chan error // has room for the answer
}

// await has a claim written, by whoever has the turn. What is written for many
// does not end with the request of one.
func (n *Nonces) await(ctx context.Context, c *claim) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n.mu.Lock()
	n.waiting = append(n.waiting, c)
	n.mu.Unlock()
	for {
		select {
		case err := <-c.done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case n.turn <- struct{}{}:
			n.write(context.WithoutCancel(ctx))
			<-n.turn
		}
	}
}

// write answers those who wait, up to maxBatch.
func (n *Nonces) write(ctx context.Context) {
	n.mu.Lock()
	batch := n.waiting[:min(len(n.waiting), maxBatch)]
	n.waiting = n.waiting[len(batch):]
	n.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, batchTime)
	defer cancel()
	if len(batch) > 1 && n.insertAll(ctx, batch) == nil {
		for _, c := range batch {
			c.done <- nil
		}
		return
	}
	for _, c := range batch { // one is there already, or something is wrong: each by itself
		c.done <- n.remember(ctx, c)
	}
}

// insertAll writes all or, if any is there already, none.
func (n *Nonces) insertAll(ctx context.Context, batch []*claim) error {
	rows := make([]*ent.NonceCreate, len(batch))
	for i, c := range batch {
		rows[i] = n.client.Nonce.Create().SetOwner(c.key[:]).SetID(c.nonce[:]).SetExpiresAt(c.until.UnixMicro())
	}
	return n.client.Nonce.CreateBulk(rows...).Exec(ctx)
}
