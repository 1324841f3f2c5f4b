package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/internal/cutproxy"
	"syncline/internal/testservers"
)

const (
	mirrorWrites = 2000 // of the owner; the stranger writes a tenth
	mirrorCuts   = 20   // of each follower's connections, at least
)

// Followers whose connections are cut at random bytes, of a server that is
// restarted, end with exactly what the server has, each having seen every
// revision at most once and in order, and nothing of another owner.
func TestMirror(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	server := testservers.StartSyncline(t)
	key := newKey(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()

	followers := []*mirror{
		startMirror(ctx, t, server, key, rand.New(rand.NewPCG(seed, 1)), 0),
		startMirror(ctx, t, server, key, rand.New(rand.NewPCG(seed, 2)), 0),
		startMirror(ctx, t, server, key, rand.New(rand.NewPCG(seed, 3)), 2*time.Millisecond),
	}
	load := &mirrorLoad{t: t, client: newClient(t, server.URL(), key)}
	load.run(ctx, server, newClient(t, server.URL(), newKey(t)), seed)
	for !enoughCuts(followers) && ctx.Err() == nil { // those who read slowly see fewer states, and so fewer bytes
		load.write(ctx, rand.New(rand.NewPCG(seed, uint64(time.Now().UnixNano()))))
	}

	want, head := serverState(ctx, t, load.client)
	for i, f := range followers {
		f.waitFor(ctx, t, head)
		f.compare(t, i, want)
		t.Logf("follower %d: %d events over %d cuts", i, f.seen(), f.proxy.Cuts())
	}
}

func newClient(t *testing.T, url string, key signing.PrivateKey) *client.Client {
	t.Helper()
	c, err := client.New(url, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func enoughCuts(followers []*mirror) bool {
	return !slices.ContainsFunc(followers, func(f *mirror) bool { return f.proxy.Cuts() < mirrorCuts })
}

// mirrorLoad is what the owner's writers do.
type mirrorLoad struct {
	t         *testing.T
	client    *client.Client
	conflicts int
	mu        sync.Mutex
}

// run writes with two writers, beside a stranger, and restarts the server twice
// on the way: once politely, once by a kill.
func (l *mirrorLoad) run(ctx context.Context, server *testservers.Syncline, stranger *client.Client, seed uint64) {
	l.t.Helper()
	restart := make(chan struct{}, 2)
	var wg sync.WaitGroup
	for writer := range 2 {
		random := rand.New(rand.NewPCG(seed, uint64(writer)+10))
		wg.Go(func() {
			for i := range mirrorWrites / 2 {
				l.write(ctx, random)
				if i == mirrorWrites/6 || i == mirrorWrites/3 {
					restart <- struct{}{}
				}
			}
		})
	}
	wg.Go(func() {
		for i := range mirrorWrites / 10 {
			if _, err := stranger.Set(ctx, fmt.Sprintf("stranger-%d", i), []byte("secret"), 0); err != nil {
				l.t.Errorf("stranger: %v", err)
			}
		}
	})
	<-restart
	<-restart
	if err := server.Stop(); err != nil {
		l.t.Errorf("stop: %v\n%s", err, server.Log())
	}
	server.Start()
	<-restart
	<-restart
	server.Kill()
	server.Start()
	wg.Wait()
	if l.conflicts == 0 {
		l.t.Error("the writers never met in a conflict")
	}
}

// write sets, deletes or writes a batch over few records, so that the writers
// meet. A conflict is part of the game.
func (l *mirrorLoad) write(ctx context.Context, random *rand.Rand) {
	id := fmt.Sprintf("record-%d", random.IntN(60))
	seen := client.Revision(0)
	if current, err := l.client.Get(ctx, id); err == nil {
		seen = current.Revision
	} else if !errors.Is(err, client.ErrNotFound) {
		l.t.Errorf("get: %v", err)
	}
	var err error
	switch random.IntN(5) {
	case 0:
		_, err = l.client.Delete(ctx, id, seen)
	case 1:
		extra := fmt.Sprintf("single-%d", random.Uint64())
		_, err = l.client.Write(ctx, []client.Write{
			{ID: id, Data: randomData(random), Revision: seen},
			{ID: extra, Data: randomData(random)},
		})
	default:
		_, err = l.client.Set(ctx, id, randomData(random), seen)
	}
	if errors.Is(err, client.ErrConflict) {
		l.mu.Lock()
		l.conflicts++
		l.mu.Unlock()
	} else if err != nil {
		l.t.Errorf("write: %v", err)
	}
}

func randomData(random *rand.Rand) []byte {
	data := make([]byte, random.IntN(400))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

// mirror follows an owner from the beginning, and keeps what it is told.
type mirror struct {
	proxy *cutproxy.Proxy

	mu       sync.Mutex
	records  map[string]client.Record
	last     client.Revision
	events   int
	faults   []string
	progress chan struct{} // holds one word that something came
}

// startMirror follows through a proxy of its own. A slow one waits for pause
// after each event.
func startMirror(ctx context.Context, t *testing.T, server *testservers.Syncline, key signing.PrivateKey, random *rand.Rand, pause time.Duration) *mirror {
	t.Helper()
	proxy, err := cutproxy.Listen(server.Address, func() int64 { return 500 + random.Int64N(16_000) })
	if err != nil {
		t.Fatal(err)
	}
	m := &mirror{proxy: proxy, records: map[string]client.Record{}, progress: make(chan struct{}, 1)}
	c := newClient(t, "http://"+proxy.Addr()+"/graphql", key)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { m.follow(ctx, c, pause) })
	t.Cleanup(func() {
		cancel()
		_ = proxy.Close()
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

func (m *mirror) waitFor(ctx context.Context, t *testing.T, head client.Revision) {
	t.Helper()
	for {
		m.mu.Lock()
		last := m.last
		m.mu.Unlock()
		if last >= head {
			return
		}
		select {
		case <-m.progress:
		case <-ctx.Done():
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
