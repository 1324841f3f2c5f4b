package e2e

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"syncline/client"
	"syncline/internal/testservers"
)

// The ways to back up and restore that docs/operations.md tells, each beside a running
// server: clients hear which of their revisions the backup lacks, and what they
// write goes on above all that was given.
func TestBackups(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		server := testservers.StartSyncline(t)
		path, env := filepath.Join(t.TempDir(), "backup.db"), []string{"SQLITE_DIR_PATH=" + server.Dir}
		testBackup(t, server, func() {
			runProgram(t, env, "backup", path)
		}, func() {
			if _, stderr, err := testservers.Run(t, env, "restore", "--force", path); err == nil || !strings.Contains(stderr, "another process has it open") {
				t.Errorf("a restore under a running server: %v, %s", err, stderr)
			}
			server.Kill() // which leaves its log
			runProgram(t, env, "restore", "--force", path)
		})
	})
	t.Run("pg_dump", func(t *testing.T) {
		t.Parallel()
		postgres := testservers.StartPostgres(t)
		from := postgres.NewURL(t)
		server := testservers.StartSyncline(t, "DATABASE_URL="+from)
		testBackup(t, server, func() {
			postgres.Tool("pg_dump", "--format=custom", "--file=syncline.dump", from)
		}, func() {
			server.Kill()
			to := postgres.NewURL(t)
			postgres.Tool("pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", "--dbname="+to, "syncline.dump")
			runProgram(t, []string{"DATABASE_URL=" + to}, "new-epoch")
			server.Set("DATABASE_URL=" + to)
		})
	})
	t.Run("point in time", func(t *testing.T) {
		t.Parallel()
		postgres := testservers.StartPostgres(t)
		url := postgres.NewURL(t)
		base := postgres.Archive(t)
		server := testservers.StartSyncline(t, "DATABASE_URL="+url)
		var then string
		testBackup(t, server, func() {
			then = postgres.Now()
		}, func() {
			server.Kill()
			base.Recover(postgres, then)
			to := base.Database(t, url)
			runProgram(t, []string{"DATABASE_URL=" + to}, "new-epoch")
			server.Set("DATABASE_URL=" + to)
		})
	})
}

func runProgram(t *testing.T, env []string, args ...string) {
	t.Helper()
	if _, stderr, err := testservers.Run(t, env, args...); err != nil {
		t.Fatalf("%s: %v, %s", args, err, stderr)
	}
}

// testBackup writes a, takes a backup, writes b, and restores, which ends the server.
func testBackup(t *testing.T, server *testservers.Syncline, take, restore func()) {
	t.Helper()
	c := newClient(t, server.URL(), newKey(t))
	set := func(id string) client.Written {
		t.Helper()
		written, err := c.Set(t.Context(), id, []byte("1"), 0)
		if err != nil {
			t.Fatal(err)
		}
		return written
	}
	set("a")
	take()
	set("b")
	before, err := c.Viewer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	restore()
	server.Start()
	_, err = c.Changes(t.Context(), before.Cursor, 10)
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Code != client.ErrEpochMismatch || refused.RestoredHead != 1 {
		t.Errorf("the old cursor: %v; want EPOCH_MISMATCH with head 1", err)
	}
	if written := set("b"); written.Revision < 1<<50 {
		t.Errorf("what the backup lacks is written again as revision %d; want one above the base", written.Revision)
	}
	if v, err := c.Viewer(t.Context()); err != nil || v.RecordCount != 2 {
		t.Errorf("%d records, error %v", v.RecordCount, err)
	}
}
