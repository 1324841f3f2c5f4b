package failure_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "modernc.org/sqlite" // the driver

	"syncline/storage/failure"
)

func postgres(severity, code string) error {
	return fmt.Errorf("commit: %w", &pgconn.PgError{SeverityUnlocalized: severity, Code: code})
}

func TestWhatAnErrorMeans(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                          string
		err                           error
		clashed, leftWaiting, refused bool
	}{
		{name: "none"},
		{name: "a lost connection", err: io.ErrUnexpectedEOF},
		{name: "the end of a context", err: context.DeadlineExceeded},
		{name: "a clash", err: postgres("ERROR", "40001"), clashed: true, refused: true},
		{name: "a deadlock", err: postgres("ERROR", "40P01"), clashed: true, refused: true},
		{name: "a lock that others have", err: postgres("ERROR", "55P03"), leftWaiting: true, refused: true},
		{name: "a full disk", err: postgres("ERROR", "53100"), refused: true},
		{name: "an unknown completion", err: postgres("ERROR", "40003")},
		{name: "a pooler without its server", err: postgres("ERROR", "08P01")},
		{name: "a server that ends", err: postgres("FATAL", "57P01")},
		{name: "SQLite, a full disk", err: fullDisk(t), refused: true},
		{name: "SQLite, another writer", err: busy(t), refused: true},
		{name: "SQLite, a log that cannot be written", err: readOnly(t)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := failure.Clashed(c.err); got != c.clashed {
				t.Errorf("Clashed: %t", got)
			}
			if got := failure.LeftWaiting(c.err); got != c.leftWaiting {
				t.Errorf("LeftWaiting: %t", got)
			}
			if got := failure.Refused(c.err); got != c.refused {
				t.Errorf("Refused: %t", got)
			}
		})
	}
}

func fullDisk(t *testing.T) error {
	db := open(t, t.TempDir()+"/db")
	mustExec(t, db, "PRAGMA max_page_count = 2")
	mustExec(t, db, "CREATE TABLE t (b BLOB)")
	return failing(t, db, "INSERT INTO t VALUES (zeroblob(100000))")
}

func busy(t *testing.T) error {
	path := t.TempDir() + "/db"
	one, other := open(t, path), open(t, path)
	mustExec(t, one, "BEGIN IMMEDIATE")
	return failing(t, other, "BEGIN IMMEDIATE")
}

func readOnly(t *testing.T) error {
	db := open(t, t.TempDir()+"/db")
	mustExec(t, db, "PRAGMA query_only = true")
	return failing(t, db, "CREATE TABLE t (b BLOB)")
}

// open opens a database on one connection.
func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	return db
}

func mustExec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func failing(t *testing.T, db *sql.DB, statement string) error {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement)
	if err == nil {
		t.Fatalf("%s did not fail", statement)
	}
	return fmt.Errorf("wrapped: %w", err)
}

func TestATransactionThatClashedIsRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, runs := time.Now(), 0
		err := failure.Retry(t.Context(), func() error {
			if runs++; runs < 3 {
				return postgres("ERROR", "40P01")
			}
			return nil
		})
		if err != nil || runs != 3 || time.Since(began) > 100*time.Millisecond {
			t.Errorf("%v after %d runs and %v", err, runs, time.Since(began))
		}
	})
}

func TestWhatAlwaysGivesWayIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		err := failure.Retry(t.Context(), func() error { runs++; return postgres("ERROR", "40001") })
		if !failure.Clashed(err) || runs != 6 {
			t.Errorf("%v after %d runs", err, runs)
		}
	})
}

func TestOtherErrorsAreNotTriedAgain(t *testing.T) {
	t.Parallel()
	runs := 0
	err := failure.Retry(t.Context(), func() error { runs++; return postgres("ERROR", "53100") })
	if !failure.Refused(err) || runs != 1 {
		t.Errorf("%v after %d runs", err, runs)
	}
}

// In a bubble no time passes while the pause can end by its context.
func TestTheEndOfTheContextEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		runs := 0
		err := failure.Retry(ctx, func() error { runs++; cancel(); return postgres("ERROR", "40001") })
		if !errors.Is(err, context.Canceled) || runs != 1 {
			t.Errorf("%v after %d runs", err, runs)
		}
	})
}
