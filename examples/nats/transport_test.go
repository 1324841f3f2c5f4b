package natstransport_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	natstransport "syncline/examples/nats"
	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/transporttest"
)

const stream = "EVENTS"

// peer is an embedded NATS server with its files.
type peer struct {
	options server.Options
	running *server.Server
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	p := &peer{options: server.Options{
		Host: "127.0.0.1", Port: freePort(t), JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true,
	}}
	p.start(t)
	p.createStream(t)
	t.Cleanup(func() { p.stop(t) })
	return p
}

// freePort is below those that systems give out where any port is asked for, also while
// the server is down. Its twin, 10,000 above, stands for the claim of a running test.
func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 11_000 + rand.IntN(10_000)
		claim, err := listen(t, port+10_000)
		if err != nil { // another test has this pair
			continue
		}
		if l, err := listen(t, port); err != nil || l.Close() != nil {
			claim.Close()
			continue
		}
		t.Cleanup(func() { claim.Close() })
		return port
	}
	t.Fatal("no port is free")
	return 0
}

func listen(t *testing.T, port int) (net.Listener, error) {
	t.Helper()
	return (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

func (p *peer) start(t *testing.T) {
	t.Helper()
	options := p.options
	s, err := server.NewServer(&options)
	if err != nil {
		t.Fatal(err)
	}
	p.running = s
	s.Start()
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server is not ready")
	}
}

func (p *peer) stop(*testing.T) {
	p.running.Shutdown()
	p.running.WaitForShutdown()
}

func (p *peer) createStream(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := natstransport.CreateStream(ctx, p.connect(t), stream); err != nil {
		t.Fatal(err)
	}
}

func (p *peer) connect(t *testing.T) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(p.running.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond),
		nats.ReconnectBufSize(-1), nats.NoCallbacksAfterClientClose())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func (p *peer) transport(t *testing.T) *natstransport.Transport {
	t.Helper()
	transport, err := natstransport.New(p.connect(t), stream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { transport.Close() })
	return transport
}

func TestConformance(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, func(t *testing.T, _ ...transporttest.Ability) transporttest.Peer {
		p := newPeer(t)
		return transporttest.Peer{
			Connect: func(t *testing.T) synckit.Transport { return p.transport(t) },
			Inject: func(t *testing.T, e synckit.EventWithVersion) {
				transport := p.transport(t)
				defer transport.Close()
				if err := transport.Push(t.Context(), []synckit.EventWithVersion{e}); err != nil {
					t.Fatal(err)
				}
			},
			Stop:  p.stop,
			Start: p.start,
			Replace: func(t *testing.T) {
				p.stop(t)
				p.options.StoreDir = t.TempDir()
				p.start(t)
				p.createStream(t)
			},
			Cannot: map[transporttest.Ability]string{
				transporttest.Failing:  "the server has no hook for its disk",
				transporttest.Skipping: "what a push stored is read back: the example stays short",
			},
		}
	})
}

// Two nodes meet in the stream.
func TestTwoNodesSync(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	ctx := t.Context()
	phone, laptop := memory.New(), memory.New()
	for _, id := range []string{"a", "b", "c"} {
		if err := phone.Store(ctx, synckit.NewEvent(id, "Noted", "list", id, nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	if result, err := synckit.NewSyncManager(phone, p.transport(t), nil).Sync(ctx); err != nil || result.EventsPushed != 3 {
		t.Fatalf("%+v, %v", result, err)
	}
	if result, err := synckit.NewSyncManager(laptop, p.transport(t), nil).Sync(ctx); err != nil || result.EventsPulled != 3 {
		t.Fatalf("%+v, %v", result, err)
	}
}

func TestHandlersErrorEndsASubscription(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	err := newPeer(t).transport(t).Subscribe(t.Context(), func([]synckit.EventWithVersion) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
}
