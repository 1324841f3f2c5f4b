package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncline/client"
	"syncline/internal/testservers"
)

// Eight clients write while a backup is taken, write on, and are cut off by a crash.
// The backup is put in place. Each client hears of it, writes again what it lacks as
// docs/guarantees.md has it, and sends what it had not sent: in the end all that was
// ever acknowledged, or made offline, is there, and no revision was given twice.
func TestDrillOfARestore(t *testing.T) {
	drillsAreLong(t)
	server := testservers.StartSyncline(t)
	clients := make([]*healer, writerCount)
	for i := range clients {
		clients[i] = &healer{t: t, number: i, wants: map[string]string{}, knows: map[string]client.Revision{}, given: map[client.Revision]string{}}
		if i < ownerCount {
			clients[i].client = newClient(t, server.URL(), newKey(t))
		} else {
			clients[i].client = clients[i%ownerCount].client
		}
	}
	var written atomic.Int64
	var wg sync.WaitGroup
	online, crash := context.WithCancel(t.Context())
	defer crash()
	for _, h := range clients {
		wg.Go(func() {
			for online.Err() == nil {
				if h.write(online, fmt.Sprintf("c%d-%d", h.number, written.Load()%50)) == nil {
					written.Add(1)
				}
			}
		})
	}
	await := func(count int64) {
		t.Helper()
		until(t, time.Minute, func() bool { return written.Load() >= count }, func() { t.Fatalf("only %d writes", written.Load()) })
	}
	await(300)
	path, env := filepath.Join(t.TempDir(), "backup.db"), []string{"SQLITE_DIR_PATH=" + server.Dir}
	runProgram(t, env, "backup", path)
	await(written.Load() + 300)
	for _, h := range clients { // a cursor from after the backup
		page, err := h.client.Viewer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h.cursor = page.Cursor
	}
	server.Kill()
	crash()
	wg.Wait()
	runProgram(t, env, "restore", "--force", path)
	for _, h := range clients {
		h.wants[fmt.Sprintf("c%d-offline", h.number)] = "made offline"
	}
	server.Start()
	lacked := 0
	for _, h := range clients {
		lacked += h.heal()
	}
	if lacked == 0 {
		t.Error("the backup lacked nothing: this test showed nothing")
	}
	given := map[string]bool{}
	for _, h := range clients {
		h.check()
		for revision := range h.given {
			key := fmt.Sprint(h.number%ownerCount, revision)
			if given[key] {
				t.Errorf("revision %d was given twice", revision)
			}
			given[key] = true
		}
	}
	t.Logf("%d writes, of which %d were lost with the database and written again", written.Load(), lacked)
}

// healer is a client that knows what to do after a restore. It alone writes its
// records, and shares its owner with others.
type healer struct {
	t      *testing.T
	client *client.Client
	number int
	wants  map[string]string // what its records are to be
	knows  map[string]client.Revision
	given  map[client.Revision]string
	cursor client.Cursor
}

// write changes one of its records. An error leaves it unsent.
func (h *healer) write(ctx context.Context, id string) error {
	h.wants[id] = fmt.Sprint("change ", len(h.given), " of ", h.number)
	return h.send(ctx, id)
}

func (h *healer) send(ctx context.Context, id string) error {
	written, err := h.client.Set(ctx, id, []byte(h.wants[id]), h.knows[id])
	if err != nil {
		return err
	}
	h.knows[id], h.given[written.Revision] = written.Revision, id
	return nil
}

// heal does what a client does whose cursor is of an epoch before: it learns up to
// which revision the backup reaches, and sends again what is above that or unsent. It
// answers how many acknowledged writes the backup lacked.
func (h *healer) heal() (lacked int) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	_, err := h.client.Changes(ctx, h.cursor, 100)
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Code != client.ErrEpochMismatch {
		h.t.Errorf("client %d: its cursor: %v; want EPOCH_MISMATCH", h.number, err)
		return 0
	}
	there, _ := serverState(ctx, h.t, h.client)
	for id, want := range h.wants {
		if h.knows[id] > refused.RestoredHead {
			lacked++
		}
		if record, found := there[id]; found && string(record.Data) == want {
			continue
		}
		if known := h.knows[id]; known != 0 && known <= refused.RestoredHead && there[id].Revision != known {
			h.t.Errorf("client %d: %s is at %d, which the backup was to have at %d", h.number, id, there[id].Revision, known)
		}
		h.knows[id] = there[id].Revision
		if err := h.send(ctx, id); err != nil {
			h.t.Errorf("client %d: write %s again: %v", h.number, id, err)
		}
	}
	return lacked
}

func (h *healer) check() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	there, _ := serverState(ctx, h.t, h.client)
	for id, want := range h.wants {
		if got := string(there[id].Data); got != want {
			h.t.Errorf("client %d: %s is %q, want %q", h.number, id, got, want)
		}
	}
}
