package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/internal/cutproxy"
)

const (
	mirrorWrites = 2000 // of the owner; the stranger writes a tenth
	mirrorCuts   = 20   // of each follower's connections, at least
)

// Followers whose connections are cut at random bytes, of a service whose
// instances are restarted, end with exactly what the service has, each having
// seen every revision at most once and in order, and nothing of another owner.
func TestMirror(t *testing.T) { onEachDeployment(t, testMirror) }

func testMirror(t *testing.T, d *deployment) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	key := newKey(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()

	followers := []*cutMirror{
		startCutMirror(ctx, t, d, key, rand.New(rand.NewPCG(seed, 1)), 0),
		startCutMirror(ctx, t, d, key, rand.New(rand.NewPCG(seed, 2)), 0),
		startCutMirror(ctx, t, d, key, rand.New(rand.NewPCG(seed, 3)), 2*time.Millisecond),
	}
	load := &mirrorLoad{t: t, client: newClient(t, d.url(), key)}
	load.run(ctx, d, newClient(t, d.url(), newKey(t)), seed)
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

// cutMirror is a mirror whose connections are cut.
type cutMirror struct {
	*mirror
	proxy *cutproxy.Proxy
}

func startCutMirror(ctx context.Context, t *testing.T, d *deployment, key signing.PrivateKey, random *rand.Rand, pause time.Duration) *cutMirror {
	t.Helper()
	proxy, err := cutproxy.Listen(d.balancer.Address, func() int64 { return 500 + random.Int64N(16_000) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	return &cutMirror{mirror: startMirror(ctx, t, "http://"+proxy.Addr()+"/graphql", key, pause), proxy: proxy}
}

func newClient(t *testing.T, url string, key signing.PrivateKey) *client.Client {
	t.Helper()
	c, err := client.New(url, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func enoughCuts(followers []*cutMirror) bool {
	return !slices.ContainsFunc(followers, func(f *cutMirror) bool { return f.proxy.Cuts() < mirrorCuts })
}

// mirrorLoad is what the owner's writers do.
type mirrorLoad struct {
	t         *testing.T
	client    *client.Client
	conflicts int
	mu        sync.Mutex
}

// run writes with two writers, beside a stranger, and restarts instances twice
// on the way: one politely, one by a kill.
func (l *mirrorLoad) run(ctx context.Context, d *deployment, stranger *client.Client, seed uint64) {
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
	first, last := d.instances[0], d.instances[len(d.instances)-1]
	if err := first.Stop(); err != nil {
		l.t.Errorf("stop: %v\n%s", err, first.Log())
	}
	first.Start()
	<-restart
	<-restart
	last.Kill()
	last.Start()
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
