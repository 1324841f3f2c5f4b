package e2e

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/client"
)

// mirror follows an owner from the beginning, and keeps what it is told.
type mirror struct {
	mu       sync.Mutex
	records  map[string]client.Record
	last     client.Revision
	events   int
	faults   []string
	progress chan struct{} // holds one word that something came
}

// startMirror follows from the beginning until the test ends. A slow mirror
// waits for pause after each event.
func startMirror(ctx context.Context, t *testing.T, url string, key signing.PrivateKey, pause time.Duration) *mirror {
	t.Helper()
	m := &mirror{records: map[string]client.Record{}, progress: make(chan struct{}, 1)}
	c := newClient(t, url, key)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { m.follow(ctx, c, pause) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return m
}

func (m *mirror) follow(ctx context.Context, c *client.Client, pause time.Duration) {
	for event, err := range c.Follow(ctx, client.Beginning) {
		if err != nil {
			if ctx.Err() == nil {
				m.fault("the feed ended: %v", err)
			}
			return
		}
		m.apply(event)
		if pause > 0 {
			<-time.After(pause)
		}
	}
}

func (m *mirror) apply(event client.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if event.Kind == client.Changed {
		r := event.Record
		if r.Revision <= m.last {
			m.faults = append(m.faults, fmt.Sprintf("revision %d after %d", r.Revision, m.last))
		}
		if strings.HasPrefix(r.ID, "stranger-") {
			m.faults = append(m.faults, "a stranger's record "+r.ID)
		}
		m.last = r.Revision
		m.events++
		m.records[r.ID] = r
		if r.Deleted {
			delete(m.records, r.ID)
		}
	}
	select {
	case m.progress <- struct{}{}:
	default:
	}
}

func (m *mirror) fault(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, fmt.Sprintf(format, args...))
}

func (m *mirror) seen() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.events
}

// position is the newest revision that arrived.
func (m *mirror) position() client.Revision {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

func (m *mirror) waitFor(ctx context.Context, t *testing.T, head client.Revision) {
	t.Helper()
	for {
		last := m.position()
		if last >= head {
			return
		}
		select {
		case <-m.progress:
		case <-ctx.Done():
			m.mu.Lock()
			defer m.mu.Unlock()
			t.Fatalf("a follower stands at %d, the head is %d; faults: %v", last, head, m.faults)
		}
	}
}

func (m *mirror) compare(t *testing.T, number int, want map[string]client.Record) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, fault := range m.faults {
		t.Errorf("follower %d: %s", number, fault)
	}
	same := func(a, b client.Record) bool { return a.Revision == b.Revision && string(a.Data) == string(b.Data) }
	if !maps.EqualFunc(m.records, want, same) {
		t.Errorf("follower %d has %d records that differ from the server's %d", number, len(m.records), len(want))
	}
}

// serverState is the owner's live records, and the newest revision.
func serverState(ctx context.Context, t *testing.T, c *client.Client) (map[string]client.Record, client.Revision) {
	t.Helper()
	records := map[string]client.Record{}
	var head client.Revision
	for page, err := range c.All(ctx, client.Beginning) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			records[r.ID] = r
		}
		head = page.Head
	}
	return records, head
}
