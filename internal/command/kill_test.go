package command_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"syncline/internal/testservers"
	"syncline/storage"
)

// long runs are for make verify, and not under the race detector: what is killed at each
// of its steps starts so often that it would take minutes more, with little to find.
var long = os.Getenv("SYNCLINE_VERIFY") != "" && !testservers.RaceDetector

// Calls that change files. Those of the first list are where a kill leaves most.
var (
	fewCalls  = []string{"renameat", "linkat", "unlinkat", "fsync"}
	moreCalls = []string{"openat", "pwrite64", "write", "ftruncate", "truncate", "unlink", "fdatasync", "utimensat", "fchmod", "mkdirat"}
)

// killedAtEachCall runs a command line again and again, each time on files that
// prepare makes, and has it killed at its first call of each kind, its second, and
// so on, until it gets through, which is checked too (where is empty then).
func killedAtEachCall(t *testing.T, prepare func() (env, args []string), check func(where string)) {
	t.Helper()
	calls := fewCalls
	if long {
		calls = append(calls, moreCalls...)
	}
	kills := 0
	for _, call := range calls {
		for n := 1; ; n++ {
			env, args := prepare()
			if killed, _ := killedAt(t, call, n, env, args); !killed {
				check("")
				break
			}
			kills++
			if check(fmt.Sprint("killed at ", call, " ", n)); t.Failed() {
				return
			}
		}
	}
	t.Logf("killed at %d calls", kills)
	if kills < 8 {
		t.Errorf("it was killed at %d calls only: was it traced?", kills)
	}
}

// killedAt runs a command line that is killed at its n-th call of a kind, and tells
// whether it came to that, and what it had said. With -f among the flags, that is the n-th of any thread.
func killedAt(t *testing.T, call string, n int, env, args []string, flags ...string) (was bool, said string) {
	t.Helper()
	cmd := program(t, env, args...)
	trace := []string{"strace", "-o", "/dev/null", "-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n)}
	trace = append(trace, flags...)
	cmd.Path, cmd.Args = "/usr/bin/strace", append(append(trace, cmd.Path), args...)
	out, err := cmd.CombinedOutput()
	exit, killed := errors.AsType[*exec.ExitError](err)
	if err != nil && (!killed || !strings.Contains(exit.String(), "killed")) {
		t.Fatalf("at %s %d: %v\n%s", call, n, err, out)
	}
	return err != nil, string(out)
}

// fill makes a database of n records, and leaves its log as a crash does.
func fill(t *testing.T, dir string, n int) {
	t.Helper()
	scratch := t.TempDir()
	db, err := storage.OpenSQLite(t.Context(), scratch)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		insert := fmt.Sprintf("INSERT INTO syncline_records (owner, id, revision, updated_at, data) VALUES (zeroblob(33), 'r%d', %d, 1, zeroblob(3000))", i, i+1)
		if _, err := db.Write.ExecContext(t.Context(), insert); err != nil {
			t.Fatal(err)
		}
	}
	copyFiles(t, scratch, dir)
}

