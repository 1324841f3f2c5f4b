package synckit

import (
	"fmt"
	"log/slog"
	"time"

	"syncline/synckit/errors"
)

// ManagerOption is a choice for NewManager.
type ManagerOption func(*SyncManagerBuilder) error

// NewManager puts a manager together. A store and a transport are required; what is
// missing, out of range or contradicts itself is an error of code InvalidOptions. What
// an option has opened, such as WithSQLite its store, the manager's Close closes; what was
// handed over, such as to WithStore, it does not.
func NewManager(options ...ManagerOption) (*Manager, error) {
	b := NewSyncManagerBuilder()
	for i, option := range options {
		if option == nil {
			b.discard()
			return nil, badOptions(fmt.Sprintf("option %d is nil", i+1))
		}
		if err := option(b); err != nil {
			b.discard()
			return nil, coded("new manager", errors.InvalidOptions, err)
		}
	}
	m, err := b.Build()
	if err != nil {
		b.discard()
	}
	return m, err
}

// discard closes what options opened for a manager that is not made.
func (b *SyncManagerBuilder) discard() {
	for _, one := range b.opened {
		_ = one.Close() // the error that counts is why there is no manager
	}
	b.opened = nil
}

// choose makes an option of what only sets something.
func choose(set func(*SyncManagerBuilder)) ManagerOption {
	return func(b *SyncManagerBuilder) error {
		set(b)
		return nil
	}
}

// WithStore has a manager sync this store. The caller closes it.
func WithStore(store EventStore) ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithStore(store) })
}

// WithSQLite has a manager open and sync the store in an SQLite file, with its defaults. The
// program imports the package of the store, if only for this:
//
//	import _ "syncline/synckit/storage/sqlite"
func WithSQLite(path string) ManagerOption {
	return WithOfferedStore("sqlite", path, "syncline/synckit/storage/sqlite")
}

// WithOfferedStore has a manager open and sync a store of a kind that a package offers
// (OfferStore). from is that package, for the error if it is not linked.
func WithOfferedStore(kind, source, from string) ManagerOption {
	return func(b *SyncManagerBuilder) error {
		open, err := offered(&stores, kind, from)
		if err != nil {
			return err
		}
		store, err := open(source)
		if err != nil {
			return err
		}
		b.opened = append(b.opened, store)
		b.WithStore(store)
		return nil
	}
}

// WithTransport has a manager sync by this transport. The caller closes it.
func WithTransport(transport Transport) ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithTransport(transport) })
}

// WithHTTPTransport has a manager sync with the handler of httptransport at a URL. The
// program imports that package, if only for this:
//
//	import _ "syncline/synckit/transport/httptransport"
func WithHTTPTransport(baseURL string) ManagerOption {
	return func(b *SyncManagerBuilder) error {
		open, err := offered(&transports, "http", "syncline/synckit/transport/httptransport")
		if err != nil {
			return err
		}
		transport, err := open(baseURL)
		if err != nil {
			return err
		}
		b.opened = append(b.opened, transport)
		b.WithTransport(transport)
		return nil
	}
}

// WithNullTransport is for a program that only keeps events here: there is no peer, Sync
// has nothing to do, and Push is an error of code Unsupported. All that is stored counts as
// unsent, and goes to the first peer that there is later.
func WithNullTransport() ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithTransport(nullTransport{}).WithPullOnly() })
}

// WithConflictResolver is SyncOptions.ConflictResolver.
func WithConflictResolver(resolver ConflictResolver) ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithConflictResolver(resolver) })
}

// WithLWW resolves by resolve.LastWriteWins. Every store of this library brings that
// package along; a program without any imports it.
func WithLWW() ManagerOption { return withStrategy("last write wins") }

// WithFWW resolves by resolve.FirstWriteWins; see WithLWW.
func WithFWW() ManagerOption { return withStrategy("first write wins") }

// WithAdditiveMerge resolves by resolve.AdditiveMerge; see WithLWW.
func WithAdditiveMerge() ManagerOption { return withStrategy("additive merge") }

func withStrategy(name string) ManagerOption {
	return func(b *SyncManagerBuilder) error {
		resolver, err := offered(&resolvers, name, "syncline/synckit/resolve")
		b.WithConflictResolver(resolver)
		return err
	}
}

// WithFilter is SyncOptions.Filter.
func WithFilter(filter func(Event) bool) ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithFilter(filter) })
}

// WithValidation is SyncOptions.Validate.
func WithValidation(validate func(Event) error) ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithValidation(validate) })
}

// WithBatchSize is SyncOptions.BatchSize.
func WithBatchSize(events int) ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithBatchSize(events) })
}

// WithSyncInterval is SyncOptions.SyncInterval.
func WithSyncInterval(interval time.Duration) ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithSyncInterval(interval) })
}

// WithTimeout is SyncOptions.Timeout.
func WithTimeout(timeout time.Duration) ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithTimeout(timeout) })
}

// WithPushOnly is SyncOptions.PushOnly.
func WithPushOnly() ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithPushOnly() })
}

// WithPullOnly is SyncOptions.PullOnly.
func WithPullOnly() ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithPullOnly() })
}

// WithPeer is SyncOptions.Peer.
func WithPeer(name string) ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithPeer(name) })
}

// WithObserver is SyncOptions.Observer.
func WithObserver(observer Observer) ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithObserver(observer) })
}

// WithManagerLogger is SyncOptions.Logger.
func WithManagerLogger(logger *slog.Logger) ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithLogger(logger) })
}

// WithOptions sets all of SyncOptions at once, over what options before it have set.
func WithOptions(options SyncOptions) ManagerOption {
	return choose(func(b *SyncManagerBuilder) { b.WithOptions(options) })
}
