package nonces_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncline/auth"
	"syncline/auth/signing"
	"syncline/ent"
	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/commit"
	"syncline/storage/nonces"
	"syncline/storage/records"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	run(t, testservers.SQLite)
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	run(t, server.Open)
	t.Run("one of racers in several processes wins", func(t *testing.T) { testRaceOfProcesses(t, server) })
	t.Run("another process is remembering it", func(t *testing.T) { testRememberedMeanwhile(t, server) })
	t.Run("nobody waits for an account", func(t *testing.T) { testNoWaiting(t, server) })
}

// testRaceOfProcesses has each process claim nonces that are new, and some that
// expired, at the same time.
func testRaceOfProcesses(t *testing.T, server interface{ NewURL(testing.TB) string }) {
	address := server.NewURL(t)
	now := start
	var memories []*nonces.Nonces
	for range 2 {
		db, err := storage.OpenPostgres(t.Context(), address, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		memories = append(memories, nonces.New(db, db.NewEngine(), func() time.Time { return now }))
	}
	const each = 200
	for n := range each / 2 {
		assert(t, memories[0].Remember(t.Context(), key, signing.Nonce{byte(n)}, start), nil)
	}
	now = start.Add(time.Second) // no sweep is due yet
	var (
		wg   sync.WaitGroup
		wins [each]atomic.Int64
	)
	for _, memory := range memories {
		for n := range each {
			wg.Go(func() {
				err := memory.Remember(t.Context(), key, signing.Nonce{byte(n)}, start.Add(time.Hour))
				if err == nil {
					wins[n].Add(1)
				} else if !errors.Is(err, auth.ErrNonceReused) {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	for n := range wins {
		if won := wins[n].Load(); won != 1 {
			t.Errorf("nonce %d serves %d times", n, won)
		}
	}
}

// testRememberedMeanwhile has another process insert a nonce and commit while this
// one, which did not find it, waits to insert it.
func testRememberedMeanwhile(t *testing.T, server interface {
	Open(t testing.TB) *storage.DB
	Holds(ctx context.Context, query string) bool
},
) {
	db := server.Open(t)
	other, err := db.Write.Tx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Rollback()
	other.Nonce.Create().SetOwner(key[:]).SetID(nonce[:]).SetExpiresAt(start.Add(time.Hour).UnixMicro()).ExecX(t.Context())
	memory := nonces.New(db, db.NewEngine(), func() time.Time { return start })
	remembered := make(chan error, 1)
	go func() { remembered <- memory.Remember(t.Context(), key, nonce, start.Add(time.Hour)) }()
	testservers.Await(t, "the nonce waits", func(ctx context.Context) bool {
		return server.Holds(ctx, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%syncline_nonces%'")
	})
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	assert(t, <-remembered, auth.ErrNonceReused)
}

// testNoWaiting claims a nonce of one whose account another process has locked, and
// whose write waits for it.
func testNoWaiting(t *testing.T, server *testservers.Postgres) {
	db := server.Open(t)
	engine := db.NewEngine()
	owner := record.Owner(key)
	db.Write.Account.Create().SetID(owner[:]).ExecX(t.Context())
	holder, err := db.Write.Tx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Rollback()
	holder.Account.Query().ForUpdate().OnlyX(t.Context())
	store, memory := records.New(db, engine), nonces.New(db, engine, func() time.Time { return start })
	written := make(chan error, 1)
	go func() {
		_, err := store.Write(t.Context(), owner, record.Request{Writes: []record.Write{{ID: "a", Data: []byte("a")}}})
		written <- err
	}()
	testservers.Await(t, "the write waits", func(ctx context.Context) bool {
		return server.Holds(ctx, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
	})
	assert(t, memory.Remember(t.Context(), key, nonce, start.Add(time.Hour)), nil)
	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	assert(t, <-written, nil)
}

// testNoAccount: whoever may connect is nobody to keep an account for.
func testNoAccount(t *testing.T, db *storage.DB) {
	memory := nonces.New(db, db.NewEngine(), func() time.Time { return start })
	assert(t, memory.Remember(t.Context(), key, nonce, start.Add(time.Hour)), nil)
	if n := db.Read.Account.Query().CountX(t.Context()); n != 0 {
		t.Errorf("%d accounts were made for a connection", n)
	}
}

func run(t *testing.T, open func(testing.TB) *storage.DB) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *storage.DB)
	}{
		{"a nonce serves once", testOnce},
		{"one of many racers wins", testRace},
		{"many that come at once", testMany},
		{"expired ones are forgotten", testSweep},
		{"a sweep that fails refuses nobody", testFailedSweep},
		{"nobody sweeps for all", testSweepInSteps},
		{"connecting makes no account", testNoAccount},
		{"an expired one serves one racer again", testExpiredRace},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

var (
	start = time.Unix(1_800_000_000, 0)
	key   = signing.PublicKey{2, 1}
	nonce = signing.Nonce{1}
)

func testOnce(t *testing.T, db *storage.DB) {
	ctx, now := t.Context(), start
	until := start.Add(5 * time.Minute)
	memory := nonces.New(db, db.NewEngine(), func() time.Time { return now })
	assert(t, memory.Remember(ctx, key, nonce, until), nil)
	assert(t, memory.Remember(ctx, key, nonce, until), auth.ErrNonceReused)
	assert(t, memory.Remember(ctx, key, signing.Nonce{2}, until), nil)
	assert(t, memory.Remember(ctx, signing.PublicKey{2, 2}, nonce, until), nil)

	restarted := nonces.New(db, db.NewEngine(), func() time.Time { return now })
	assert(t, restarted.Remember(ctx, key, nonce, until), auth.ErrNonceReused)
	now = until
	assert(t, restarted.Remember(ctx, key, nonce, until), auth.ErrNonceReused)

	gone, cancel := context.WithCancel(ctx)
	cancel()
	err := memory.Remember(gone, key, signing.Nonce{3}, until)
	if err == nil || errors.Is(err, auth.ErrNonceReused) {
		t.Errorf("a request that is gone: %v", err)
	}
}

func testRace(t *testing.T, db *storage.DB) {
	race(t, nonces.New(db, db.NewEngine(), func() time.Time { return start }))
}

// Those that are written together do not stand or fall together: of two equal
// ones one is refused, and whose request is gone holds up nobody.
func testMany(t *testing.T, db *storage.DB) {
	memory := nonces.New(db, db.NewEngine(), func() time.Time { return start })
	gone, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var reused atomic.Int64
	for i := range 500 {
		ctx, id := t.Context(), signing.Nonce{byte(i / 2), byte(i / 2 >> 8)}
		if i >= 490 {
			ctx = gone
		}
		wg.Go(func() {
			err := memory.Remember(ctx, key, id, start.Add(time.Hour))
			if errors.Is(err, auth.ErrNonceReused) {
				reused.Add(1)
			} else if err != nil && ctx != gone {
				t.Error(err)
			}
		})
	}
	cancel()
	wg.Wait()
	assert(t, memory.Remember(t.Context(), key, signing.Nonce{1: 9}, start.Add(time.Hour)), nil)
	if n := reused.Load(); n < 245 || n > 250 {
		t.Errorf("%d of 250 that came again are refused", n)
	}
	if n := db.Read.Nonce.Query().CountX(t.Context()); n < 246 || n > 251 {
		t.Errorf("%d nonces are kept of 251", n)
	}
}

func testExpiredRace(t *testing.T, db *storage.DB) {
	now := start
	memory := nonces.New(db, db.NewEngine(), func() time.Time { return now })
	assert(t, memory.Remember(t.Context(), key, nonce, start), nil)
	now = start.Add(time.Second) // no sweep is due yet
	race(t, memory)
}

func race(t *testing.T, memory *nonces.Nonces) {
	t.Helper()
	var (
		wg  sync.WaitGroup
		won atomic.Int64
	)
	for range 16 {
		wg.Go(func() {
			err := memory.Remember(t.Context(), key, nonce, start.Add(time.Hour))
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, auth.ErrNonceReused) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d racers won", won.Load())
	}
}

func testSweep(t *testing.T, db *storage.DB) {
	now := start
	memory := nonces.New(db, db.NewEngine(), func() time.Time { return now })
	assert(t, memory.Remember(t.Context(), key, nonce, start.Add(time.Minute)), nil)
	assert(t, memory.Remember(t.Context(), key, signing.Nonce{2}, start.Add(time.Hour)), nil)
	now = start.Add(2 * time.Minute)
	assert(t, memory.Remember(t.Context(), key, signing.Nonce{3}, start.Add(time.Hour)), nil)
	if n := db.Read.Nonce.Query().CountX(t.Context()); n != 2 {
		t.Errorf("%d nonces are kept, want the 2 that still matter", n)
	}
}

// testFailedSweep has the database refuse to delete.
func testFailedSweep(t *testing.T, db *storage.DB) {
	refusing := []string{"CREATE TRIGGER refuse BEFORE DELETE ON syncline_nonces BEGIN SELECT RAISE(ABORT, 'refused'); END"}
	if db.Dialect == "postgres" {
		refusing = []string{
			"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'refused'; END$$",
			"CREATE TRIGGER refuse BEFORE DELETE ON syncline_nonces EXECUTE FUNCTION refuse()",
		}
	}
	now := start
	memory := nonces.New(db, db.NewEngine(), func() time.Time { return now })
	var told []error
	memory.OnSweepFailed(func(err error) { told = append(told, err) })
	assert(t, memory.Remember(t.Context(), key, nonce, start), nil)
	for _, statement := range refusing {
		if _, err := db.Write.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	now = start.Add(2 * time.Minute)
	assert(t, memory.Remember(t.Context(), key, signing.Nonce{2}, start.Add(time.Hour)), nil)
	assert(t, memory.Remember(t.Context(), key, signing.Nonce{2}, start.Add(time.Hour)), auth.ErrNonceReused)
	if n := db.Read.Nonce.Query().CountX(t.Context()); n != 2 {
		t.Errorf("%d nonces are kept of 2", n)
	}
	if len(told) != 1 || !strings.Contains(told[0].Error(), "refused") {
		t.Errorf("told: %v", told)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	now = start.Add(4 * time.Minute)
	_ = memory.Remember(gone, key, signing.Nonce{3}, start.Add(time.Hour))
	if len(told) != 1 {
		t.Errorf("told of a caller who left: %v", told[1:])
	}
	now = start.Add(6 * time.Minute)
	assert(t, memory.Remember(t.Context(), key, signing.Nonce{3}, start.Add(time.Hour)), nil)
	if len(told) != 2 {
		t.Errorf("told: %v; want another of the next sweep", told)
	}
}

// testSweepInSteps: who comes when many have expired does not wait until all are swept.
func testSweepInSteps(t *testing.T, db *storage.DB) {
	now := start
	memory := nonces.New(db, db.NewEngine(), func() time.Time { return now })
	assert(t, memory.Remember(t.Context(), key, nonce, start), nil)
	var expired []*ent.NonceCreate
	for n := range 599 {
		expired = append(expired, db.Write.Nonce.Create().SetOwner(key[:]).SetID([]byte{1, byte(n >> 8), byte(n)}).SetExpiresAt(start.UnixMicro()))
	}
	db.Write.Nonce.CreateBulk(expired...).ExecX(t.Context())
	now = start.Add(2 * time.Minute)
	for i, want := range []int{600 - commit.MaxRows, 600 - 2*commit.MaxRows, 0, 0} {
		assert(t, memory.Remember(t.Context(), key, signing.Nonce{2, byte(i)}, start.Add(time.Hour)), nil)
		if left := db.Read.Nonce.Query().CountX(t.Context()) - i - 1; left != want {
			t.Errorf("after %d requests %d are left that expired, want %d", i+1, left, want)
		}
	}
}

func assert(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}
