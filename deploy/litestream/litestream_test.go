// Package litestream shows that Litestream copies a database of Syncline as it is written, by the
// steps of docs/operations.md. It is a module of its own: Litestream brings the libraries of every
// cloud along.
package litestream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/internal/testservers"
)

// program is the Litestream that TestMain built.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "litestream-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "litestream")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/benbjohnson/litestream/cmd/litestream").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build Litestream: %v\n%s", err, out)
		return 1
	}
	return testservers.Main(m)
}

// The log is folded into the file several times while Litestream follows it, which is when the two
// could get in each other's way.
const records, recordBytes = 600, 60_000 // 36 MB

// What was written while Litestream ran is on another machine when the first one is lost, and
// clients hear what is not.
func TestLitestream(t *testing.T) {
	server := testservers.StartSyncline(t)
	database, config := filepath.Join(server.Dir, "syncline.db"), filepath.Join(t.TempDir(), "litestream.yml")
	replica := filepath.Join(t.TempDir(), "replica")
	writeConfig(t, config, database, replica)
	key, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(server.URL(), key)
	if err != nil {
		t.Fatal(err)
	}

	stop := replicate(t, config)
	testservers.Await(t, "Litestream follows: the replica has a file", func(context.Context) bool { return hasFile(replica) })
	for i := range records {
		set(t, c, fmt.Sprint("record-", i), bytes.Repeat([]byte{byte(i)}, recordBytes))
	}
	stop() // it copies what is left; a machine that dies loses the last second
	set(t, c, "too late", nil)
	before, err := c.Viewer(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	server.Kill()
	lost := filepath.Join(t.TempDir(), "lost")
	if err := os.Rename(server.Dir, lost); err != nil {
		t.Fatal(err)
	}
	restored := filepath.Join(t.TempDir(), "restored.db")
	if out, err := exec.Command(program, "restore", "-config", config, "-o", restored, database).CombinedOutput(); err != nil {
		t.Fatalf("litestream restore: %v\n%s", err, out)
	}
	if _, stderr, err := testservers.Run(t, []string{"SQLITE_DIR_PATH=" + server.Dir}, "restore", restored); err != nil {
		t.Fatalf("syncline restore: %v\n%s", err, stderr)
	}
	server.Start()

	_, err = c.Changes(t.Context(), before.Cursor, 10)
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Code != client.ErrEpochMismatch || refused.RestoredHead != records {
		t.Errorf("the old cursor: %v; want EPOCH_MISMATCH with head %d", err, records)
	}
	for i := range records {
		got, err := c.Get(t.Context(), fmt.Sprint("record-", i))
		if err != nil || !bytes.Equal(got.Data, bytes.Repeat([]byte{byte(i)}, recordBytes)) {
			t.Fatalf("record-%d after the restore: %d bytes, error %v", i, len(got.Data), err)
		}
	}
	if v, err := c.Viewer(t.Context()); err != nil || v.RecordCount != records {
		t.Errorf("%d records, error %v; want %d", v.RecordCount, err, records)
	}
	set(t, c, "too late", nil)
}

func set(t *testing.T, c *client.Client, id string, data []byte) {
	t.Helper()
	if _, err := c.Set(t.Context(), id, data, 0); err != nil {
		t.Fatalf("write %s: %v", id, err)
	}
}

// writeConfig makes the file of the document, for a replica that is a directory.
func writeConfig(t *testing.T, path, database, replica string) {
	t.Helper()
	const inDocument = "dbs:\n  - path: /var/lib/syncline/syncline.db\n    replica:\n      url: s3://backups.example.com/syncline\n"
	document, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(document), inDocument) {
		t.Fatalf("docs/operations.md does not have this configuration:\n%s", inDocument)
	}
	config := strings.NewReplacer("/var/lib/syncline/syncline.db", database, "url: s3://backups.example.com/syncline", "path: "+replica).Replace(inDocument)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

func hasFile(dir string) (has bool) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		has = has || err == nil && entry.Type().IsRegular()
		return nil
	})
	return has
}

// replicate runs Litestream until stop, which waits until it has copied what there is.
func replicate(t *testing.T, config string) (stop func()) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, "replicate", "-config", config)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("litestream replicate: %v\n%s", err, &log)
		}
	}
}
