package e2e

import (
	"testing"

	"syncline/internal/testservers"
)

// A primary that crashes, and whose synchronous replica is promoted, loses no
// acknowledged write. Instances find the new primary by themselves, and stay
// with it when the old one comes back to read only.
func TestPostgresFailover(t *testing.T) {
	t.Parallel()
	pair := testservers.StartPostgresPair(t)
	d := startPair(t, "DATABASE_URL="+pair.NewURL(t))
	load, locks := startLoad(t, d.urls()), startContention(t, d.urls())
	load.calm("before")
	load.during("the replica takes over", func() {
		pair.FailOver()
		load.mustGoOn()
	})
	d.awaitReadiness(t, 200, "ready", "database", "ok")
	load.during("the old primary is back as a replica", func() {
		pair.Rejoin()
		pause(nil, phaseTime())
		load.mustGoOn()
	})
	load.calm("after")
	locks.finish()
	locks.checkExclusive()
	load.finish()
}
