package nonces

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"syncline/auth"
	"syncline/auth/signing"
	"syncline/storage"
)

// markEvery is how often a mark that is missing is thought of.
const markEvery = 10 * time.Second

// longest is how long a signature may serve after it was let in: one that was
// created a minute ahead.
const longest = auth.MaxAge + time.Minute

// Marked is a memory that lets signatures in also when the database cannot keep
// their nonces, above all on a full disk. What then gives way is that a restart is
// not noticed: a file, the mark, is there as long as the database has all nonces
// that could still serve. It is removed before the first one is let in that the
// database lacks, which a full disk allows. A process that finds no mark refuses
// signatures from before its start, as a *auth.ForgottenError.
//
// Within one process the database's part is only the second memory: the first one
// still has each nonce.
type Marked struct {
	nonces *Nonces
	path   string
	since  time.Time // signatures from before are refused; zero: none

	mu   sync.Mutex
	mark bool      // it is there
	last time.Time // when the database may have lacked a nonce last
}

var _ auth.NonceMemory = (*Marked)(nil)

// Marked looks for the mark at a path. Run must be running, to put it back.
func (n *Nonces) Marked(path string) (*Marked, error) {
	m := &Marked{nonces: n, path: path}
	_, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		m.since, m.last = n.now(), n.now()
	case err != nil:
		return nil, fmt.Errorf("nonces: look for the mark: %w", err)
	default:
		m.mark = true
	}
	return m, nil
}

// Remember implements auth.NonceMemory.
func (m *Marked) Remember(ctx context.Context, key signing.PublicKey, nonce signing.Nonce, until time.Time) error {
	if until.Add(-auth.MaxAge).Before(m.since) {
		return &auth.ForgottenError{Before: m.since}
	}
	err := m.nonces.Remember(ctx, key, nonce, until)
	if err == nil || errors.Is(err, auth.ErrNonceReused) || ctx.Err() != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mark {
		if unmarked := storage.RemoveMark(m.path); unmarked != nil {
			return errors.Join(err, fmt.Errorf("nonces: remove the mark: %w", unmarked))
		}
		m.mark = false
	}
	m.last = m.nonces.now()
	return nil
}

// Run puts the mark back when what the database lacks has expired, until ctx ends.
func (m *Marked) Run(ctx context.Context) error {
	tick := time.NewTicker(markEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			m.restore()
		}
	}
}

func (m *Marked) restore() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mark || m.nonces.now().Sub(m.last) < longest {
		return
	}
	m.mark = storage.MakeMark(m.path) == nil // else later: the disk may still be full
}
