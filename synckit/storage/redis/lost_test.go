package redis_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/redis"
)

// between passes connections on to Redis. What has a text in it can be kept from the client.
type between struct {
	listener net.Listener
	target   string
	// An answer to what has this text is lost once, with its connection.
	loseAnswerTo string
	lost         atomic.Bool
	// What Redis says that has this text in it is left out.
	leaveOut string
	leftOut  atomic.Bool
	running  sync.WaitGroup
}

func (b *between) start(t *testing.T, target string) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.listener, b.target = listener, target
	b.running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			b.running.Go(func() { b.pass(t, client) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		b.running.Wait()
	})
	return "redis://" + listener.Addr().String()
}

func (b *between) pass(t *testing.T, client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", b.target)
	if err != nil {
		t.Error(err)
		return
	}
	defer server.Close()
	var losing atomic.Bool
	b.running.Go(func() {
		defer client.Close()
		for part := make([]byte, 64<<10); ; {
			n, err := server.Read(part)
			switch {
			case err != nil || losing.Load():
				return
			case b.leaveOut != "" && bytes.Contains(part[:n], []byte(b.leaveOut)):
				b.leftOut.Store(true)
				continue
			}
			if _, err := client.Write(part[:n]); err != nil {
				return
			}
		}
	})
	for part := make([]byte, 64<<10); ; {
		n, err := client.Read(part)
		if b.loseAnswerTo != "" && bytes.Contains(part[:n], []byte(b.loseAnswerTo)) && !b.lost.Swap(true) {
			losing.Store(true)
		}
		if _, failed := server.Write(part[:n]); failed != nil || err != nil {
			return
		}
	}
}

// warm has Redis know the scripts, so that each commit is one command.
func warm(t *testing.T, store *redis.Store) {
	t.Helper()
	if _, err := store.Commit(t.Context(), synckit.Commit{AddReviews: []synckit.Review{{ID: "r"}}}); err != nil {
		t.Fatal(err)
	}
}

// A commit whose answer is lost is asked about again, and answered as the first time.
func TestALostAnswer(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	b := &between{loseAnswerTo: "the-lost-one"}
	store := open(t, redis.Config{URL: b.start(t, server.Address)})
	warm(t, store)
	done, err := store.Commit(t.Context(), synckit.Commit{Append: []synckit.Entry{entry("the-lost-one", nil)}, EndReviews: []string{"r"}})
	if err != nil || len(done.Appended) != 1 || done.Latest != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	if !b.lost.Load() {
		t.Error("no answer was lost")
	}
}

// Where it is not asked again, those who wait are woken, for it may have gone through.
func TestALostAnswerWithoutRetry(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	b := &between{loseAnswerTo: "the-lost-one"}
	store := open(t, redis.Config{URL: b.start(t, server.Address) + "?max_retries=-1"})
	warm(t, store)
	changed := store.Changed()
	_, err := store.Commit(t.Context(), synckit.Commit{Append: []synckit.Entry{entry("the-lost-one", nil)}})
	if errors.CodeOf(err) != errors.StorageFailed || !errors.IsRetryable(err) {
		t.Errorf("%v", err)
	}
	await(t, changed)
	if entries, err := store.Read(t.Context(), 0, 10); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

// A message that Redis never passes on delays what it told of, and loses none.
func TestLostMessages(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	b := &between{leaveOut: "\r\nmessage\r\n"}
	here := open(t, redis.Config{URL: b.start(t, server.Address), PollInterval: 50 * time.Millisecond})
	there := open(t, redis.Config{URL: server.URL()})
	all := following(t, here.SubscribeToAll)
	for i := range 5 {
		put(t, there, "x", fmt.Sprint("a", i))
		expect(t, all, fmt.Sprintf("%d a%d x Ta", i+1, i))
	}
	if !b.leftOut.Load() {
		t.Error("no message was lost")
	}
}

// A connection that breaks while others write loses nothing.
func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	here := open(t, redis.Config{URL: server.URL(), ReconnectInterval: 1, PollInterval: time.Hour})
	there := open(t, redis.Config{URL: server.URL(), PollInterval: time.Hour})
	client := testservers.RedisClient(t, server.URL())
	all := following(t, here.SubscribeToAll)
	for i := range 5 {
		for killed := int64(0); killed == 0; {
			var err error
			if killed, err = client.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Result(); err != nil {
				t.Fatal(err)
			}
		}
		put(t, there, "x", fmt.Sprint("a", i))
	}
	expect(t, all, "1 a0 x Ta", "2 a1 x Ta", "3 a2 x Ta", "4 a3 x Ta", "5 a4 x Ta")
}

