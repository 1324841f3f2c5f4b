package synckit

import (
	"sync"
	"time"

	"syncline/synckit/errors"
)

// Connection is what a manager knows of its way to the peer.
type Connection string

// The states of a connection.
const (
	Unknown Connection = "unknown" // nothing was tried yet
	Online  Connection = "online"  // the last call reached the peer
	Offline Connection = "offline" // the last call failed
)

// Status is what a manager knows at a moment.
type Status struct {
	Connection Connection
	Syncing    bool      // a sync runs now
	AutoSync   bool      // auto sync runs
	Live       bool      // auto sync hears from the peer as soon as it has something new
	LastSync   time.Time // when a sync last succeeded; zero: never
	LastError  error     // why the last sync failed; nil if it did not
	Failures   int       // how many syncs have failed since the last that succeeded
}

// Status tells how things are.
func (m *Manager) Status() Status { return m.status.get() }

type statusKeeper struct {
	mu     sync.Mutex
	status Status
}

func (k *statusKeeper) get() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	status := k.status
	if status.Connection == "" {
		status.Connection = Unknown
	}
	return status
}

func (k *statusKeeper) change(f func(*Status)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(&k.status)
}

func (k *statusKeeper) syncing() { k.change(func(s *Status) { s.Syncing = true }) }

func (k *statusKeeper) synced(err error) {
	k.change(func(s *Status) {
		s.Syncing = false
		if isGivenUp(err) {
			return // that says nothing about the peer
		}
		s.LastError = err
		if err != nil {
			s.Connection = connectionAfter(err)
			s.Failures++
			return
		}
		s.Connection, s.LastSync, s.Failures = Online, time.Now(), 0
	})
}

func (k *statusKeeper) live(live bool) { k.change(func(s *Status) { s.Live = live }) }

func (k *statusKeeper) autoSync(runs bool) { k.change(func(s *Status) { s.AutoSync = runs }) }

func (k *statusKeeper) close() {
	k.change(func(s *Status) { s.Connection, s.AutoSync, s.Live = Unknown, false, false })
}

// connectionAfter tells from an error whether the peer was reached: some
// errors are the peer's answer, or have nothing to do with it.
func connectionAfter(err error) Connection {
	switch errors.CodeOf(err) {
	case errors.Unavailable, errors.Timeout:
		return Offline
	case errors.StorageFailed, errors.Outdated, errors.InvalidOptions:
		return Unknown
	default:
		return Online
	}
}
