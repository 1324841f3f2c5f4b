package synckit

import (
	"context"
	stderrors "errors"
	"fmt"
	"sync"

	"syncline/synckit/errors"
)

// offers are what packages that build on this one have to offer to NewManager, by name, as
// drivers do to database/sql: this one cannot import them.
type offers[T any] struct {
	mu     sync.RWMutex
	byName map[string]T
}

var (
	stores     offers[func(source string) (EventStore, error)]
	transports offers[func(url string) (Transport, error)]
	resolvers  offers[ConflictResolver]
)

// OfferStore has NewManager open stores of a kind by a function. Packages of stores call it
// when they are initialized.
func OfferStore(kind string, open func(source string) (EventStore, error)) { stores.add(kind, open) }

// OfferTransport has NewManager make transports of a kind by a function. Packages of
// transports call it when they are initialized.
func OfferTransport(kind string, open func(url string) (Transport, error)) {
	transports.add(kind, open)
}

// OfferResolver has NewManager resolve by a resolver that it knows by name. Packages of
// resolvers call it when they are initialized.
func OfferResolver(name string, resolver ConflictResolver) { resolvers.add(name, resolver) }

func (o *offers[T]) add(name string, offer T) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byName == nil {
		o.byName = map[string]T{}
	}
	o.byName[name] = offer
}

func offered[T any](o *offers[T], name, from string) (T, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	offer, ok := o.byName[name]
	if !ok {
		return offer, badOptions(fmt.Sprintf("%s is not linked: import _ %q", name, from))
	}
	return offer, nil
}

// nullTransport reaches nobody.
type nullTransport struct{}

var errNoPeer = stderrors.New("there is no peer: the manager was made with WithNullTransport")

// Peer implements NamedTransport.
func (nullTransport) Peer() string { return "synckit.none" }

// Push implements Transport: nobody stores anything.
func (nullTransport) Push(context.Context, []EventWithVersion) error {
	return errors.New(errors.Unsupported, "push", errNoPeer)
}

// Pull implements Transport: there is nothing.
func (nullTransport) Pull(context.Context, Version) ([]EventWithVersion, error) { return nil, nil }

// Subscribe implements Transport: nobody tells of anything.
func (nullTransport) Subscribe(context.Context, func([]EventWithVersion) error) error {
	return errors.New(errors.Unsupported, "subscribe", errNoPeer)
}

// Close implements Transport.
func (nullTransport) Close() error { return nil }