// A server that does not answer is told from one that has nothing to say.
func TestASilentServer(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	var logged lines
	store := open(t, redis.Config{
		URL: server.URL() + "?max_retries=-1&read_timeout=1s", ReconnectInterval: 1, PollInterval: 50 * time.Millisecond, Logger: log.New(&logged, "", 0),
	})
	all := following(t, store.SubscribeToAll)
	server.Pause()
	logged.await(t, "listening on")
	server.Resume()
	storeAgain(t, store, "a1")
	expect(t, all, "1 a1 x Ta")
}

// storeAgain stores an event as soon as that works.
func storeAgain(t *testing.T, store *redis.Store, id string) {
	t.Helper()
	ctx := soon(t)
	for {
		err := store.Store(ctx, synckit.NewEvent(id, "T"+id[:1], "x", nil, nil), nil)
		if err == nil {
			return
		}
		if errors.CodeOf(err) != errors.StorageFailed {
			t.Fatal(err)
		}
	}
}

// With an AOF that is synced always, what was acknowledged outlives a server that is
// killed, and each commit is there as a whole or not at all.
func TestAServerThatWasKilled(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	config := redis.Config{URL: server.URL() + "?max_retries=-1", ReconnectInterval: time.Millisecond}
	store := open(t, config)
	all := following(t, store.SubscribeToAll)
	var last atomic.Int64 // that was acknowledged, of all writers
	var acknowledged sync.Map
	var writing sync.WaitGroup
	enough := make(chan struct{})
	for w := range 4 {
		writing.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("a%d.%d", w, i)
				_, err := store.Commit(context.WithoutCancel(t.Context()), synckit.Commit{Append: []synckit.Entry{entry(name+"a", nil), entry(name+"b", nil)}})
				if err != nil {
					return
				}
				acknowledged.Store(name, true)
				if last.Add(1) == 50 {
					close(enough)
				}
			}
		})
	}
	await(t, enough)
	server.Kill()
	writing.Wait()
	server.Start()
	storeAgain(t, store, "after")
	entries, err := store.Read(t.Context(), 0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]int{}
	for i, e := range entries {
		if e.Position != synckit.Position(i+1) {
			t.Fatalf("position %d is the %dth", e.Position, i+1)
		}
		there[strings.TrimRight(e.Event.ID(), "ab")]++
	}
	acknowledged.Range(func(name, _ any) bool {
		if there[name.(string)] != 2 {
			t.Errorf("%s was acknowledged; %d of 2 events are there", name, there[name.(string)])
		}
		return true
	})
	for name, events := range there {
		if events != 2 && name != "after" {
			t.Errorf("%d of 2 events of %s", events, name)
		}
	}
	for _, e := range entries {
		expect(t, all, fmt.Sprintf("%d %s x Ta", e.Position, e.Event.ID()))
	}
}

// A log that Redis has lost is empty, and subscriptions go on with what comes.
func TestALostLog(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	var logged lines
	store := open(t, redis.Config{URL: server.URL(), ReconnectInterval: time.Millisecond, Logger: log.New(&logged, "", 0)})
	all := following(t, store.SubscribeToAll)
	put(t, store, "x", "a1", "a2")
	expect(t, all, "1 a1 x Ta", "2 a2 x Ta")
	server.Kill()
	server.Start()
	logged.await(t, "lost events after 0")
	put(t, store, "x", "a3")
	expect(t, all, "1 a3 x Ta")
	if latest, err := store.LatestVersion(t.Context()); err != nil || latest.String() != "1" {
		t.Errorf("%v, %v", latest, err)
	}
}
