package storage_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"syncline/storage"
)

// Whoever may put files beside a database may take its place.
func TestSQLiteRefusesADirectoryThatEverybodyMayWriteTo(t *testing.T) {
	t.Parallel()
	for _, mode := range []os.FileMode{0o777, 0o702, 0o777 | os.ModeSticky, 0o777 | os.ModeSetgid} {
		dir := t.TempDir()
		chmod(t, dir, mode)
		_, err := storage.OpenSQLite(t.Context(), dir)
		assertLine(t, err, "everybody may write to this directory", "chmod go-w", dir)
		inside := filepath.Join(dir, "db") // the way out that the line names
		if err := open(t, inside).Close(); err != nil {
			t.Error(err)
		}
		if got := modeOf(t, inside); got != 0o700 {
			t.Errorf("the directory inside has mode %o", got)
		}
	}
}

// What is there already would be left behind by who only names another directory.
func TestSQLiteTellsToMoveWhatIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	chmod(t, dir, 0o777)
	_, err := storage.OpenSQLite(t.Context(), dir)
	assertLine(t, err, "everybody may write to this directory", "chmod go-w", "move syncline.* into a directory inside it")
}

// The mark says that no nonce is missing: not so where a database was deleted, and
// after a restore from backup.
func TestSQLiteNoncesMark(t *testing.T) {
	t.Parallel()
	marked := func(dir string) bool {
		_, err := os.Lstat(storage.NoncesMark(dir))
		return err == nil
	}
	dir := t.TempDir()
	db := open(t, dir)
	if !marked(dir) {
		t.Error("the first database in a directory has no mark")
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.NewEpoch(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if marked(dir) {
		t.Error("a new epoch has left the mark")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{"syncline.lock", "syncline.nonces"} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, left), "")
		db := open(t, dir)
		if marked(dir) {
			t.Errorf("a database made beside %s has the mark", left)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Volumes are handed out to a group.
func TestSQLiteTellsOfADirectoryThatAGroupMayWriteTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	chmod(t, dir, 0o770)
	db := open(t, dir)
	defer db.Close()
	if got := strings.Join(db.Warnings, "\n"); !strings.Contains(got, "the group of "+dir) {
		t.Errorf("warnings %q", got)
	}
}

func TestSQLiteTakesItsFilesFromOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir)
	if len(first.Warnings) > 0 {
		t.Errorf("warnings %q", first.Warnings)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "syncline.db")
	chmod(t, file, 0o666)
	write(t, file+"-wal", "")
	chmod(t, file+"-wal", 0o666)
	db := open(t, dir)
	defer db.Close()
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		if got := modeOf(t, name); got&0o022 != 0 {
			t.Errorf("%s has mode %o", name, got)
		}
	}
	if got := strings.Join(db.Warnings, "\n"); !strings.Contains(got, "others could write to "+file+" (mode 666)") {
		t.Errorf("warnings %q", got)
	}
}

func TestSQLiteFollowsNoLink(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"syncline.lock", "syncline.db", "syncline.db-wal", "syncline.db-shm", "syncline.db-journal"} {
		dir, target := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		_, err := storage.OpenSQLite(t.Context(), dir)
		assertLine(t, err, name+" is not a regular file")
		if _, err := os.Lstat(target); err == nil {
			t.Errorf("%s: the link was followed", name)
		}
	}
}

// umaskDir tells this test binary to act as a process that takes nothing from the
// modes of its files.
const umaskDir = "SYNCLINE_TEST_UMASK_DIR"

func TestSQLiteFilesArePrivateWithoutAUmask(t *testing.T) {
	if dir := os.Getenv(umaskDir); dir != "" {
		syscall.Umask(0)
		db := open(t, dir)
		defer db.Close()
		for _, name := range []string{"", "syncline.lock", "syncline.nonces", "syncline.db", "syncline.db-wal", "syncline.db-shm"} {
			if got := modeOf(t, filepath.Join(dir, name)); got&0o077 != 0 {
				t.Errorf("%q has mode %o", name, got)
			}
		}
		return
	}
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command(self, "-test.run=^"+t.Name()+"$")
	other.Env = append(os.Environ(), umaskDir+"="+filepath.Join(t.TempDir(), "db"))
	if out, err := other.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func modeOf(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}
