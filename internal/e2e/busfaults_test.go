package e2e

import (
	"math/rand/v2"
	"testing"
	"time"

	"syncline/auth"
	"syncline/internal/testservers"
	"syncline/pubsub/inproc"
	"syncline/storage/locker"
)

// Instances that hear of each other by a bus that loses, repeats, delays and
// reorders hints keep their followers equal to the database all the same.
func TestBadBus(t *testing.T) {
	t.Parallel()
	postgresURL := testservers.StartPostgres(t).NewURL(t)
	network := inproc.New()
	t.Cleanup(network.Close)
	var urls []string
	var buses []*badBus
	for i := range uint64(fleetSize) {
		db := openPostgres(t, postgresURL)
		bus := &badBus{Bus: network, random: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), i))}
		buses = append(buses, bus)
		urls = append(urls, serveInProcess(t, parts{
			db:     db,
			bus:    bus,
			locker: locker.New(db, db.NewEngine()),
			nonces: auth.NewMemoryNonces(1<<20, time.Now),
			now:    time.Now,
		}))
	}
	load, locks := startLoad(t, urls), startContention(t, urls)
	load.steady("first")
	load.steady("second")
	load.steady("third")
	for i, b := range buses {
		until(t, time.Minute, func() bool { return b.lost.Load() > 0 }, func() { t.Errorf("the bus of instance %d lost nothing", i) })
	}
	locks.finish()
	locks.checkExclusive()
	load.finish()
	for i, b := range buses {
		t.Logf("instance %d: %d hints, %d of them lost", i, b.told.Load(), b.lost.Load())
	}
}