func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, e.Name()), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// count is how many records and epochs a directory's database has.
func count(t *testing.T, dir string) (records, epochs int) {
	t.Helper()
	db, err := storage.OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.MustHaveTables(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db.Read.Record.Query().CountX(t.Context()), db.Read.Epoch.Query().CountX(t.Context())
}

// A compacting that is killed at any call has happened, or has not, and nothing is lost.
func TestACompactingThatIsKilled(t *testing.T) {
	t.Parallel()
	crashed := t.TempDir()
	fill(t, crashed, 30)
	var dir string
	killedAtEachCall(t, func() (env, args []string) {
		dir = t.TempDir()
		copyFiles(t, crashed, dir)
		return []string{"SQLITE_DIR_PATH=" + dir}, []string{"compact"}
	}, func(where string) {
		if records, epochs := count(t, dir); records != 30 || epochs != 1 {
			t.Errorf("%s: %d records, %d epochs", where, records, epochs)
		}
		if got := run(t, []string{"SQLITE_DIR_PATH=" + dir}, "compact"); got.code != 0 {
			t.Errorf("%s, and compacted again: %+v", where, got)
		}
	})
}

// A restore that is killed at any call has happened, or has not; what was there is
// kept in either case, and the next restore is not hindered.
func TestARestoreThatIsKilled(t *testing.T) {
	t.Parallel()
	crashed, other := t.TempDir(), t.TempDir()
	fill(t, crashed, 30)
	fill(t, other, 7)
	backup := filepath.Join(t.TempDir(), "backup.db")
	if got := run(t, []string{"SQLITE_DIR_PATH=" + other}, "backup", backup); got.code != 0 {
		t.Fatal(got)
	}
	var dir string
	before, after := 0, 0
	killedAtEachCall(t, func() (env, args []string) {
		dir = t.TempDir()
		copyFiles(t, crashed, dir)
		return []string{"SQLITE_DIR_PATH=" + dir}, []string{"restore", "--force", backup}
	}, func(where string) {
		switch records, epochs := count(t, dir); {
		case records == 30 && epochs == 1:
			before++
		case records == 7 && epochs == 2:
			if where != "" {
				after++
			}
			checkKept(t, dir, 30)
		default:
			t.Errorf("%s: %d records, %d epochs", where, records, epochs)
		}
		if got := run(t, []string{"SQLITE_DIR_PATH=" + dir}, "restore", "--force", backup); got.code != 0 {
			t.Errorf("%s, and restored again: %+v", where, got)
		}
		if records, epochs := count(t, dir); records != 7 || epochs != 2 {
			t.Errorf("%s, and restored again: %d records, %d epochs", where, records, epochs)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*.resto*")); left != nil {
			t.Errorf("%s, and restored again: it leaves %s", where, left)
		}
	})
	if before < 2 || after < 3 {
		t.Errorf("%d kills were before it happened, %d after: none was between its steps", before, after)
	}
}

// checkKept opens the database that was replaced, with its log.
func checkKept(t *testing.T, dir string, want int) {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(dir, "syncline.db.replaced-*Z"))
	if len(found) != 1 {
		t.Errorf("kept are %v", found)
		return
	}
	to := t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(found[0] + suffix)
		if errors.Is(err, fs.ErrNotExist) && suffix != "" {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, "syncline.db"+suffix), content, 0o600)
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
	if records, _ := count(t, to); records != want {
		t.Errorf("of the database before, %d records are kept, want %d", records, want)
	}
}

// A backup that is killed at any call is whole under its name, or is not there.
func TestABackupThatIsKilled(t *testing.T) {
	t.Parallel()
	dir, to := t.TempDir(), t.TempDir()
	fill(t, dir, 20)
	var path string
	whole := 0
	killedAtEachCall(t, func() (env, args []string) {
		path = filepath.Join(to, "backup.db") // beside what the one before left
		return []string{"SQLITE_DIR_PATH=" + dir}, []string{"backup", path}
	}, func(where string) {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return
		}
		if where != "" {
			whole++
		}
		restored := t.TempDir()
		if got := run(t, []string{"SQLITE_DIR_PATH=" + restored}, "restore", path); got.code != 0 {
			t.Errorf("%s: %+v", where, got)
		}
		if records, _ := count(t, restored); records != 20 {
			t.Errorf("%s: %d records, want 20", where, records)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	})
	if whole == 0 {
		t.Error("none of those that were killed was there")
	}
	if left, err := os.ReadDir(to); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}

// What others have in TMPDIR by our names is in nobody's way, and nothing is left there.
func TestABackupByWayOfTMPDIR(t *testing.T) {
	t.Parallel()
	dir, temporary := t.TempDir(), t.TempDir()
	fill(t, dir, 1)
	if err := os.Mkdir(filepath.Join(temporary, "syncline.db.backup"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := program(t, []string{"SQLITE_DIR_PATH=" + dir, "TMPDIR=" + temporary}, "backup", "-").Output()
	if err != nil || !strings.HasPrefix(string(out), "SQLite format 3") {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 1 {
		t.Errorf("left in TMPDIR: %v, %v", left, err)
	}
}
