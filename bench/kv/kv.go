// Package kv has clients of other makers' key-value stores, for what Syncline
// has, too: writes that compare and set, watches, changes since a revision, and
// locks that expire. Each is its makers' own client.
package kv

import (
	"context"
	"errors"
	"time"
)

// Dial opens a connection of its own to a store.
type Dial func(ctx context.Context) (Conn, error)

// Conn is a connection to a store.
type Conn interface {
	// Create writes a key that must not be there yet, and returns when the store
	// has acknowledged it.
	Create(ctx context.Context, key string, value []byte) error
	// Fill writes n keys below a prefix, as fast as it can.
	Fill(ctx context.Context, prefix string, n int, value []byte) error
	// Count is how many keys there are, without locks.
	Count(ctx context.Context) (int64, error)
	// Watch has changed called for each later change below a prefix, with the time
	// of its arrival, until the connection closes or ctx ends. It returns when the
	// store knows of the watch.
	Watch(ctx context.Context, prefix string, changed func(at time.Time)) error
	// CatchUp reads the changes below a prefix from the first one on, until it has
	// seen n.
	CatchUp(ctx context.Context, prefix string, n int) error
	// Lock takes a lock that expires after lockTTL, or fails if it is taken. unlock releases it.
	Lock(ctx context.Context, name string) (unlock func(ctx context.Context) error, err error)
	Close()
}

// lockTTL is how long a lock holds that nobody releases.
const lockTTL = 30 * time.Second

var (
	errExists = errors.New("the key is there already")
	errTaken  = errors.New("the lock is taken")
	errEnded  = errors.New("the watch ended")
)
