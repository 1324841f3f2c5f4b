package records_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	entsql "entgo.io/ent/dialect/sql"

	"syncline/ent"
	"syncline/ent/account"
	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/records"
)

var owner = record.Owner{0: 2, 32: 1}

func set(id string, size int) record.Request {
	return record.Request{Kind: record.KindSet, Writes: []record.Write{{ID: id, Data: make([]byte, size)}}}
}

// newStore goes by a clock, if there is one.
func newStore(db *storage.DB, clock ...func() time.Time) *records.Store {
	store := records.New(db, db.NewEngine())
	for _, now := range clock {
		store.SetClock(now)
	}
	return store
}

func TestFullDiskRefusesWritesAndNothingElse(t *testing.T) {
	t.Parallel()
	db := testservers.SQLite(t)
	store := newStore(db)
	ctx := t.Context()
	written := 0
	for ; written < 3; written++ {
		mustWrite(t, store, set(fmt.Sprint(written), 1000))
	}
	exec(t, db, "PRAGMA max_page_count = 1") // of what is there, no page more
	var err error
	for err == nil {
		if _, err = store.Write(ctx, owner, set(fmt.Sprint(written), 1000)); err == nil {
			written++
		}
	}
	assertUnavailable(t, err, false, "commit of 1 units: refused: write 1 records: ", "full")
	if full, _ := errors.AsType[*record.UnavailableError](err); full.RetryAfter < 10*time.Second {
		t.Errorf("retry after %v: a full disk does not heal at once", full.RetryAfter)
	}
	a, err := store.Account(ctx, owner)
	if err != nil || a.Head != record.Revision(written) || a.RecordCount != int64(written) {
		t.Errorf("account %+v, %v: want %d records", a, err, written)
	}
	exec(t, db, "PRAGMA max_page_count = 1000000")
	result := mustWrite(t, store, set("after", 1000))
	if result.Head != record.Revision(written+1) {
		t.Errorf("head %d after %d writes", result.Head, written)
	}
}

func TestAClosedDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	db, err := storage.OpenSQLite(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	store := newStore(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = store.Write(t.Context(), owner, set("a", 1))
	assertUnavailable(t, err, false)
	_, err = store.Account(t.Context(), owner)
	assertUnavailable(t, err, false)
}

func TestARequestThatEndsWhileItWaitsForTheWriter(t *testing.T) {
	t.Parallel()
	db := testservers.SQLite(t)
	store := newStore(db)
	held, err := db.Write.Tx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := store.Write(ctx, owner, set("a", 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the request's own", err)
	}
	if err := held.Rollback(); err != nil {
		t.Fatal(err)
	}
	if result := mustWrite(t, store, set("b", 1)); result.Head != 1 {
		t.Errorf("head %d: the request that ended wrote", result.Head)
	}
}

// TestARequestThatEndsInItsTransaction ends it from the clock, which the store
// reads while it judges.
func TestARequestThatEndsInItsTransaction(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	for _, db := range []*storage.DB{testservers.SQLite(t), server.Open(t)} {
		ctx, cancel := context.WithCancel(t.Context())
		store := newStore(db, func() time.Time { cancel(); return time.Now() })
		result, err := store.Write(ctx, owner, set("a", 1))
		if err != nil || result.Head != 1 || ctx.Err() == nil {
			t.Errorf("%s: %+v, %v", db.Dialect, result, err)
		}
		if found, err := store.Records(t.Context(), owner, []string{"a"}); err != nil || len(found) != 1 {
			t.Errorf("%s: found %v, %v", db.Dialect, found, err)
		}
	}
}

func TestPostgresFaults(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	tests := []struct {
		name string
		test func(t *testing.T, db *storage.DB)
	}{
		{"a connection lost before the commit", testLostBeforeCommit},
		{"a commit whose outcome is lost", testLostCommit},
		{"a commit that is refused", testRefusedCommit},
		{"a transaction that gave way is run again", testGaveWay},
		{"a transaction that always gives way", testAlwaysGivesWay},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, server.Open(t))
		})
	}
}

