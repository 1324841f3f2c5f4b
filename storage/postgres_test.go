package storage_test

import (
	"context"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/storage"
)

// Operators paste these lines into tickets.
func TestPostgresErrorsAreOneLineWithoutPassword(t *testing.T) {
	t.Parallel()
	const password = "Sup3rSecret"
	for _, c := range []struct{ address, want string }{
		{"postgres://syncline:" + password + "@db/syncline?sslmode=bogus", "sslmode is invalid"},
		{"postgres://syncline:" + password + "%zz@db/syncline", "percent-encoded"},
		{"host=db user=syncline password=" + password + " sslmode=bogus", "sslmode is invalid"},
		{"host=db user=syncline password = " + password + " sslmode=bogus", "sslmode is invalid"},
		{"postgres://syncline:" + password + "@no-such-host.invalid/syncline", "no-such-host.invalid"},
		{"postgres://syncline:12/" + password + "@no-such-host.invalid/syncline", "percent-encoded"},
		{"postgres://syncline:12@" + password + "@no-such-host.invalid/syncline", "percent-encoded"},
		{"postgres://syncline:/12/" + password + "@no-such-host.invalid/syncline?sslmode=disable", "percent-encoded"},
	} {
		_, err := storage.OpenPostgres(t.Context(), c.address, 0)
		assertLine(t, err, c.want, "PostgreSQL")
		if err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("the password is in %q", err)
		}
	}
}

// A call that is given up closes its connection. What waits there for a row would
// go on waiting, for as long as whoever has the row locked: one more each time.
func TestAWaitGivenUpLeavesNothingOnTheServer(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	db := openPostgres(t, server.NewURL(t))
	exec := func(statement string) {
		t.Helper()
		if _, err := db.Write.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE t (n int)")
	exec("INSERT INTO t VALUES (1)")
	holder, err := db.Write.Tx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Rollback()
	if _, err := holder.ExecContext(t.Context(), "UPDATE t SET n = 2"); err != nil {
		t.Fatal(err)
	}
	if all := db.Pools()["all"](); all.InUse != 1 || all.OpenConnections < 1 || all.MaxOpenConnections != storage.MaxConnections {
		t.Errorf("with one connection in use, the pool says %+v", all)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	done := make(chan error, 1)
	go func() {
		_, err := db.Write.ExecContext(ctx, "UPDATE t SET n = 3")
		done <- err
	}()
	const waiting = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
	await(t, server, waiting)
	giveUp()
	if <-done == nil {
		t.Fatal("the update has not waited")
	}
	await(t, server, strings.Replace(waiting, "1", "0", 1))
}

// A connection whose server process does not answer any more, and that was given up, takes
// nobody's place: another server may have taken over.
func TestAConnectionGivenUpLeavesItsPlace(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	db := openPostgres(t, server.NewURL(t), 1)
	pid, err := strconv.Atoi(queryText(t, db, "SELECT pg_backend_pid()::text"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGCONT)
	ctx, giveUp := context.WithTimeout(t.Context(), 3*time.Second) // so that it is surely on its way
	defer giveUp()
	if _, err := db.Write.ExecContext(ctx, "SELECT 1"); err == nil {
		t.Fatal("a process that stands still has answered")
	}
	ctx, giveUp = context.WithTimeout(t.Context(), 14*time.Second) // pgx waits for the old one for 15 s
	defer giveUp()
	if _, err := db.Write.ExecContext(ctx, "SELECT 1"); err != nil {
		t.Errorf("another connection: %v", err)
	}
}

// A statement that does not end keeps nobody from closing the database.
func TestCloseWhileAStatementDoesNotEnd(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	db := openPostgres(t, server.NewURL(t))
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	done := make(chan error, 1)
	go func() {
		_, err := db.Write.ExecContext(ctx, "SELECT pg_sleep(3600)")
		done <- err
	}()
	await(t, server, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-done:
		t.Errorf("closing has waited for a statement: %v", err)
	default:
	}
	giveUp()
	<-done
}

// await asks until a query of one boolean answers true.
func await(t *testing.T, server *testservers.Postgres, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !server.Holds(ctx, query) {
		if ctx.Err() != nil {
			t.Fatalf("never true: %s", query)
		}
	}
}
