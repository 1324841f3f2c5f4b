package memtransport_test

import (
	"testing"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
	"syncline/synckit/transport/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, func(t *testing.T, _ ...transporttest.Ability) transporttest.Peer {
		store := &transporttest.FaultyLog{Log: memory.New()}
		t.Cleanup(func() { store.Close() })
		return transporttest.Peer{
			Connect: func(*testing.T) synckit.Transport { return memtransport.New("peer", store) },
			Fail:    store.Fail,
			Inject: func(t *testing.T, e synckit.EventWithVersion) {
				if err := store.Store(t.Context(), e.Event, e.Version); err != nil {
					t.Fatal(err)
				}
			},
			Cannot: map[transporttest.Ability]string{
				transporttest.Stopping:  "the peer is in the same process",
				transporttest.Replacing: "a transport is made for one store",
			},
		}
	})
}
