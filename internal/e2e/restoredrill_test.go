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

	"syncline/auth/signing"
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
	clients := startHealers(t, []string{server.URL()})
	clients.await(300)
	path, env := filepath.Join(t.TempDir(), "backup.db"), []string{"SQLITE_DIR_PATH=" + server.Dir}
	runProgram(t, env, "backup", path)
	clients.await(300)
	clients.rememberCursors()
	server.Kill()
	clients.goOffline()
	runProgram(t, env, "restore", "--force", path)
	server.Start()
	clients.heal()
}

// healers are eight clients of a few owners, who write until they go offline.
type healers struct {
	t         *testing.T
	clients   []*healer
	written   atomic.Int64
	goOffline func() // in the middle of what they write
}

func startHealers(t *testing.T, urls []string) *healers {
	t.Helper()
	all := &healers{t: t}
	var keys []signing.PrivateKey
	for range ownerCount {
		keys = append(keys, newKey(t))
	}
	var wg sync.WaitGroup
	online, cut := context.WithCancel(t.Context())
	for i := range writerCount {
		h := &healer{
			t: t, number: i, client: newClient(t, urls[i/ownerCount%len(urls)], keys[i%ownerCount]),
			wants: map[string]string{}, knows: map[string]client.Revision{}, given: map[client.Revision]string{},
		}
		all.clients = append(all.clients, h)
		wg.Go(func() {
			for online.Err() == nil {
				if h.write(online, fmt.Sprintf("c%d-%d", h.number, all.written.Load()%50)) == nil {
					all.written.Add(1)
				}
			}
		})
	}
	all.goOffline = sync.OnceFunc(func() { cut(); wg.Wait() })
	t.Cleanup(all.goOffline)
	return all
}

// await waits until so many more writes were acknowledged.
func (all *healers) await(more int64) {
	all.t.Helper()
	enough := all.written.Load() + more
	until(all.t, time.Minute, func() bool { return all.written.Load() >= enough }, func() { all.t.Fatalf("only %d writes", all.written.Load()) })
}

// rememberCursors has each client know how far it is at this moment.
func (all *healers) rememberCursors() {
	all.t.Helper()
	for _, h := range all.clients {
		viewer, err := h.client.Viewer(all.t.Context())
		if err != nil {
			all.t.Fatal(err)
		}
		h.cursor = viewer.Cursor
	}
}

// heal has clients that made something offline come back to a database that lacks their newest writes. In the end all that
// was ever acknowledged, or made offline, is there, and no revision was given twice.
func (all *healers) heal() {
	all.t.Helper()
	lacked := 0
	for _, h := range all.clients {
		h.wants[fmt.Sprintf("c%d-offline", h.number)] = "made offline"
		lacked += h.heal()
	}
	if lacked == 0 {
		all.t.Error("the database lacked nothing: this test showed nothing")
	}
	given := map[string]bool{}
	for _, h := range all.clients {
		h.check()
		for revision := range h.given {
			key := fmt.Sprint(h.number%ownerCount, revision)
			if given[key] {
				all.t.Errorf("revision %d was given twice", revision)
			}
			given[key] = true
		}
	}
	all.t.Logf("%d writes, of which %d were lost with the database and written again", all.written.Load(), lacked)
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
