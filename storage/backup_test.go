package storage_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"syncline/storage"
)

// openDir opens a database of these records, which all belong to one owner.
func openDir(t *testing.T, dir string, ids ...string) *storage.DB {
	t.Helper()
	db, err := storage.OpenSQLite(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		addRecord(t, db, id, int64(i+1))
	}
	return db
}

var someOwner = bytes.Repeat([]byte{2}, 33)

func addRecord(t *testing.T, db *storage.DB, id string, revision int64) {
	t.Helper()
	tx, err := db.Write.Tx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, statement := range []string{
		fmt.Sprintf("INSERT INTO syncline_accounts (owner, head, record_count) VALUES (x'%x', %d, 1) ON CONFLICT DO UPDATE SET head = %[2]d, record_count = record_count + 1", someOwner, revision),
		fmt.Sprintf("INSERT INTO syncline_records (owner, id, revision, updated_at, data) VALUES (x'%x', '%s', %d, 1, zeroblob(5000))", someOwner, id, revision),
	} {
		if _, err := tx.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func recordIDs(t *testing.T, db *storage.DB) string {
	t.Helper()
	var ids []string
	for _, r := range db.Read.Record.Query().AllX(t.Context()) {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func closeDB(t *testing.T, db *storage.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// backUp backs a directory up into a new file.
func backUp(t *testing.T, dir string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "backup.db")
	b, err := storage.BackupSQLite(t.Context(), dir, path+".partial")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func restore(t *testing.T, dir, path string, replace bool) (storage.Restored, error) {
	t.Helper()
	f, err := storage.OpenBackup(path)
	if err != nil {
		return storage.Restored{}, err
	}
	defer f.Close()
	return storage.RestoreSQLite(t.Context(), dir, f, replace, time.Now())
}

func fileNames(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// A backup holds what was committed when it was taken, from the log too, and
// nothing of it is lost when it is restored where nothing was.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openDir(t, dir, "a", "b")
	path := backUp(t, dir)
	addRecord(t, db, "c", 3)
	closeDB(t, db)
	stopped := backUp(t, dir)

	if got := fileNames(t, filepath.Dir(path)); got != "backup.db" {
		t.Errorf("beside the backup are files: %s", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: mode %v, error %v", info.Mode(), err)
	}
	for path, want := range map[string]string{path: "a b", stopped: "a b c"} {
		to := filepath.Join(t.TempDir(), "new")
		r, err := restore(t, to, path, false)
		if err != nil {
			t.Fatal(err)
		}
		if r.Contents.Owners != 1 || r.Contents.Records != strings.Count(want, " ")+1 || r.Contents.Epoch != 2 || r.Base < time.Now().Unix()<<21-1<<30 || r.Replaced != "" {
			t.Errorf("it says %+v", r)
		}
		if got := fileNames(t, to); got != "syncline.db syncline.lock" {
			t.Errorf("in the directory are %s", got)
		}
		restored := openDir(t, to)
		if got := recordIDs(t, restored); got != want {
			t.Errorf("restored: %q, want %q", got, want)
		}
		if n := restored.Read.Epoch.Query().CountX(t.Context()); n != 2 {
			t.Errorf("%d epochs, want a new one", n)
		}
		closeDB(t, restored)
	}
}

// Who writes meanwhile does not hold a backup up, and is not held up by it.
func TestBackupBesideWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openDir(t, dir, "a")
	defer closeDB(t, db)
	stop, stopped := make(chan struct{}), make(chan int, 1)
	go func() {
		n := 0
		defer func() { stopped <- n }()
		for ; ; n++ {
			select {
			case <-stop:
				return
			default:
				addRecord(t, db, fmt.Sprintf("w%06d", n), int64(n+2))
			}
		}
	}()
	for range 5 {
		to := t.TempDir()
		r, err := restore(t, to, backUp(t, dir), false)
		if err != nil {
			t.Error(err)
			break
		}
		restored := openDir(t, to)
		account := restored.Read.Account.Query().OnlyX(t.Context())
		if account.RecordCount != int64(r.Contents.Records) || len(strings.Fields(recordIDs(t, restored))) != r.Contents.Records {
			t.Errorf("%d records of %d: not of one moment", r.Contents.Records, account.RecordCount)
		}
		closeDB(t, restored)
	}
	close(stop)
	if n := <-stopped; n == 0 {
		t.Error("nothing was written meanwhile")
	}
}

// What is damaged, cut short, something else, or not whole without its log is
// refused, and leaves all as it was.
func TestRestoreRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openDir(t, dir, "a", "b", "c", "d", "e", "f")
	whole, err := os.ReadFile(backUp(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	damaged := slices.Clone(whole)
	for i := len(damaged) / 2; i < len(damaged)/2+4096; i++ {
		damaged[i] ^= 0x55
	}
	other := filepath.Join(t.TempDir(), "other.db")
	makeSQLite(t, other)
	foreign, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	backups := map[string][]byte{"empty": {}, "text": []byte("-- PostgreSQL database dump"), "damaged": damaged, "another program's": foreign}
	for cut := 1; cut < len(whole); cut += 3571 {
		backups[fmt.Sprintf("cut at %d", cut)] = whole[:cut]
	}
	to := t.TempDir()
	for name, content := range backups {
		if _, err := storage.RestoreSQLite(t.Context(), to, bytes.NewReader(content), true, time.Now()); err == nil {
			t.Errorf("%s: it was restored", name)
		} else if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "nothing has changed") {
			t.Errorf("%s: it says %q", name, err)
		}
		if got := fileNames(t, to); got != "syncline.lock" {
			t.Fatalf("%s: it left %s", name, got)
		}
	}
	if _, err := storage.RestoreSQLite(t.Context(), dir, bytes.NewReader(whole), true, time.Now()); !errors.Is(err, storage.ErrInUse) {
		t.Errorf("while a server runs: %v", err)
	}
	copied := filepath.Join(t.TempDir(), "copied.db") // from a running server
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(filepath.Join(dir, "syncline.db"+suffix))
		if err == nil {
			err = os.WriteFile(copied+suffix, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := restore(t, to, copied, false); err == nil || !strings.Contains(err.Error(), "log beside it") {
		t.Errorf("with a log beside it: %v", err)
	}
	closeDB(t, db)
	if _, err := storage.RestoreSQLite(t.Context(), dir, bytes.NewReader(whole), false, time.Now()); !errors.Is(err, storage.ErrExists) {
		t.Errorf("over a database: %v", err)
	}
	if again := openDir(t, dir); recordIDs(t, again) != "a b c d e f" {
		t.Errorf("the database has %s", recordIDs(t, again))
	} else {
		closeDB(t, again)
	}
}

// A database that a crash left with its log is kept, log and all; no frame of it
// gets into the one that takes its place, and no revision is given twice though the
// clock is behind.
func TestRestoreAfterACrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openDir(t, dir, "a", "b")
	path := backUp(t, dir)
	for i := range 50 {
		addRecord(t, db, fmt.Sprint("lost", i), int64(i+3))
	}
	crashed := t.TempDir()
	for _, name := range []string{"syncline.db", "syncline.db-wal", "syncline.db-shm", "syncline.nonces", "syncline.log-of"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(crashed, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	closeDB(t, db)

	f, err := storage.OpenBackup(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := storage.RestoreSQLite(t.Context(), crashed, f, true, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if r.Base != 1<<21 {
		t.Errorf("revisions go on above %d, and 52 were given", r.Base)
	}
	kept := filepath.Base(r.Replaced)
	if got, want := fileNames(t, crashed), fmt.Sprintf("syncline.db %s %[1]s-wal syncline.lock", kept); got != want {
		t.Errorf("in the directory are %s, want %s", got, want)
	}
	restored := openDir(t, crashed)
	if got := recordIDs(t, restored); got != "a b" {
		t.Errorf("restored: %q", got)
	}
	closeDB(t, restored)

	old := t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		if err := os.Rename(r.Replaced+suffix, filepath.Join(old, "syncline.db"+suffix)); err != nil {
			t.Fatal(err)
		}
	}
	before := openDir(t, old)
	if n := before.Read.Record.Query().CountX(t.Context()); n != 52 {
		t.Errorf("of the database before, %d records are kept, want 52", n)
	}
	closeDB(t, before)
}

// A file whose server was stopped is a backup, too, as cp leaves it.
func TestRestoreOfACopiedFile(t *testing.T) {
	t.Parallel()
	dir, to := t.TempDir(), t.TempDir()
	closeDB(t, openDir(t, dir, "a", "b"))
	if _, err := restore(t, to, filepath.Join(dir, "syncline.db"), false); err != nil {
		t.Fatal(err)
	}
	restored := openDir(t, to)
	defer closeDB(t, restored)
	if got := recordIDs(t, restored); got != "a b" {
		t.Errorf("restored: %q", got)
	}
}

// What root restores, the server's own user has to open.
func TestRestoreByRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	dir, to := t.TempDir(), t.TempDir()
	closeDB(t, openDir(t, dir, "a"))
	if err := os.Chown(to, 65532, 65532); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(t, to, filepath.Join(dir, "syncline.db"), false); err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(fileNames(t, to)) {
		info, err := os.Stat(filepath.Join(to, name))
		if err != nil {
			t.Fatal(err)
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 65532 {
			t.Errorf("%s belongs to %d", name, uid)
		}
	}
}

func makeSQLite(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE notes (id INTEGER)"); err != nil {
		t.Fatal(err)
	}
}