func testLostBeforeCommit(t *testing.T, db *storage.DB) {
	store := newStore(db)
	mustWrite(t, store, set("a", 1))
	held, err := db.Write.Tx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Account.Update().Where(account.ID(owner[:])).SetFloor(0).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := store.Write(t.Context(), owner, set("b", 1))
		done <- err
	}()
	killWaiting(t, db)
	assertUnavailable(t, <-done, false, "lock and read for 1 units: ", "57P01")
	if err := held.Rollback(); err != nil {
		t.Fatal(err)
	}
	if result := mustWrite(t, store, set("b", 1)); result.Head != 2 {
		t.Errorf("head %d", result.Head)
	}
}

// killWaiting ends the one connection of this database that waits for a lock.
func killWaiting(t *testing.T, db *storage.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		result, err := db.Read.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`)
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := result.RowsAffected(); n > 0 { // pgx always tells
			return
		}
	}
}

// onCommit runs PL/pgSQL as each transaction that wrote a record commits.
func onCommit(t *testing.T, db *storage.DB, body string) {
	t.Helper()
	exec(t, db, "CREATE SEQUENCE tries")
	exec(t, db, "CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "+body+" RETURN NULL; END $$")
	exec(t, db, `CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON syncline_records
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()`)
}

func testLostCommit(t *testing.T, db *storage.DB) {
	onCommit(t, db, "PERFORM nextval('tries'); PERFORM pg_terminate_backend(pg_backend_pid());")
	_, err := newStore(db).Write(t.Context(), owner, set("a", 1))
	assertUnavailable(t, err, true, "commit of 1 units: outcome unknown: ", "57P01")
	assertTries(t, db, 1)
}

func testRefusedCommit(t *testing.T, db *storage.DB) {
	onCommit(t, db, "PERFORM nextval('tries'); RAISE EXCEPTION 'no room' USING ERRCODE = '53100';")
	_, err := newStore(db).Write(t.Context(), owner, set("a", 1))
	assertUnavailable(t, err, false, "commit of 1 units: refused: ", "53100")
	assertTries(t, db, 1)
}

func testGaveWay(t *testing.T, db *storage.DB) {
	onCommit(t, db, "IF nextval('tries') < 3 THEN RAISE EXCEPTION 'clash' USING ERRCODE = '40001'; END IF;")
	if result := mustWrite(t, newStore(db), set("a", 1)); result.Head != 1 || result.Replayed {
		t.Errorf("result %+v", result)
	}
	assertTries(t, db, 3)
}

func testAlwaysGivesWay(t *testing.T, db *storage.DB) {
	onCommit(t, db, "PERFORM nextval('tries'); RAISE EXCEPTION 'clash' USING ERRCODE = '40P01';")
	_, err := newStore(db).Write(t.Context(), owner, set("a", 1))
	assertUnavailable(t, err, false, "commit of 1 units: clashed with another transaction: ", "40P01")
}

func assertTries(t *testing.T, db *storage.DB, want int) {
	t.Helper()
	if got := queryInt(t, db, "SELECT last_value FROM tries"); got != want {
		t.Errorf("%d transactions reached their commit, want %d", got, want)
	}
}

func queryInt(t *testing.T, db *storage.DB, query string) int {
	t.Helper()
	return queryIntOf(t, db.Read, query)
}

func queryIntOf(t *testing.T, client *ent.Client, query string) int {
	t.Helper()
	rows, err := client.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n, err := entsql.ScanInt(rows)
	if err := errors.Join(err, rows.Err()); err != nil {
		t.Fatal(err)
	}
	return n
}

// assertUnavailable wants an error that says so, and what failed at which step.
func assertUnavailable(t *testing.T, err error, unknown bool, says ...string) {
	t.Helper()
	u, ok := errors.AsType[*record.UnavailableError](err)
	if !ok {
		t.Fatalf("got %v, want an *UnavailableError", err)
	}
	if u.OutcomeUnknown != unknown || u.RetryAfter <= 0 {
		t.Errorf("outcome unknown: %t, want %t; retry after %v; %v", u.OutcomeUnknown, unknown, u.RetryAfter, err)
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%v; want %q in it", err, text)
		}
	}
}

func mustWrite(t *testing.T, store *records.Store, request record.Request) record.Result {
	t.Helper()
	result, err := store.Write(t.Context(), owner, request)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func exec(t *testing.T, db *storage.DB, query string) {
	t.Helper()
	if _, err := db.Write.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}
