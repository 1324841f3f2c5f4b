package storage_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncline/storage"
)

// A backup that was killed when it had named its file leaves that with two names. The
// next one does not write over it.
func TestBackupKilledBeforeItRemovedTheScratchFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openDir(t, dir, "a")
	defer closeDB(t, db)
	kept := backUp(t, dir)
	scratch := filepath.Join(t.TempDir(), "next.partial")
	if err := os.Link(kept, scratch); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	addRecord(t, db, "b", 2)
	next, err := storage.BackupSQLite(t.Context(), dir, scratch)
	if err != nil {
		t.Fatal(err)
	}
	if next.Contents.Records != 2 {
		t.Errorf("the next backup: %s", next.Contents)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(kept); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the one before has %d bytes of %d, or others: %v", len(after), len(before), err)
	}
}

func TestBackupRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := storage.BackupSQLite(t.Context(), dir, filepath.Join(dir, "x")); !errors.Is(err, storage.ErrNoDatabase) || fileNames(t, dir) != "" {
		t.Errorf("no database: %v, %s", err, fileNames(t, dir))
	}
	db := openDir(t, dir, "a")
	defer closeDB(t, db)
	scratch := filepath.Join(t.TempDir(), "backup.db.partial")
	b, err := storage.BackupSQLite(t.Context(), dir, scratch)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := storage.BackupSQLite(t.Context(), dir, scratch); err == nil || !strings.Contains(err.Error(), "another backup") {
		t.Errorf("two at once: %v", err)
	}
	taken := filepath.Join(filepath.Dir(scratch), "taken")
	if err := os.WriteFile(taken, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.SaveAs(taken); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another file: %v", err)
	}
	if got, _ := os.ReadFile(taken); string(got) != "mine" {
		t.Errorf("the other file has %q", got)
	}
	// What a killed backup left is written over.
	if err := os.WriteFile(filepath.Join(dir, "left"), bytes.Repeat([]byte("x"), 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := storage.BackupSQLite(t.Context(), dir, filepath.Join(dir, "left"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(again.SaveAs(filepath.Join(dir, "kept")), again.Close()); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "kept")); err != nil || info.Mode().Perm() != 0o600 || info.Size() == 1<<20 {
		t.Errorf("%v %v", info, err)
	}
}
