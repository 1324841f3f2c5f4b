package httptransport_test

import (
	"net/http"
	"testing"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/httptransport"
	"syncline/synckit/transport/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.Peer {
		store := newStore(t)
		s := startServer(t, newHandler(store, nil))
		return transporttest.Peer{
			Connect: func(*testing.T) synckit.Transport { return httptransport.NewTransport(s.url(), nil, nil, nil) },
			Stop:    s.stop,
			Start:   s.start,
			Replace: func(t *testing.T) { s.handler.Store(newHandler(newStore(t), nil)) },
			Fail:    store.Fail,
		}
	})
}

// plainStore has the documented interface alone.
type plainStore struct{ synckit.EventStore }

func TestConformanceOverADocumentedStore(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.Peer {
		store := newStore(t)
		handler := func(store synckit.EventStore) http.Handler { return newHandler(plainStore{store}, nil) }
		s := startServer(t, handler(store))
		return transporttest.Peer{
			Connect: func(*testing.T) synckit.Transport { return httptransport.NewTransport(s.url(), nil, nil, nil) },
			Stop:    s.stop,
			Start: func(t *testing.T) {
				s.handler.Store(handler(store))
				s.start(t)
			},
			Replace: func(t *testing.T) { s.handler.Store(handler(memory.New())) },
			Fail:    store.Fail,
		}
	})
}
