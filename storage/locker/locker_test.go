package locker_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"syncline/ent"
	entlock "syncline/ent/lock"
	"syncline/internal/testservers"
	"syncline/locks"
	"syncline/locks/lockstest"
	"syncline/storage"
	"syncline/storage/locker"
	"syncline/storage/retention"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSQLite(t *testing.T) {
	lockstest.Run(t, func(t *testing.T) lockstest.Harness {
		return newSQLite(t).harness(t)
	})
}

func TestPostgres(t *testing.T) {
	server := testservers.StartPostgres(t)
	testPostgres(t, server.Open)
}

func TestPostgresBehindPgBouncer(t *testing.T) {
	pooler := testservers.StartPgBouncer(t, testservers.StartPostgres(t), 5) // fewer than some tests have racers
	testPostgres(t, pooler.Open)
}

// testPostgres lets time pass for real: PostgreSQL's own clock decides.
func testPostgres(t *testing.T, newDatabase func(testing.TB) *storage.DB) {
	lockstest.Run(t, func(t *testing.T) lockstest.Harness {
		db := newDatabase(t)
		open := func() locks.Locker { return locker.New(db, db.NewEngine()) }
		return lockstest.Harness{
			Locker: open(),
			Elapse: func(d time.Duration) { <-time.After(d) },
			Fence:  func(key locks.Key) locks.Token { return readFence(t, db.Read, key) },
			Purge:  func() { purgeFences(t, db, time.Now) },
			Reopen: open,
		}
	})
}

// clock is a clock that moves when told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type fixture struct {
	dir    string
	db     *storage.DB
	clock  *clock
	locker *locker.Locker
}

func newSQLite(t *testing.T) *fixture {
	f := &fixture{
		dir:   t.TempDir(),
		clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC)},
	}
	f.open(t)
	t.Cleanup(func() {
		if err := f.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// open opens the database, as a server does when it starts.
func (f *fixture) open(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	db, err := storage.OpenSQLite(ctx, f.dir)
	if err != nil {
		t.Fatal(err)
	}
	f.db = db
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	f.locker = locker.New(db, db.NewEngine())
	f.locker.SetClock(f.clock.Now)
}

func (f *fixture) harness(t *testing.T) lockstest.Harness {
	return lockstest.Harness{
		Locker: f.locker,
		Elapse: f.clock.Move,
		Fence:  func(key locks.Key) locks.Token { return readFence(t, f.db.Read, key) },
		Purge: func() {
			f.clock.Move(time.Millisecond)
			purgeFences(t, f.db, f.clock.Now)
		},
		Reopen: func() locks.Locker {
			if err := f.db.Close(); err != nil {
				t.Fatal(err)
			}
			f.open(t)
			return f.locker
		},
	}
}

// purgeFences has the fences of all locks purged as if nobody had used them for long.
func purgeFences(t *testing.T, db *storage.DB, now func() time.Time) {
	t.Helper()
	config := retention.Config{Tombstones: time.Microsecond}
	if _, err := retention.New(db.Read, db.NewEngine(), config, now, slog.New(slog.DiscardHandler)).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func readFence(t *testing.T, client *ent.Client, key locks.Key) locks.Token {
	t.Helper()
	row, err := client.Lock.Query().Where(entlock.Owner(key.Owner[:]), entlock.ID(key.Name)).Only(t.Context())
	if ent.IsNotFound(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return locks.Token(row.Fence)
}
