package storage_test

import (
	"cmp"
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/storage"
)

func openPostgres(t *testing.T, address string, maxConnections ...int) *storage.DB {
	t.Helper()
	db, err := storage.OpenPostgres(t.Context(), address, cmp.Or(maxConnections...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// A server that became read-only keeps its connections. To stay with them would
// be to stay refused.
func TestAConnectionThatTurnsReadOnlyIsLeft(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	db := openPostgres(t, server.NewURL(t), 1)
	exec := func(statement string) error {
		_, err := db.Write.ExecContext(t.Context(), statement)
		return err
	}
	if err := exec("SET default_transaction_read_only = on"); err != nil {
		t.Fatal(err)
	}
	if err := exec("CREATE TABLE t (n int)"); err == nil || !strings.Contains(err.Error(), "25006") {
		t.Fatalf("a write on a connection that is read-only: %v", err)
	}
	if err := exec("CREATE TABLE t (n int)"); err != nil {
		t.Errorf("the connection was kept: %v", err)
	}
}

func TestAReplicaAloneIsRefused(t *testing.T) {
	t.Parallel()
	pair := testservers.StartPostgresPair(t)
	address, _, _ := strings.Cut(pair.NewURL(t), "&target_session_attrs") // it must do without
	both := pair.Primary.Address + "," + pair.Replica.Address
	alone := strings.Replace(address, both, pair.Replica.Address, 1)
	if db, err := storage.OpenPostgres(t.Context(), alone, 0); err == nil {
		_ = db.Close()
		t.Error("a replica is taken for the database")
	} else if !strings.Contains(err.Error(), "read only") {
		t.Errorf("the error is %q; want it to tell that the server is read only", err)
	}
	openPostgres(t, strings.Replace(address, both, pair.Replica.Address+","+pair.Primary.Address, 1))
}

// A commit that waits for its replica, and whose client gave up, must not
// become visible by that: the replica may take over without it.
func TestACommitGivenUpStaysUnseenUntilTheReplicaHasIt(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	address := server.NewURL(t)
	db := openPostgres(t, address)
	ctx := t.Context()
	if _, err := db.Write.ExecContext(ctx, "CREATE TABLE t (n int)"); err != nil {
		t.Fatal(err)
	}
	server.SQL("ALTER SYSTEM SET synchronous_standby_names = 'away'")
	server.SQL("SELECT pg_reload_conf()")
	testservers.Await(t, "commits wait for a replica", func(ctx context.Context) bool {
		return server.Holds(ctx, "SELECT current_setting('synchronous_standby_names') = 'away'")
	})
	server.SQL("CHECKPOINT") // the checkpointer makes commits wait, and reads the setting before it begins this

	const waits = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
	client, giveUp := context.WithCancel(ctx)
	defer giveUp()
	tx, err := db.Write.BeginTx(client, &sql.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(client, "INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	committed := make(chan error, 1)
	go func() { committed <- tx.Commit() }()
	testservers.Await(t, "the commit waits", func(ctx context.Context) bool { return server.Holds(ctx, waits) })
	giveUp()
	if err := <-committed; err == nil {
		t.Fatal("a commit did not wait for the replica")
	}
	// Were it cancelled, PostgreSQL would be told within milliseconds.
	<-time.After(time.Second)
	if n := count(t, db); n != 0 {
		t.Error("the commit is visible before the replica has it")
	}
	if !server.Holds(ctx, waits) {
		t.Error("the commit does not wait any more")
	}
}

func count(t *testing.T, db *storage.DB) (n int) {
	t.Helper()
	rows, err := db.Read.QueryContext(t.Context(), "SELECT count(*) FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

// Behind a pooler nothing may be prepared that a later transaction would miss,
// unless the address says so.
func TestPoolersAreNoticed(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	pooler := testservers.StartPgBouncer(t, server, 2)
	direct := openPostgres(t, server.NewURL(t))
	pooled := openPostgres(t, pooler.NewURL(t))
	for range 3 {
		if n := prepared(t, direct, 1); n == 0 {
			t.Error("without a pooler, statements are not prepared")
		}
		if n := prepared(t, pooled, 1); n != 0 {
			t.Errorf("behind a pooler, %d statements are prepared", n)
		}
	}
	forced := openPostgres(t, pooler.NewURL(t)+"&default_query_exec_mode=cache_statement")
	if n := prepared(t, forced, 1); n == 0 {
		t.Error("the address asks for prepared statements, and there are none")
	}
}

// prepared counts the statements of the connection, of which its own is one.
func prepared(t *testing.T, db *storage.DB, always int) (n int) {
	t.Helper()
	tx, err := db.Read.BeginTx(t.Context(), &sql.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	rows, err := tx.QueryContext(t.Context(), "SELECT count(*) FROM pg_prepared_statements WHERE $1 = 1", always)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

// An instance that freezes, or is cut off, in the middle of a transaction must
// not keep its rows locked for as long as PostgreSQL takes it to be there.
func TestATransactionThatGoesNoFurtherIsEnded(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	address := server.NewURL(t)
	if got := queryText(t, openPostgres(t, address), "SHOW idle_in_transaction_session_timeout"); got != "40s" {
		t.Errorf("a transaction may be idle for %s", got)
	}
	own := openPostgres(t, address+"&idle_in_transaction_session_timeout=70s")
	if got := queryText(t, own, "SHOW idle_in_transaction_session_timeout"); got != "70s" {
		t.Errorf("the address says 70 s, PostgreSQL %s", got)
	}
}
