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

	mu    sync.Mutex
	swept time.Time
}

var _ auth.NonceMemory = (*Nonces)(nil)

// New remembers in a migrated database, by its engine. now is the clock by which
// nonces expire.
func New(db *storage.DB, engine *commit.Engine, now func() time.Time) *Nonces {
	return &Nonces{read: db.Read, engine: engine, now: now}
}

// Remember implements auth.NonceMemory.
func (n *Nonces) Remember(ctx context.Context, key signing.PublicKey, nonce signing.Nonce, until time.Time) error {
	now := n.now()
	if n.sweepDue(now) {
		if err := n.sweep(ctx, now); err != nil {
			return fmt.Errorf("nonces: sweep: %w", err)
		}
	}
	claim := &claim{commit.Key{Table: row.Nonces, Owner: commit.Owner(key), ID: string(nonce[:])}, now, until}
	err := n.engine.Do(ctx, claim)
	if err != nil && !errors.Is(err, auth.ErrNonceReused) {
		return fmt.Errorf("nonces: remember: %w", err)
	}
	return err
}

// claim is a nonce that is to serve once, as a unit of work. It needs no lock of
// its owner, who may have no account, and waits for nobody who holds it.
type claim struct {
	key        commit.Key
	now, until time.Time
}

// Plan implements commit.Unit.
func (c *claim) Plan() commit.Plan {
	return commit.Plan{Owner: c.key.Owner, Unlocked: true, Reads: []commit.Key{c.key}, Rows: 1}
}

// Judge implements commit.Unit. An expired one that is not swept yet serves again.
func (c *claim) Judge(rows *commit.Rows) error {
	if expiresAt, ok := rows.Get(c.key).(int64); ok && expiresAt >= c.now.UnixMicro() {
		return auth.ErrNonceReused
	}
	rows.Put(c.key, c.until.UnixMicro())
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
	for {
		expired, err := n.read.Nonce.Query().Where(entnonce.ExpiresAtLT(now.UnixMicro())).Limit(maxSwept).All(ctx)
		if err != nil || len(expired) == 0 {
			return err
		}
		s := &sweep{now: now}
		for _, e := range expired {
			s.keys = append(s.keys, commit.Key{Table: row.Nonces, Owner: commit.Owner(e.Owner), ID: string(e.ID)})
		}
		slices.SortFunc(s.keys, commit.Key.Compare)
		if err := n.engine.Do(ctx, s); err != nil || len(expired) < maxSwept {
			return err
		}
	}
}

// sweep deletes nonces that have expired, as a unit of work.
type sweep struct {
	keys []commit.Key
	now  time.Time
}

// Plan implements commit.Unit. The line that it waits in is nobody's.
func (s *sweep) Plan() commit.Plan {
	return commit.Plan{Unlocked: true, Reads: s.keys, Rows: len(s.keys)}
}

// Judge implements commit.Unit.
func (s *sweep) Judge(rows *commit.Rows) error {
	for _, key := range s.keys {
		if expiresAt, ok := rows.Get(key).(int64); ok && expiresAt < s.now.UnixMicro() {
			rows.Put(key, nil)
		}
	}
	return nil
}
