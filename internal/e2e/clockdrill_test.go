package e2e

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"syncline/auth"
	"syncline/internal/testservers"
	"syncline/pubsub/inproc"
	"syncline/storage/locker"
)

// A server's clock is set ten minutes forward, and then back to ten minutes before its
// start: alone on SQLite, and one of two over PostgreSQL and Redis. No write is lost,
// clients correct their clocks by themselves, and what was signed once serves once.
// The instance whose clock is off is in this process: nothing else can set its clock alone.
func TestDrillOfAClock(t *testing.T) {
	drillsAreLong(t)
	drill := func(t *testing.T, clock *shiftedClock, urls []string) {
		first := signedRequest(t, urls[0])
		if answer := sendTo(t, urls[0], first); !strings.Contains(answer, `"head"`) {
			t.Errorf("a signed request: %s", answer)
		}
		mustNotServe := func() {
			t.Helper()
			for _, url := range urls {
				if answer := sendTo(t, url, first); !strings.Contains(answer, "NONCE_REUSED") && !strings.Contains(answer, "SIGNATURE_EXPIRED") {
					t.Errorf("a captured request is answered: %s", answer)
				}
			}
		}
		l, meets := startDrill(t, urls)
		for _, change := range []struct {
			name string
			off  time.Duration
		}{{"forward", 10 * time.Minute}, {"back", -10 * time.Minute}, {"right again", 0}} {
			p := meets("the clock is set "+change.name, func() {
				clock.set(change.off)
				mustNotServe()
			})
			if p.notApplied+p.unknown+p.lost > 0 {
				t.Error("writes failed")
			}
			mustNotServe()
		}
		l.finish()
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		var clock shiftedClock
		started := time.Now()
		judge := auth.NewClock(func() (time.Time, time.Duration) { return clock.now(), time.Since(started) }, slog.New(slog.DiscardHandler)).Now
		db := testservers.SQLite(t)
		inDB := locker.New(db, db.NewEngine())
		inDB.SetClock(clock.now)
		drill(t, &clock, []string{serveInProcess(t, parts{
			db: db, bus: inproc.New(), locker: inDB,
			nonces: auth.NewMemoryNonces(1<<20, judge), now: clock.now, judge: judge, refuseBefore: started.Truncate(time.Second),
		})})
	})
	t.Run("PostgreSQL and Redis", func(t *testing.T) {
		t.Parallel()
		postgres, redis := testservers.StartPostgres(t).NewURL(t), testservers.StartRedis(t)
		var clock shiftedClock
		urls := []string{
			serveInProcess(t, overRedis(t, postgres, redis.URL(), clock.now)),
			testservers.StartSyncline(t, "DATABASE_URL="+postgres, "REDIS_URL="+redis.URL()).URL(),
		}
		remembersForLong(t, redis)
		drill(t, &clock, urls)
	})
}
