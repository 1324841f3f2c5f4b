package storage_test

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"syncline/internal/testservers"
	"syncline/locks"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/commit"
	"syncline/storage/locker"
	"syncline/storage/records"
	"syncline/storage/retention"
)

// testdata has a database that a server wrote before there was retention, with its
// last version's tables: records, a tombstone, mutation ids, locks that are held.
func TestUpgradeFromBeforeRetentionOnSQLite(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/before-retention.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(zipped)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "syncline.db"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := storage.OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	testUpgrade(t, db)
}

// testUpgradeOnPostgres is TestUpgradeFromBeforeRetentionOnSQLite for what pg_dump made.
func testUpgradeOnPostgres(t *testing.T, server *testservers.Postgres) {
	t.Parallel()
	dump, err := os.ReadFile("testdata/before-retention.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := storage.OpenPostgres(t.Context(), server.NewURL(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Write.ExecContext(t.Context(), string(dump)); err != nil {
		t.Fatal(err)
	}
	testUpgrade(t, db)
}

func testUpgrade(t *testing.T, db *storage.DB) {
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var owner record.Owner
	if _, err := hex.Decode(owner[:], []byte("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")); err != nil {
		t.Fatal(err)
	}
	engine := db.NewEngine()
	store := records.New(db, engine)
	written := requireKept(t, store, owner)
	if a := db.Read.Account.GetX(t.Context(), owner[:]); a.Tombstones != 1 || a.Fences != 2 || a.MutationBytes == 0 {
		t.Errorf("counted are %d tombstones, %d fences, %d bytes of mutation ids", a.Tombstones, a.Fences, a.MutationBytes)
	}
	requireLocks(t, db, engine, owner)

	// Nothing is purged before its time: tombstones have had their date all along,
	// mutation ids count from the upgrade.
	upgraded := time.Now()
	sweep := func(tombstones, mutations time.Duration, at time.Time) retention.Swept {
		t.Helper()
		config := retention.Config{Tombstones: tombstones, Mutations: mutations}
		swept, err := retention.New(db.Read, engine, config, func() time.Time { return at }, slog.New(slog.DiscardHandler)).Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return swept
	}
	const day = 24 * time.Hour
	if s := sweep(90*day, 0, written.Add(90*day-time.Minute)); s.Tombstones != 0 || s.Mutations != 0 {
		t.Errorf("after 90 days less a minute: %+v", s)
	}
	if s := sweep(0, 30*day, upgraded.Add(30*day-time.Minute)); s.Tombstones != 0 || s.Mutations != 0 {
		t.Errorf("30 days less a minute after the upgrade: %+v", s)
	}
	requireKept(t, store, owner)
	if s := sweep(90*day, 0, written.Add(90*day+time.Minute)); s.Tombstones != 1 {
		t.Errorf("after 90 days: %+v, want the tombstone", s)
	}
	if s := sweep(0, 30*day, upgraded.Add(30*day+time.Minute)); s.Mutations != 6 {
		t.Errorf("30 days after the upgrade: %+v, want the mutation ids", s)
	}
}

// requireKept looks for all that was written, and answers when the tombstone was.
func requireKept(t *testing.T, store *records.Store, owner record.Owner) time.Time {
	t.Helper()
	page, err := store.Changes(t.Context(), owner, record.Span{Limit: 10, MaxBytes: 1 << 20})
	if err != nil || page.Head != 7 || page.Floor != 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	var written time.Time
	want := []struct {
		id, data, version string
		revision          record.Revision
		deleted           bool
	}{
		{"live", "second", "", 2, false},
		{"gone", "", "", 4, true},
		{"empty", "", "", 5, false},
		{"ä", "\x00\xff", "v2", 6, false},
		{"fenced", "under a lock", "", 7, false},
	}
	for i, r := range page.Records {
		w := want[min(i, len(want)-1)]
		if r.ID != w.id || string(r.Data) != w.data || r.SchemaVersion != w.version || r.Revision != w.revision || r.Deleted != w.deleted || r.ClientID != "old" {
			t.Errorf("%+v, want %+v", r, w)
		}
		if r.Deleted {
			written = r.UpdatedAt
		}
	}
	if len(page.Records) != len(want) {
		t.Errorf("%d records", len(page.Records))
	}
	if a, err := store.Account(t.Context(), owner); err != nil || a.RecordCount != 4 || a.StoredBytes != 20 {
		t.Errorf("%+v, %v", a, err)
	}
	device, once := "old", "delete gone"
	again := record.Request{Kind: record.KindDelete, Writes: []record.Write{{ID: "gone", Delete: true, Revision: 3}}, ClientID: &device, MutationID: &once}
	if r, err := store.Write(t.Context(), owner, again); err != nil || !r.Replayed || r.Results[0].NewRevision != 4 {
		t.Errorf("a retry of a write from before: %+v, %v", r, err)
	}
	return written
}

// requireLocks has the fences hold and the tokens go on from where they were.
func requireLocks(t *testing.T, db *storage.DB, engine *commit.Engine, owner record.Owner) {
	t.Helper()
	held := time.Date(2026, 11, 30, 11, 38, 0, 0, time.UTC) // all holds end after it
	l := locker.New(db, engine)
	l.SetClock(func() time.Time { return held })
	if db.Dialect == dialect.SQLite { // PostgreSQL's clock is its own
		states, err := l.Read(t.Context(), []locks.Key{{Owner: owner, Name: "shared"}, {Owner: owner, Name: "exclusive"}})
		if err != nil || len(states[0].Holders) != 2 || len(states[1].Holders) != 1 || !states[1].Exclusive {
			t.Errorf("%+v, %v", states, err)
		}
	}
	old := record.Request{Kind: record.KindSet, Writes: []record.Write{{ID: "late"}}, Fence: &record.Fence{Lock: "exclusive", Token: 1}}
	if _, err := records.New(db, engine).Write(t.Context(), owner, old); err == nil {
		t.Error("a write below the fence from before was accepted")
	}
	grant, err := l.Acquire(t.Context(), owner, locks.Request{Name: "another", InstanceID: "c", Exclusive: true, TTL: time.Minute})
	if err != nil || !grant.Acquired || grant.Token != 3 {
		t.Errorf("%+v, %v; want token 3", grant, err)
	}
}
