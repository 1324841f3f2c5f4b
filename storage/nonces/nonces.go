// Package nonces remembers nonces in the database, so that a restart does not
// forget them.
package nonces

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"syncline/auth"
	"syncline/auth/signing"
	"syncline/ent"
	entnonce "syncline/ent/nonce"
	"syncline/storage"
	"syncline/storage/commit"
	"syncline/storage/row"
)

// sweepEvery is how often expired nonces are looked for, and maxSwept how many are
// deleted in one transaction, which writers wait for.
const (
	sweepEvery = time.Minute
	maxSwept   = commit.MaxRows
)

// Nonces is an auth.NonceMemory that costs a durable write for each nonce, or
// one for many that come at the same time.
type Nonces struct {
	read   *ent.Client
	engine *commit.Engine
	now    func() time.Time
	failed func(error)

	mu    sync.Mutex
	swept time.Time
}

var _ auth.NonceMemory = (*Nonces)(nil)

// New remembers in a migrated database, by its engine. now is the clock by which
// nonces expire.
func New(db *storage.DB, engine *commit.Engine, now func() time.Time) *Nonces {
	return &Nonces{read: db.Read, engine: engine, now: now, failed: func(error) {}}
}

// OnSweepFailed has tell called when expired nonces could not be deleted, at most once
// each minute. It is called before Remember is.
func (n *Nonces) OnSweepFailed(tell func(error)) { n.failed = tell }

// Remember implements auth.NonceMemory.
func (n *Nonces) Remember(ctx context.Context, key signing.PublicKey, nonce signing.Nonce, until time.Time) error {
	now := n.now()
	if n.sweepDue(now) {
		if err := n.sweep(ctx, now); err != nil && !errors.Is(err, context.Canceled) { // of a caller who is gone
			n.failed(fmt.Errorf("nonces: sweep: %w", err))
		}
	}
	id := commit.Key{Table: row.Nonces, Owner: commit.Owner(key), ID: string(nonce[:])}
	// It needs no lock of its owner, who may have no account, and waits for nobody who
	// holds it. An expired one that is not swept yet serves again.
	plan := commit.Plan{Owner: id.Owner, Unlocked: true, Reads: []commit.Key{id}, Rows: 1}
	err := n.engine.Do(ctx, commit.NewUnit(plan, func(rows *commit.Rows) error {
		if expiresAt, ok := rows.Get(id).(int64); ok && expiresAt >= now.UnixMicro() {
			return auth.ErrNonceReused
		}
		rows.Put(id, until.UnixMicro())
		return nil
	}))
	if err != nil && !errors.Is(err, auth.ErrNonceReused) {
		return fmt.Errorf("nonces: remember: %w", err)
	}
	return err
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

// sweep deletes expired nonces, maxSwept at most: if there may be more, the next caller
// goes on. If it fails, which is no fault of who called, another one tries sweepEvery later.
func (n *Nonces) sweep(ctx context.Context, now time.Time) error {
	expired, err := n.read.Nonce.Query().Where(entnonce.ExpiresAtLT(now.UnixMicro())).Limit(maxSwept).All(ctx)
	if err != nil {
		return fmt.Errorf("find expired ones: %w", err)
	}
	if len(expired) == 0 {
		return nil
	}
	keys := make([]commit.Key, len(expired))
	for i, e := range expired {
		keys[i] = commit.Key{Table: row.Nonces, Owner: commit.Owner(e.Owner), ID: string(e.ID)}
	}
	slices.SortFunc(keys, commit.Key.Compare)
	plan := commit.Plan{Unlocked: true, Reads: keys, Rows: len(keys)} // it waits in a line that is nobody's
	err = n.engine.Do(ctx, commit.NewUnit(plan, func(rows *commit.Rows) error {
		for _, key := range keys {
			if expiresAt, ok := rows.Get(key).(int64); ok && expiresAt < now.UnixMicro() {
				rows.Put(key, nil)
			}
		}
		return nil
	}))
	if err != nil {
		return fmt.Errorf("delete expired ones: %w", err)
	}
	if len(expired) == maxSwept {
		n.mu.Lock()
		n.swept = time.Time{}
		n.mu.Unlock()
	}
	return nil
}
