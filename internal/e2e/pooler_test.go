package e2e

import (
	"testing"

	"syncline/internal/testservers"
)

// Instances share a pooler that lends server connections for one transaction at
// a time, fewer than there are clients; then it restarts.
func TestBehindPgBouncer(t *testing.T) {
	t.Parallel()
	postgres := testservers.StartPostgres(t)
	pooler := testservers.StartPgBouncer(t, postgres, 4)
	d := startPair(t, "DATABASE_URL="+pooler.NewURL(t))
	load, locks := startLoad(t, d.urls()), startContention(t, d.urls())
	if p := load.calm("before"); p.notApplied+p.unknown+p.lost > 0 {
		t.Error("writes failed though nothing did")
	}
	load.during("the pooler is killed and restarted", func() {
		pooler.Kill()
		d.awaitReadiness(t, 503, "not ready", "database", "down")
		pooler.Start()
		d.awaitReadiness(t, 200, "ready", "database", "ok")
		load.mustGoOn()
	})
	load.during("PostgreSQL is restarted behind the pooler", func() {
		postgres.Stop()
		postgres.Start()
		load.mustGoOn()
	})
	load.calm("after")
	locks.finish()
	locks.checkExclusive()
	load.finish()
}

// startPair starts two instances that share what these variables name.
func startPair(t *testing.T, env ...string) *deployment {
	t.Helper()
	d := &deployment{}
	for range 2 {
		d.instances = append(d.instances, testservers.StartSyncline(t, env...))
	}
	return d
}
