package e2e

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncline/internal/testservers"
)

// A PostgreSQL that is restarted, and one that crashes, answers no write wrongly:
// it is acknowledged, or UNAVAILABLE with an outcome that is true.
func TestPostgresRestarted(t *testing.T) {
	t.Parallel()
	d := startFleet(t)
	load, locks := startLoad(t, d.urls()), startContention(t, d.urls())
	load.calm("before")
	load.during("PostgreSQL is restarted", func() {
		d.postgres.Stop()
		d.awaitReadiness(t, 503, "not ready", "database", "down")
		testservers.Await(t, "writes are refused while the database is away", func(context.Context) bool { return load.refused() > 0 })
		d.postgres.Start()
		d.awaitReadiness(t, 200, "ready", "database", "ok")
		load.mustGoOn()
	})
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

// Columns that change their type under load, as an upgrade may have it beside instances of the version before, have each
// statement fail that was prepared before ("cached plan must not change result type"). It is run again, and no client
// hears of it. Only columns are changed that the reads select: a read at one instant whose result keeps its types waits for
// the table instead, and then finds it empty, for what rewrites a table does not keep the rows that older snapshots see.
func TestColumnsThatChangeUnderLoad(t *testing.T) {
	t.Parallel()
	database := testservers.StartPostgres(t).NewURL(t)
	d := startPair(t, "DATABASE_URL="+database)
	admin, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	load, locks := startLoad(t, d.urls()), startContention(t, d.urls())
	stopReading := startReaders(t, d.urls())
	load.calm("before")
	for _, change := range []struct{ table, column, narrow, wide string }{
		{"records", "schema_version", "varchar(200)", "text"},
		{"accounts", "record_count", "integer", "bigint"},
		{"mutations", "head", "integer", "bigint"},
		{"locks", "fence", "integer", "bigint"},
		{"lock_holders", "token", "integer", "bigint"},
	} {
		p := load.during(change.table+" change", func() {
			for _, to := range []string{change.narrow, change.wide} {
				if _, err := admin.Exec(t.Context(), "ALTER TABLE syncline_"+change.table+" ALTER COLUMN "+change.column+" TYPE "+to); err != nil {
					t.Fatal(err)
				}
				load.mustGoOn()
			}
		})
		if p.notApplied+p.unknown+p.lost > 0 {
			t.Errorf("%s: writes failed because a column changed: %q", change.table, p.errors)
		}
	}
	stopReading()
	locks.finish()
	locks.checkExclusive()
	load.finish()
}

// startReaders has a device at each URL ask, again and again, for all that can be read, and take a lock. Each answer must
// be one: they do not try again. Stopping checks that each has asked for everything.
func startReaders(t *testing.T, urls []string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, url := range urls {
		reader := newDevice(url, newKey(t))
		wg.Go(func() {
			for rounds := 0; rounds == 0 || ctx.Err() == nil; rounds++ {
				for _, document := range []string{
					`{ viewer { head recordCount } }`, `{ changes(since: "0") { head } }`, `{ record(id: "a") { revision } }`, `{ records(ids: ["a", "b"]) { revision } }`,
					`{ lock(name: "read") { holders { token } } }`,
					`mutation { setLock(input: { name: "read", instanceId: "reader" }) { status } }`,
					`mutation { setRecord(input: { id: "a", data: "", mutationId: "of a reader" }) { status } }`,
				} {
					var out json.RawMessage
					if err := reader.call(t.Context(), document, nil, &out); err != nil {
						t.Errorf("%s: %v", document, err)
					}
				}
				pause(ctx.Done(), 20*time.Millisecond)
			}
		})
	}
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return stop
}
