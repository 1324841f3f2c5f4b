package grpctransport_test

import (
	"testing"

	"connectrpc.com/connect"

	"syncline/synckit"
	"syncline/synckit/transport/grpctransport"
	"syncline/synckit/transport/transporttest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	conform(t, nil)
}

// The same over gRPC-Web, which needs no HTTP/2.
func TestConformanceOverGRPCWeb(t *testing.T) {
	t.Parallel()
	conform(t, &grpctransport.ClientOptions{Connect: []connect.ClientOption{connect.WithGRPCWeb()}})
}

func conform(t *testing.T, options *grpctransport.ClientOptions) {
	transporttest.Run(t, func(t *testing.T, _ ...transporttest.Ability) transporttest.Peer {
		store := newStore(t)
		s := startServer(t, grpctransport.NewServer(store, nil))
		return transporttest.Peer{
			Connect: func(*testing.T) synckit.Transport { return grpctransport.NewTransport(s.url(), options) },
			Stop:    s.stop,
			Start: func(t *testing.T) {
				s.serving.Store(grpctransport.NewServer(store, nil))
				s.start(t)
			},
			Replace: func(t *testing.T) {
				s.stop(t)
				s.serving.Store(grpctransport.NewServer(newStore(t), nil))
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
