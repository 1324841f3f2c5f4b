package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncline/internal/testservers"
)

func mustBeUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	if refused, ok := errors.AsType[*refusal](err); !ok || refused.text("code") != "UNAVAILABLE" {
		t.Errorf("%s: %v; want UNAVAILABLE", what, err)
	}
}

func (d *device) set(t *testing.T, id string, data []byte) error {
	t.Helper()
	var out struct{ SetRecord outcome }
	return d.call(t.Context(), `mutation($input: SetRecordInput!) { setRecord(input: $input) { status newRevision } }`,
		map[string]any{"input": map[string]any{"id": id, "data": data}}, &out)
}

func awaitDatabase(t *testing.T, server *testservers.Syncline, state, log string) {
	t.Helper()
	testservers.Await(t, "/readyz says "+state+", and the log why", func(ctx context.Context) bool {
		r, err := readinessOf(ctx, server)
		return err == nil && r.code == 503 && r.Checks["database"] == state && strings.Contains(server.Log(), log)
	})
}

// No write is acknowledged by a database whose directory was removed.
func TestDatabaseRemoved(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	d := newDevice(server.URL(), newKey(t))
	if err := d.set(t, "before", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(server.Dir); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		mustBeUnavailable(t, "a write into nowhere", d.set(t, id, []byte("x")))
	}
	awaitDatabase(t, server, "gone", "removed or replaced while it was in use")
}

// Damage is named, and what is whole is read.
func TestDatabaseDamaged(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	damaged, whole := newDevice(server.URL(), newKey(t)), newDevice(server.URL(), newKey(t))
	for i := range 100 {
		for _, d := range []*device{damaged, whole} {
			if err := d.set(t, strings.Repeat("x", 1+i%60)+string(rune('a'+i/60)), bytes.Repeat([]byte(d.key.Public().String()), 100)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(server.Dir, "syncline.db")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	mine, theirs := damaged.key.Public(), whole.key.Public()
	spoilt := 0
	for at := page; at < len(content); at += page { // leaves that have something of this owner alone
		leaf := content[at : at+page]
		if (leaf[0] == 13 || leaf[0] == 10) && bytes.Contains(leaf, mine[:]) && !bytes.Contains(leaf, theirs[:]) {
			copy(leaf, bytes.Repeat([]byte{0xff}, 100))
			spoilt++
		}
	}
	if spoilt == 0 {
		t.Fatal("nothing was found to damage")
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	server.Start()
	_, _, err = damaged.walk(t.Context(), "0")
	mustBeUnavailable(t, "reading what is damaged", err)
	awaitDatabase(t, server, "damaged", "restore a backup")
	if records, _, err := whole.walk(t.Context(), "0"); err != nil || len(records) != 100 {
		t.Errorf("reading what is whole: %d records, %v", len(records), err)
	}
	mustBeUnavailable(t, "a write", whole.set(t, "new", []byte("x")))
}

// A start that fails for want of room says so, however far it comes: in an empty directory, beside the files of a server
// that was stopped, and beside those of one that was killed, whose log is to be folded in.
func TestStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	taken := testservers.StartSyncline(t).Address
	for name, prepare := range map[string]func(*testing.T, *testservers.Syncline){
		"nothing there": nil,
		"stopped": func(t *testing.T, server *testservers.Syncline) {
			if err := server.Stop(); err != nil {
				t.Fatal(err)
			}
		},
		"killed": func(_ *testing.T, server *testservers.Syncline) { server.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := testservers.SmallDisk(t, 16<<20)
			dir := filepath.Join(disk, "db")
			if prepare != nil {
				server := testservers.StartSyncline(t, "SQLITE_DIR_PATH="+dir, "MIN_FREE_DISK=0")
				if err := newDevice(server.URL(), newKey(t)).set(t, "a", make([]byte, 60<<10)); err != nil {
					t.Fatal(err)
				}
				prepare(t, server)
			}
			for room := int64(0); ; room += 32 << 10 {
				if room > 4<<20 {
					t.Fatal("with 4 MiB free it does not start")
				}
				makeRoom := testservers.FillDisk(t, disk, max(testservers.FreeBytes(t, disk)-room, 1))
				_, stderr, err := testservers.Run(t, []string{"SQLITE_DIR_PATH=" + dir, "MIN_FREE_DISK=0", "LISTEN_ADDRESS=" + taken, "LOG_LEVEL=error"}, "serve")
				makeRoom()
				if err == nil || strings.Contains(stderr, "address already in use") { // all before went well
					break
				}
				if !strings.HasPrefix(stderr, "syncline: ") || !strings.Contains(stderr, ": the disk is full") || strings.Count(stderr, "\n") != 1 {
					t.Errorf("with %d KiB free it says %q", room>>10, stderr)
				}
			}
		})
	}
}
