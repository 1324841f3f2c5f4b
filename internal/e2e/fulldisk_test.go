package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"syncline/auth/signing"
	"syncline/internal/testservers"
)

// small is a disk on which an instance keeps some room free, and which somebody
// else fills, too.
type small struct {
	*testservers.Syncline
	disk      string
	makeRoom  func()
	d         *device
	key       signing.PrivateKey
	revisions map[string]int64
	written   int // records, of which one is deleted later
}

// minFree is more than what the write-ahead log may yet bring into the database.
const minFree = 40 << 20

func startSmall(t *testing.T) *small {
	t.Helper()
	s := &small{disk: testservers.SmallDisk(t, 160<<20), revisions: map[string]int64{}, key: newKey(t)}
	s.makeRoom = testservers.FillDisk(t, s.disk, 64<<20)
	s.Syncline = testservers.StartSyncline(t, "SQLITE_DIR_PATH="+s.disk, fmt.Sprint("MIN_FREE_DISK=", minFree))
	s.d = newDevice(s.URL(), s.key)
	return s
}

// set writes a record of so many bytes.
func (s *small) set(t *testing.T, id string, size int) error {
	t.Helper()
	var out struct{ SetRecord outcome }
	err := s.d.call(t.Context(), `mutation($input: SetRecordInput!) { setRecord(input: $input) { status newRevision } }`,
		map[string]any{"input": map[string]any{"id": id, "data": make([]byte, size), "revision": s.revisions[id]}}, &out)
	if err == nil {
		s.revisions[id] = out.SetRecord.NewRevision
	}
	return err
}

func (s *small) remove(t *testing.T, id string) error {
	t.Helper()
	var out struct{ DeleteRecord outcome }
	return s.d.call(t.Context(), `mutation($input: DeleteRecordInput!) { deleteRecord(input: $input) { status newRevision } }`,
		map[string]any{"input": map[string]any{"id": id, "revision": s.revisions[id]}}, &out)
}

// fill writes until the server takes no more.
func (s *small) fill(t *testing.T) error {
	t.Helper()
	for ; ; s.written++ {
		if err := s.set(t, fmt.Sprint(s.written), 60<<10); err != nil {
			return err
		}
	}
}

func mustBeNotApplied(t *testing.T, err error) {
	t.Helper()
	refused, ok := errors.AsType[*refusal](err)
	if !ok || refused.text("code") != "UNAVAILABLE" || refused.text("outcome") != "NOT_APPLIED" {
		t.Errorf("a write without room: %v; want UNAVAILABLE, NOT_APPLIED", err)
	}
}

func (s *small) mustRead(t *testing.T) {
	t.Helper()
	records, head, err := s.d.walk(t.Context(), "0")
	if err != nil || len(records) < s.written-1 || head < int64(s.written) {
		t.Errorf("%d records and head %d, %v; want the %d that were written", len(records), head, err, s.written)
	}
}

func (s *small) awaitStatus(t *testing.T, status, disk string) {
	t.Helper()
	testservers.Await(t, "/readyz says "+status+" and disk "+disk, func(ctx context.Context) bool {
		r, err := readinessOf(ctx, s.Syncline)
		return err == nil && r.code == 200 && r.Status == status && r.Checks["disk"] == disk
	})
}

// awaitEvent reads from a live subscription until it brings a record's change.
func awaitEvent(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			t.Fatal("the feed ended: ", err)
		}
		if strings.Contains(string(message), "CHANGED") {
			return
		}
	}
}

// With little room left the server refuses growth before the disk is full, and
// nothing else. With none at all it goes on reading, following and connecting.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := startSmall(t)
	s.awaitStatus(t, "ready", "ok")
	follower := openSocket(t, s.Syncline, s.key)

	mustBeNotApplied(t, s.fill(t))
	if free := testservers.FreeBytes(t, s.disk); free < minFree/4 || free >= minFree {
		t.Errorf("growth was refused with %d bytes free, which were to be a little below %d", free, minFree)
	}
	s.awaitStatus(t, "degraded", "low")
	if err := s.set(t, "0", 10); err != nil {
		t.Errorf("a write that shrinks: %v", err)
	}
	if err := s.remove(t, "1"); err != nil {
		t.Errorf("a delete: %v", err)
	}
	awaitEvent(t, follower)
	s.mustRead(t)
	capture(t, s.Syncline).mustServe(t, s.Syncline)

	if err := s.Stop(); err != nil { // which leaves no log that has room in it
		t.Fatal(err)
	}
	s.Start()
	makeSomeRoom := testservers.FillDisk(t, s.disk, 0)
	mustBeNotApplied(t, s.set(t, "another", 1))
	mustBeNotApplied(t, s.remove(t, "2"))
	s.mustRead(t)
	var taken []captured
	for range 5 {
		c := capture(t, s.Syncline)
		c.mustServe(t, s.Syncline)
		c.mustNotServe(t, s.Syncline, "NONCE_REUSED")
		taken = append(taken, c)
	}
	openSocket(t, s.Syncline, s.key)
	s.awaitStatus(t, "degraded", "low")

	makeSomeRoom()
	s.Kill()
	s.Start()
	for _, c := range taken {
		if reason := c.connect(t, s.Syncline); !strings.Contains(reason, "SIGNATURE_EXPIRED") {
			t.Fatalf("a connection_init from before the restart is answered %q", reason)
		}
	}

	s.makeRoom()
	s.awaitStatus(t, "ready", "ok")
	if err := errors.Join(s.set(t, "another", 60<<10), s.remove(t, "2")); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
