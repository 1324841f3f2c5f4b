package e2e

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncline/auth"
	"syncline/auth/redisnonce"
	"syncline/feed"
	"syncline/graph"
	"syncline/graph/transport"
	"syncline/internal/redisclient"
	"syncline/locks"
	"syncline/locks/redislock"
	"syncline/pubsub"
	"syncline/pubsub/inproc"
	"syncline/pubsub/redisbus"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/locker"
	"syncline/storage/records"
)

// parts are what an instance in this process is made of: those that a server
// process cannot be given, since it has the right clock and the real bus.
type parts struct {
	db     *storage.DB
	bus    pubsub.Bus
	locker locks.Locker
	nonces auth.NonceMemory
	now    func() time.Time
	// judge is the clock that signatures are judged by; now if nil.
	judge        func() time.Time
	refuseBefore time.Time
}

// serveInProcess puts an instance together as the server does, and answers
// where it serves GraphQL until the test ends.
func serveInProcess(t *testing.T, p parts) (url string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store := records.New(p.db, p.db.NewEngine())
	store.SetClock(p.now)
	service := record.NewService(store, p.bus, log)
	feeds := feed.New(service, p.bus, time.Second, log)
	lockService := locks.NewService(p.locker, p.bus, time.Second, log)
	loopback, err := auth.ParseAuthorities("")
	if err != nil {
		t.Fatal(err)
	}
	if p.judge == nil {
		p.judge = p.now
	}
	verifier := auth.NewVerifier(loopback, p.nonces, auth.Options{Now: p.judge, RefuseBefore: p.refuseBefore})
	transports := transport.New(transport.Config{
		Init: func(ctx context.Context, upgrade *http.Request, payload map[string]any) (context.Context, error) {
			principal, err := verifier.VerifyInit(ctx, upgrade, payload)
			return auth.NewContext(ctx, principal), err
		},
	})
	api := graph.NewServer(graph.Config{Records: service, Feed: feeds, Locks: lockService, Log: log, Now: p.judge})
	transports.Install(api)
	server := httptest.NewServer(verifier.Middleware(api))
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	loops.Go(func() { _ = feeds.Run(ctx) })
	loops.Go(func() { _ = lockService.Run(ctx) })
	t.Cleanup(func() {
		_ = transports.Shutdown(ctx)
		server.CloseClientConnections()
		server.Close()
		cancel()
		loops.Wait()
	})
	return server.URL + "/graphql"
}

func openPostgres(t *testing.T, url string) *storage.DB {
	t.Helper()
	db, err := storage.OpenPostgres(t.Context(), url, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// shiftedClock is a clock that is off.
type shiftedClock struct{ off atomic.Int64 }

func (c *shiftedClock) set(off time.Duration) { c.off.Store(int64(off)) }

func (c *shiftedClock) now() time.Time { return time.Now().Add(time.Duration(c.off.Load())) }

// overRedis are the parts of an instance that shares a PostgreSQL and a Redis.
func overRedis(t *testing.T, postgresURL, redisURL string, now func() time.Time) parts {
	t.Helper()
	client, err := redisclient.Open(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	log := slog.New(slog.DiscardHandler)
	bus := redisbus.New(client, log)
	t.Cleanup(bus.Close)
	db := openPostgres(t, postgresURL)
	fences := locker.New(db, db.NewEngine())
	fences.SetClock(now)
	return parts{
		db:     db,
		bus:    bus,
		locker: redislock.New(client, fences),
		nonces: redisnonce.New(client, auth.NewMemoryNonces(1<<20, now), now, log),
		now:    now,
	}
}

// badBus loses, repeats, delays and, by delaying some, reorders the hints of
// one instance on their way to all.
type badBus struct {
	*inproc.Bus
	mu     sync.Mutex
	random *rand.Rand
	told   atomic.Int64
	lost   atomic.Int64
}

func (b *badBus) Publish(ctx context.Context, hint pubsub.Hint) error {
	b.mu.Lock()
	fate, delay := b.random.IntN(10), time.Duration(b.random.Int64N(int64(300*time.Millisecond)))
	b.mu.Unlock()
	b.told.Add(1)
	later := func() { time.AfterFunc(delay, func() { _ = b.Bus.Publish(context.WithoutCancel(ctx), hint) }) }
	switch {
	case fate < 3:
		b.lost.Add(1)
		return nil
	case fate < 5:
		later()
		return nil
	case fate < 7:
		later()
	}
	return b.Bus.Publish(ctx, hint)
}
