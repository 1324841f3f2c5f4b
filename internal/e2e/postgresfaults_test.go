package e2e

import "testing"

// A PostgreSQL that is restarted, and one that crashes, answers no write wrongly:
// it is acknowledged, or UNAVAILABLE with an outcome that is true.
func TestPostgresRestarted(t *testing.T) {
	t.Parallel()
	d := startFleet(t)
	load, locks := startLoad(t, d.urls()), startContention(t, d.urls())
	load.calm("before")
	p := load.during("PostgreSQL is restarted", func() {
		d.postgres.Stop()
		d.awaitReadiness(t, 503, "not ready", "database", "down")
		d.postgres.Start()
		d.awaitReadiness(t, 200, "ready", "database", "ok")
		load.mustGoOn()
	})
	if p.notApplied == 0 {
		t.Error("no write was refused while the database was away")
	}
	load.calm("between")
	load.during("PostgreSQL crashes and recovers", func() {
		d.postgres.Kill()
		d.postgres.Start()
		load.mustGoOn()
	})
	d.awaitReadiness(t, 200, "ready", "database", "ok")
	load.calm("after")
	locks.finish()
	locks.checkExclusive()
	load.finish()
}
