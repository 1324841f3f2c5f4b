package e2e

import (
	"syncline/internal/testservers"
	"testing"
)

// A primary that crashes, and whose synchronous replica is promoted, loses no
// acknowledged write. Instances find the new primary by themselves, and stay
// with it when the old one comes back to read only.
func TestPostgresFailover(t *testing.T) {
	pair := testservers.StartPostgresPair(t)
	d := startPair(t, "DATABASE_URL="+pair.NewURL(t))
	load, locks := startLoad(t, d.urls()), startContention(t, d.urls())
	load.steady("before")
	load.during("the replica takes over", func() {
		pair.FailOver()
		pause(nil, phaseTime()*8)
	})
	d.awaitReadiness(t, 200, "ready", "database", "ok")
	load.during("the old primary is back as a replica", func() {
		for _, s := range d.instances { t.Log(s.Log()) }; t.FailNow()
		pause(nil, phaseTime())
		load.mustGoOn()
	})
	for _, s := range d.instances { t.Log(s.Log()) }
	t.FailNow()
	locks.finish()
	locks.checkExclusive()
	load.finish()
}
