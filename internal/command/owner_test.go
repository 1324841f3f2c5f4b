package command_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/records"
)

var alice = record.Owner{0: 2, 32: 1}

// writeRecords has an owner write so many records through a store.
func writeRecords(t *testing.T, db *storage.DB, owner record.Owner, n int) {
	t.Helper()
	store := records.New(db, db.NewEngine())
	for first := 0; first < n; first += 100 {
		id := fmt.Sprint("batch ", first)
		batch := record.Request{Kind: record.KindBatch, MutationID: &id}
		for i := first; i < min(first+100, n); i++ {
			batch.Writes = append(batch.Writes, record.Write{ID: fmt.Sprint(i), Data: make([]byte, 1000)})
		}
		if result, err := store.Write(t.Context(), owner, batch); err != nil || result.Status != record.Success {
			t.Fatalf("%+v, %v", result, err)
		}
	}
}

// withOwner is a database in a directory of its own, in which alice has records.
func withOwner(t *testing.T, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	db, err := storage.OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	writeRecords(t, db, alice, n)
	return dir
}

func TestOwnerOnSQLite(t *testing.T) {
	t.Parallel()
	testOwner(t, []string{"SQLITE_DIR_PATH=" + withOwner(t, 250)})
}

// Beside others that have the database open.
func TestOwnerOnPostgres(t *testing.T) {
	t.Parallel()
	testOwner(t, []string{"DATABASE_URL=" + withOwnerOnPostgres(t, 250)})
}

