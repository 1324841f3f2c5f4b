// Package kv has clients of other makers' servers, for what Syncline has, too:
// watches and changes since a revision, and, of key-value stores, writes that compare
// and set, and locks that expire. Each is its makers' own client.
package kv

import (
	"context"
	"errors"
	"time"
)

// Dial opens a connection of its own to a server.
type Dial func(ctx context.Context) (Conn, error)

// Conn is a connection to a server.
type Conn interface {
	// Create writes a new key, and returns when the server has acknowledged it.
	Create(ctx context.Context, key string, value []byte) error
	// Fill writes n keys below a prefix, as fast as it can.
	Fill(ctx context.Context, prefix string, n int, value []byte) error
	// Watch has changed called for each later change below a prefix, with the time
	// of its arrival, until the connection closes or ctx ends. It returns when the
	// server knows of the watch.
	Watch(ctx context.Context, prefix string, changed func(at time.Time)) error
	// CatchUp reads the changes below a prefix from the first one on, until it has
	// seen n.
	CatchUp(ctx context.Context, prefix string, n int) error
	Close()
}

// Store is a connection to a store of keys and values, whose Create fails for a key that
// is there.
type Store interface {
	Conn
	// Count is how many keys there are, without locks.
	Count(ctx context.Context) (int64, error)
	// Lock takes a lock that expires after lockTTL, or fails if it is taken. unlock releases it.
	Lock(ctx context.Context, name string) (unlock func(ctx context.Context) error, err error)
}

// lockTTL is how long a lock holds that nobody releases.
const lockTTL = 30 * time.Second

var (
	errExists = errors.New("the key is there already")
	errTaken  = errors.New("the lock is taken")
	errEnded  = errors.New("the watch ended")
)
