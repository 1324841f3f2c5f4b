package e2e

import (
	"os"
	"testing"

	"syncline/internal/testservers"
)

// Patroni, with three servers of PostgreSQL, fails over when the primary's machine
// dies, and switches over for maintenance. Instances, whose DATABASE_URL names all
// three, find the primary by themselves, and nothing acknowledged is lost.
func TestDrillOfPatroni(t *testing.T) {
	t.Parallel()
	if os.Getenv("SYNCLINE_LONG") == "" {
		t.Skip("takes minutes and packages that nothing else needs: SYNCLINE_LONG=1 make setup installs them, and with SYNCLINE_LONG=1 this runs")
	}
	patroni := testservers.StartPatroni(t)
	d := startPair(t, "DATABASE_URL="+patroni.NewURL(t))
	locks := startContention(t, d.urls())
	l, meets := startDrill(t, d.urls())
	meets("the primary's machine dies", func() {
		patroni.KillPrimary()
		d.awaitReadiness(t, 200, "ready", "database", "ok")
	})
	meets("it is back, as a replica", patroni.RestartKilled)
	meets("another takes over for maintenance", func() {
		patroni.SwitchOver()
		d.awaitReadiness(t, 200, "ready", "database", "ok")
	})
	locks.finish()
	locks.checkExclusive()
	l.finish()
}
