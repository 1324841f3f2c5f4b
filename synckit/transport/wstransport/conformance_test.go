package wstransport_test

import (
	"testing"

	"syncline/synckit"
	"syncline/synckit/transport/transporttest"
	"syncline/synckit/transport/wstransport"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(t *testing.T, _ ...transporttest.Ability) transporttest.Peer {
		store := newStore(t)
		s := startServer(t, wstransport.NewHandler(store, nil))
		return transporttest.Peer{
			Connect: func(*testing.T) synckit.Transport { return wstransport.NewTransport(s.url(), nil) },
			Stop:    s.stop,
			Start: func(t *testing.T) {
				s.handler.Store(wstransport.NewHandler(store, nil))
				s.start(t)
			},
			Replace: func(t *testing.T) {
				s.stop(t)
				s.handler.Store(wstransport.NewHandler(newStore(t), nil))
				s.start(t)
			},
			Fail: store.Fail,
			Inject: func(t *testing.T, e synckit.EventWithVersion) {
				if err := store.Store(t.Context(), e.Event, e.Version); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