// withOwnerOnPostgres is a database of its own, open here, in which alice has records.
func withOwnerOnPostgres(t *testing.T, n int) (url string) {
	t.Helper()
	url = testservers.StartPostgres(t).NewURL(t)
	db, err := storage.OpenPostgres(t.Context(), url, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	writeRecords(t, db, alice, n)
	return url
}

func TestOwnerTellsProgress(t *testing.T) {
	t.Parallel()
	url, export := withOwnerOnPostgres(t, 1000), filepath.Join(t.TempDir(), "alice.jsonl")
	env := []string{"DATABASE_URL=" + url}
	for _, test := range []struct{ mode, line, tells string }{
		{"ACCESS EXCLUSIVE", "owner export " + alice.String(), "exported 500 records and 0 tombstones\n"},
		{"EXCLUSIVE", "owner import --as " + record.Owner{0: 3, 32: 2}.String() + " " + export, "imported 500 records and 0 tombstones\n"},
		{"EXCLUSIVE", "owner erase --yes " + alice.String(), "removed 1000 records, tombstones and mutation ids\n"},
	} {
		got := whileRecordsAreLocked(t, url, test.mode, func() result { return run(t, env, strings.Fields(test.line)...) })
		if got.code != 0 || !strings.Contains(got.errors, test.tells) {
			t.Errorf("syncline %s: code %d, %q; want %q among it", test.line, got.code, got.errors, test.tells)
		}
		if strings.HasPrefix(test.line, "owner export") {
			if err := os.WriteFile(export, []byte(got.out), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func testOwner(t *testing.T, env []string) {
	export := filepath.Join(t.TempDir(), "alice.jsonl")
	bob, carol := record.Owner{0: 3, 32: 2}, record.Owner{0: 2, 32: 3}
	for _, test := range []struct {
		line         string
		code         int
		out, errWith string
	}{
		{"owner list", 0, alice.String(), ""},
		{"owner list --json --sort written --limit 1", 0, `{"owner":"` + alice.String() + `","records":250,"bytes":250000,`, ""},
		{"owner list --min-bytes 1MiB --json", 0, "", ""},
		{"owner list --sort size", 2, "", "syncline: "},
		{"owner list --limit=-1", 2, "", "syncline: --limit, --min-records and --idle must not be negative"},
		{"owner show " + alice.String(), 0, "records       250 of 100000\nbytes         250000 of 268435456\n", ""},
		{"owner show " + alice.String()[:64], 2, "", "syncline: "},
		{"owner show " + bob.String(), 1, "", "syncline: there is no such owner here"},
		{"owner create " + bob.String(), 0, bob.String() + " has an account\n", ""},
		{"owner create --json " + bob.String(), 0, `{"owner":"` + bob.String() + `","records":0,`, ""},
		{"owner show --json " + bob.String(), 0, `{"owner":"` + bob.String() + `","records":0,`, ""},
		{"owner quota " + bob.String(), 2, "", "syncline: name --records, --bytes or both"},
		{"owner quota " + bob.String() + " --records 7 --bytes none", 0, "records: 0 of 7, by a quota of its own\nbytes: 0 of any number, by a quota of its own\n", ""},
		{"owner quota " + bob.String() + " --bytes 1GiB", 0, "records: 0 of 7, by a quota of its own\nbytes: 0 of 1073741824, by", ""},
		{"owner quota --json " + bob.String() + " --records 8", 0, `"quotaRecords":8,"quotaBytes":1073741824,`, ""},
		{"owner quota " + bob.String() + " --records default", 0, "records: 0 of 100000\n", ""},
		{"owner quota " + bob.String() + " --records 0", 2, "", "syncline: --records: \"0\" is neither"},
		{"owner quota " + bob.String() + " --bytes much", 2, "", "syncline: --bytes: \"much\" is neither"},
		{"owner export " + alice.String(), 0, `{"format":"syncline owner 1","owner":"` + alice.String(), "exported 250 records"},
		{"owner import " + export, 1, "", "syncline: the owner has written here before"},
		{"owner import --as " + bob.String() + " " + export, 0, "imported 250 records and 0 tombstones of " + bob.String(), ""},
		{"owner import --json --as " + carol.String() + " " + export, 0, `{"owner":"` + carol.String() + `","records":250,"bytes":250000,"tombstones":0}` + "\n", ""},
		{"owner erase --yes --json " + carol.String(), 0, `{"erased":250,"owner":"` + carol.String() + `"}` + "\n" + `{"owner":"` + carol.String() + `","removed":250}` + "\n", "removing"},
		{"owner import " + export + ".gone", 1, "", "syncline: open "},
		{"owner erase " + alice.String(), 1, "", "syncline: this erases 250 records and 250000 bytes of " + alice.String()},
		{"owner erase --yes " + alice.String(), 0, "erased 250 records: nobody sees them any more\nremoved 253 records, tombstones and mutation ids\n", "removing"},
		{"owner show " + alice.String(), 0, "records       0 of 100000\n", ""},
		{"owner list --min-records 1 --json", 0, `{"owner":"` + bob.String(), ""},
	} {
		got := run(t, env, strings.Fields(test.line)...)
		if lines := strings.SplitAfter(got.errors, "\n"); strings.HasPrefix(got.errors, "exported ") && len(lines) > 2 {
			got.errors = strings.Join(lines[len(lines)-2:], "") // without what tells of progress
		}
		if got.code != test.code || !strings.Contains(got.out, test.out) || (got.out == "") != (test.out == "") || !strings.HasPrefix(got.errors, test.errWith) || strings.Count(got.errors, "\n") > 1 {
			t.Errorf("syncline %s: %+v; want code %d, %q and one line %q", test.line, got, test.code, test.out, test.errWith)
		}
		if strings.HasPrefix(test.line, "owner export") {
			if err := os.WriteFile(export, []byte(got.out), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A database of SQLite belongs to one process: which one, and what to do, is told.
func TestOwnerBesideARunningServer(t *testing.T) {
	t.Parallel()
	dir := withOwner(t, 1)
	db, err := storage.OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	got := run(t, []string{"SQLITE_DIR_PATH=" + dir}, "owner", "list")
	if want := fmt.Sprintf("another process has it open (process %d): stop it first", os.Getpid()); got.code != 1 || !strings.Contains(got.errors, want) {
		t.Errorf("%+v; want %q", got, want)
	}
}

// killedWhileItWrites runs a command line again and again, each time on files that
// prepare makes, and has it killed when one of its threads writes to a file for the
// first time, and so on, until it gets through, which is checked too (where is empty
// then): each time in make verify, and otherwise a few times.
func killedWhileItWrites(t *testing.T, prepare func() (env, args []string), check func(where, said string)) {
	t.Helper()
	step, atLeast := 8, 5
	if long {
		step, atLeast = 1, 50
	}
	kills := 0
	for n := 1; !t.Failed(); n += step {
		env, args := prepare()
		killed, said := killedAt(t, "pwrite64", n, env, args, "-f")
		if !killed {
			check("", said)
			break
		}
		kills++
		check(fmt.Sprint("killed at write ", n), said)
	}
	t.Logf("killed at %d writes", kills)
	if kills < atLeast {
		t.Errorf("it was killed at %d writes only: was it traced?", kills)
	}
}

// An import that is killed leaves nothing, or was done whole.
func TestImportKilled(t *testing.T) {
	t.Parallel()
	export := filepath.Join(t.TempDir(), "alice.jsonl")
	got := run(t, []string{"SQLITE_DIR_PATH=" + withOwner(t, 250)}, "owner", "export", alice.String())
	if err := os.WriteFile(export, []byte(got.out), 0o600); err != nil || got.code != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	empty := t.TempDir()
	fill(t, empty, 0)
	var dir string
	killedWhileItWrites(t, func() (env, args []string) {
		dir = t.TempDir()
		copyFiles(t, empty, dir)
		return []string{"SQLITE_DIR_PATH=" + dir}, []string{"owner", "import", export}
	}, func(where, said string) {
		again := run(t, []string{"SQLITE_DIR_PATH=" + dir}, "owner", "export", alice.String())
		whole := again.code == 0 && withoutDate(again.out) == withoutDate(got.out)
		none := again.code == 1 && strings.Contains(again.errors, "there is no such owner here")
		if !whole && (!none || where == "" || strings.Contains(said, "imported 250 records")) {
			t.Errorf("%s: %d bytes, %s; it had said %q", where, len(again.out), again.errors, said)
		}
	})
}

// withoutDate is an export but for the time at which it was made.
func withoutDate(export string) string {
	head, rest, _ := strings.Cut(export, "\n")
	head, _, _ = strings.Cut(head, `"exportedAt"`)
	return head + rest
}

// An erasure that is killed was not begun, or nobody sees anything any more; and then
// the next one to sweep removes the rest.
func TestEraseKilled(t *testing.T) {
	t.Parallel()
	full := withOwner(t, 250)
	var dir string
	halfway := 0
	defer func() {
		if t.Logf("%d times something was left to be removed", halfway); halfway == 0 && long {
			t.Error("it was never killed while it removed what was erased")
		}
	}()
	killedWhileItWrites(t, func() (env, args []string) {
		dir = t.TempDir()
		copyFiles(t, full, dir)
		return []string{"SQLITE_DIR_PATH=" + dir}, []string{"owner", "erase", "--yes", alice.String()}
	}, func(where, said string) {
		env := []string{"SQLITE_DIR_PATH=" + dir}
		if records, erasures := rowsLeft(t, dir); records > 0 && erasures > 0 {
			halfway++
		}
		export := run(t, env, "owner", "export", alice.String())
		if lines := strings.Count(export.out, "\n"); lines != 2 && (lines != 252 || where == "" || strings.Contains(said, "nobody sees them any more")) {
			t.Errorf("%s: %d lines are exported, %s; it had said %q", where, lines, export.errors, said)
		}
		if got := run(t, env, "owner", "erase", "--yes", alice.String()); got.code != 0 {
			t.Errorf("%s: erased again: %+v", where, got)
		}
		if records, erasures := rowsLeft(t, dir); records != 0 || erasures != 0 {
			t.Errorf("%s: %d records and %d erasures are left", where, records, erasures)
		}
	})
}

func rowsLeft(t *testing.T, dir string) (records, erasures int) {
	t.Helper()
	db, err := storage.OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return db.Read.Record.Query().CountX(t.Context()), db.Read.Erasure.Query().CountX(t.Context())
}
