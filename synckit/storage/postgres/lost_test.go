package postgres_test

import (
	"bytes"
	"fmt"
	"log"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/postgres"
)

// breaker passes connections on to a database. While it is set, one that is told to commit
// is broken, and the database hears of it only when it is let go.
type breaker struct {
	listener net.Listener
	target   string
	set      atomic.Bool
	letGo    chan struct{}
	hush     atomic.Pointer[net.Conn] // of this connection nothing is passed on any more
	newest   atomic.Pointer[net.Conn] // the newest that was told to listen
	running  sync.WaitGroup
}

func newBreaker(t *testing.T, target string) *breaker {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &breaker{listener: listener, target: target, letGo: make(chan struct{})}
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
	return b
}

func (b *breaker) pass(t *testing.T, client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", b.target)
	if err != nil {
		t.Error(err)
		return
	}
	defer server.Close()
	answered := make(chan struct{})
	b.running.Go(func() {
		defer close(answered)
		defer client.Close()
		for part := make([]byte, 64<<10); ; {
			n, err := server.Read(part)
			if hush := b.hush.Load(); hush != nil && *hush == client && err == nil {
				continue
			}
			if _, failed := client.Write(part[:n]); err != nil || failed != nil {
				return
			}
		}
	})
	for part := make([]byte, 64<<10); ; {
		n, err := client.Read(part)
		if bytes.Contains(part[:n], []byte("LISTEN")) {
			b.newest.Store(&client)
		}
		if hush := b.hush.Load(); hush != nil && *hush == client && err == nil {
			continue
		}
		broken := b.set.Load() && bytes.Contains(part[:n], []byte("commit"))
		if broken {
			client.Close()
			<-b.letGo
		}
		if _, failed := server.Write(part[:n]); failed != nil || err != nil {
			return
		}
		if broken {
			<-answered // which the client does not see
			return
		}
	}
}

// A commit whose answer is lost wakes those who wait in its own process, for it may have
// gone through, and once more when it does.
func lostAnswer(t *testing.T, address, url string) {
	b := newBreaker(t, address)
	config := postgres.Config{ConnectionString: strings.Replace(url, address, b.listener.Addr().String(), 1), TableName: "lost"}
	store := open(t, config)
	b.set.Store(true)
	changed := store.Changed()
	event := synckit.NewEvent("a", "T", "x", nil, nil)
	if err := store.Store(t.Context(), event, nil); errors.CodeOf(err) != errors.StorageFailed || !errors.IsRetryable(err) {
		t.Errorf("without an answer: %v", err)
	}
	b.set.Store(false)
	select {
	case <-changed:
	default:
		t.Error("nobody was woken by a commit that may have gone through")
	}
	changed = store.Changed()
	close(b.letGo)
	<-changed
	entries, err := store.Read(t.Context(), 0, 10)
	if err != nil || len(entries) != 1 {
		t.Errorf("once it is carried out: %v, %v", entries, err)
	}
	put(t, store, "x", "b")
}

// A connection that is dead without a word, as behind a router that has forgotten it, is found out,
// and another takes its place.
func silent(t *testing.T, address, url string) {
	b := newBreaker(t, address)
	config := postgres.Config{TableName: "silent", PollInterval: 50 * time.Millisecond, ReconnectInterval: time.Millisecond}
	config.ConnectionString = url
	elsewhere := open(t, config)
	config.ConnectionString = strings.Replace(url, address, b.listener.Addr().String(), 1)
	store := open(t, config)
	for i := range 3 { // after the first, the connection that took its place
		b.hush.Store(b.newest.Load())
		changed := store.Changed()
		put(t, elsewhere, "x", fmt.Sprint("e", i))
		<-changed
	}
}

// What was committed shows after a while, though nobody is told. On a busy machine a look may
// take longer than PollInterval, so that the store connects again and finds it by that: then it is
// tried once more.
func forgetful(t *testing.T, url string) {
	config := postgres.Config{ConnectionString: url, TableName: "forgetful", PollInterval: 500 * time.Millisecond, ReconnectInterval: time.Millisecond}
	elsewhere := open(t, config)
	var connectedAgain lineCount
	config.Logger = log.New(&connectedAgain, "", 0)
	store := open(t, config)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for i, found := 0, 0; found < 3; i++ {
		if i == 100 {
			t.Fatalf("it found only %d of %d commits by itself", found, i)
		}
		changed := store.Changed()
		// A commit without the NOTIFY at its end, which is what a store sees that listens to nothing.
		put(t, elsewhere, "other", fmt.Sprint("before", i))
		<-changed
		before := connectedAgain.Load()
		changed = store.Changed()
		if _, err := conn.Exec(t.Context(), `UPDATE forgetful_head SET latest = latest + 1`); err != nil {
			t.Fatal(err)
		}
		<-changed
		if connectedAgain.Load() == before {
			found++
		}
	}
}

// lineCount counts what a logger writes.
type lineCount struct{ atomic.Int64 }

func (c *lineCount) Write(line []byte) (int, error) {
	c.Add(1)
	return len(line), nil
}
