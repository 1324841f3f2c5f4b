package postgres_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	stderrors "errors"
	"fmt"
	"log"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncline/internal/testservers"
	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/postgres"
	"syncline/synckit/storage/storagetest"
)

func open(t *testing.T, config postgres.Config) *postgres.Store {
	t.Helper()
	store, err := postgres.New(&config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func put(t *testing.T, store synckit.EventStore, aggregate string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := store.Store(t.Context(), synckit.NewEvent(id, "T"+id[:1], aggregate, id, nil), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// One server is enough for all that do not stop it: each store has tables of its own.
func TestOnOneServer(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	url := server.NewURL(t)
	t.Run("conformance", func(t *testing.T) {
		t.Parallel()
		storagetest.RunDurable(t, func(t *testing.T, dir string) synckit.EventStore {
			name := sha256.Sum256([]byte(dir))
			return open(t, postgres.Config{ConnectionString: url, TableName: "t" + hex.EncodeToString(name[:8]), MaxOpenConns: 5})
		})
	})
	t.Run("processes hear of one another", func(t *testing.T) { t.Parallel(); hear(t, url) })
	t.Run("subscriptions", func(t *testing.T) { t.Parallel(); subscriptions(t, url) })
	t.Run("a broken connection loses no event", func(t *testing.T) { t.Parallel(); reconnects(t, url) })
	t.Run("a connection that is dead and does not tell", func(t *testing.T) { t.Parallel(); silent(t, server.Address, url) })
	t.Run("a pooler that forgets what was listened to", func(t *testing.T) { t.Parallel(); forgetful(t, url) })
	t.Run("a commit whose answer is lost", func(t *testing.T) { t.Parallel(); lostAnswer(t, server.Address, url) })
	t.Run("a subscription that has ended", func(t *testing.T) { t.Parallel(); endedSubscriptions(t, url) })
	t.Run("a shared time that cannot be true", func(t *testing.T) { t.Parallel(); wrongTime(t, url) })
	t.Run("stores open one database at once", func(t *testing.T) { t.Parallel(); opensAtOnce(t, url) })
	t.Run("tables of an older release", func(t *testing.T) { t.Parallel(); older(t, url) })
	t.Run("tables of a newer release", func(t *testing.T) { t.Parallel(); newer(t, url) })
	t.Run("NewManager", func(t *testing.T) { t.Parallel(); manager(t, url) })
}

func hear(t *testing.T, url string) {
	config := postgres.Config{ConnectionString: url, TableName: "hear"}
	here, there := open(t, config), open(t, config)
	for i := range 3 {
		changed := there.Changed()
		put(t, here, "x", fmt.Sprint("e", i))
		<-changed
		entries, err := there.Read(t.Context(), synckit.Position(i), 10)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%v, %v", entries, err)
		}
	}
	// Positions and times go on after those of the other process.
	put(t, there, "x", "last")
	events, err := here.Load(t.Context(), nil)
	if err != nil || len(events) != 4 {
		t.Fatalf("%v, %v", events, err)
	}
	for i := 1; i < len(events); i++ {
		if !synckit.TimeOf(events[i].Event).After(synckit.TimeOf(events[i-1].Event)) {
			t.Errorf("event %d is not later", i)
		}
	}
}

// following collects what a subscription brings.
func following(t *testing.T, subscribe func(context.Context, func(postgres.NotificationPayload) error) error) <-chan string {
	t.Helper()
	got := make(chan string, 100)
	err := subscribe(t.Context(), func(p postgres.NotificationPayload) error {
		got <- fmt.Sprintf("%d %s %s %s", p.Version, p.ID, p.AggregateID, p.EventType)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func expect(t *testing.T, got <-chan string, want ...string) {
	t.Helper()
	for _, one := range want {
		if next := <-got; next != one {
			t.Fatalf("%q, want %q", next, one)
		}
	}
}

func subscriptions(t *testing.T, url string) {
	config := postgres.Config{ConnectionString: url, TableName: "subscriptions"}
	here, there := open(t, config), open(t, config)
	put(t, here, "x", "before")
	all := following(t, here.SubscribeToAll)
	ofX := following(t, func(ctx context.Context, f func(postgres.NotificationPayload) error) error {
		return here.SubscribeToStream(ctx, "x", f)
	})
	ofB := following(t, func(ctx context.Context, f func(postgres.NotificationPayload) error) error {
		return here.SubscribeToEventType(ctx, "Tb", f)
	})
	put(t, there, "x", "a1")
	put(t, there, "y", "b1")
	put(t, here, "x", "b2")
	expect(t, all, "2 a1 x Ta", "3 b1 y Tb", "4 b2 x Tb")
	expect(t, ofX, "2 a1 x Ta", "4 b2 x Tb")
	expect(t, ofB, "3 b1 y Tb", "4 b2 x Tb")
	var many []synckit.Entry
	for i := range 250 { // more than are read at once
		many = append(many, synckit.Entry{EventWithVersion: synckit.EventWithVersion{Event: synckit.NewEvent(fmt.Sprint("m", i), "Tm", "z", i, nil)}})
	}
	if _, err := there.Commit(t.Context(), synckit.Commit{Append: many}); err != nil {
		t.Fatal(err)
	}
	for i := range many {
		expect(t, all, fmt.Sprintf("%d m%d z Tm", i+5, i))
	}
	if err := here.SubscribeToAll(t.Context(), nil); errors.CodeOf(err) != errors.InvalidOptions {
		t.Errorf("no handler: %v", err)
	}
	ended := make(chan struct{})
	err := here.SubscribeToAll(t.Context(), func(postgres.NotificationPayload) error {
		close(ended) // a second call would panic
		return stderrors.New("enough")
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, here, "x", "c1", "c2")
	<-ended
}

// endedSubscriptions call nobody any more, though they have read further.
func endedSubscriptions(t *testing.T, url string) {
	config := postgres.Config{ConnectionString: url, TableName: "ended"}
	here, there := open(t, config), open(t, config)
	all := following(t, here.SubscribeToAll)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	once := func(ctx context.Context, store *postgres.Store, end func()) {
		var calls atomic.Int32
		err := store.SubscribeToAll(ctx, func(p postgres.NotificationPayload) error {
			if calls.Add(1) > 1 {
				t.Errorf("%s came after the end", p.ID)
			}
			end()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan struct{}, 2)
	once(ctx, here, func() { cancel(); ended <- struct{}{} })
	once(t.Context(), there, func() { there.Close(); ended <- struct{}{} })
	if _, err := here.Commit(t.Context(), synckit.Commit{Append: []synckit.Entry{entry("a1", nil), entry("a2", nil), entry("a3", nil)}}); err != nil {
		t.Fatal(err)
	}
	<-ended
	<-ended
	put(t, here, "x", "a4")
	expect(t, all, "1 a1 x Ta", "2 a2 x Ta", "3 a3 x Ta", "4 a4 x Ta")
}

func entry(id string, metadata map[string]any) synckit.Entry {
	return synckit.Entry{EventWithVersion: synckit.EventWithVersion{Event: synckit.NewEvent(id, "T"+id[:1], "x", nil, metadata)}}
}

// wrongTime is one that an event of a wrong clock has left where the processes share their
// time: it does not keep them from sharing it any more.
func wrongTime(t *testing.T, url string) {
	config := postgres.Config{ConnectionString: url, TableName: "times"}
	here, there := open(t, config), open(t, config)
	admin, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.WithoutCancel(t.Context()))
	if _, err := admin.Exec(t.Context(), `UPDATE times_head SET micros = $1`, time.Now().AddDate(9, 0, 0).UnixMicro()); err != nil {
		t.Fatal(err)
	}
	ahead := time.Now().Add(time.Hour)
	from := entry("a1", map[string]any{synckit.ClockKey: 1, synckit.TimeKey: int(ahead.UnixMicro())})
	from.Origin = "peer"
	if _, err := here.Commit(t.Context(), synckit.Commit{Append: []synckit.Entry{from}}); err != nil {
		t.Fatal(err)
	}
	put(t, there, "x", "a2")
	events, err := there.Load(t.Context(), nil)
	if err != nil || len(events) != 2 {
		t.Fatalf("%v, %v", events, err)
	}
	if at := synckit.TimeOf(events[1].Event); !at.After(ahead) {
		t.Errorf("%v is not after %v, which another process has seen", at, ahead)
	}
}

// reconnects breaks all connections of a store at once.
func reconnects(t *testing.T, url string) {
	config := postgres.Config{ConnectionString: url + "&application_name=cut", TableName: "reconnects", ReconnectInterval: 1}
	here, there := open(t, config), open(t, postgres.Config{ConnectionString: url, TableName: "reconnects"})
	all := following(t, here.SubscribeToAll)
	admin, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.WithoutCancel(t.Context()))
	for i := range 3 {
		var cut int
		for cut == 0 {
			if err := admin.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'cut'`).Scan(&cut); err != nil {
				t.Fatal(err)
			}
		}
		put(t, there, "x", fmt.Sprint("a", i))
	}
	expect(t, all, "1 a0 x Ta", "2 a1 x Ta", "3 a2 x Ta")
}

func opensAtOnce(t *testing.T, url string) {
	var opening sync.WaitGroup
	for range 5 {
		opening.Go(func() {
			store, err := postgres.New(&postgres.Config{ConnectionString: url, TableName: "once"})
			if err != nil {
				t.Error(err)
				return
			}
			put(t, store, "x", "same")
			store.Close()
		})
	}
	opening.Wait()
}

// older opens tables that were made before entries could be dropped.
func older(t *testing.T, url string) {
	config := postgres.Config{ConnectionString: url, TableName: "older"}
	before := open(t, config)
	for _, id := range []string{"one", "two", "three"} {
		if err := before.Store(t.Context(), synckit.NewEvent(id, "NoteTaken", "x", id, nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	before.Close()
	admin, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.WithoutCancel(t.Context()))
	for _, statement := range []string{`ALTER TABLE older DROP COLUMN dropped`, `DELETE FROM older_schema WHERE version = 2`} {
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, config)
	defer s.Close()
	if err := s.Drop(t.Context(), "x", []string{"two"}); err != nil {
		t.Fatal(err)
	}
	left, err := s.Aggregate(t.Context(), "x")
	if err != nil || len(left) != 2 || left[0].Event.ID() != "one" || left[1].Event.ID() != "three" {
		t.Errorf("%v, %v", left, err)
	}
}

func newer(t *testing.T, url string) {
	config := postgres.Config{ConnectionString: url, TableName: "newer"}
	open(t, config).Close()
	admin, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.WithoutCancel(t.Context()))
	if _, err := admin.Exec(t.Context(), `INSERT INTO newer_schema (version) VALUES (99)`); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.New(&config); errors.CodeOf(err) != errors.Unsupported {
		t.Errorf("%v", err)
	}
}

func manager(t *testing.T, url string) {
	m, err := synckit.NewManager(postgres.With(url), synckit.WithNullTransport(), synckit.WithLWW())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]*postgres.Config{
		"none":             nil,
		"no connection":    {},
		"unreadable":       {ConnectionString: "postgres://user:secret@[::1"},
		"one connection":   {ConnectionString: "postgres://localhost/x", MaxOpenConns: 1},
		"a negative time":  {ConnectionString: "postgres://localhost/x", ReconnectInterval: -1},
		"a table's name":   {ConnectionString: "postgres://localhost/x", TableName: `x"; DROP TABLE y; --`},
		"a long name":      {ConnectionString: "postgres://localhost/x", TableName: strings.Repeat("x", 41)},
		"an unknown setup": {ConnectionString: "postgres://user:secret@localhost/x?sslmode=maybe"},
	} {
		_, err := postgres.New(config)
		if errors.CodeOf(err) != errors.InvalidOptions || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	address := testservers.FreeAddress(t)
	if _, err := postgres.NewWithConnectionString("postgres://user:secret@" + address + "/x"); errors.CodeOf(err) != errors.StorageFailed || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody there: %v", err)
	}
}

// A server that goes down and comes back loses nothing, and who subscribed goes on.
func TestAServerThatWasKilled(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	logged := newLines()
	store := open(t, postgres.Config{ConnectionString: server.NewURL(t), ReconnectInterval: 1, Logger: log.New(logged, "", 0)})
	all := following(t, store.SubscribeToAll)
	put(t, store, "x", "a1")
	expect(t, all, "1 a1 x Ta")
	server.Kill()
	err := store.Store(t.Context(), synckit.NewEvent("a2", "Ta", "x", nil, nil), nil)
	if errors.CodeOf(err) != errors.StorageFailed || !errors.IsRetryable(err) {
		t.Errorf("while it is away: %v", err)
	}
	server.Start()
	for {
		err := store.Store(t.Context(), synckit.NewEvent("a2", "Ta", "x", nil, nil), nil)
		if err == nil {
			break
		}
		if errors.CodeOf(err) != errors.StorageFailed {
			t.Fatal(err)
		}
	}
	expect(t, all, "2 a2 x Ta")
	logged.await("listening on")
}

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more *sync.Cond
}

func newLines() *lines {
	l := new(lines)
	l.more = sync.NewCond(&l.mu)
	return l
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.more.Broadcast()
	return l.b.Write(p)
}

// await waits until a text was logged.
func (l *lines) await(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !strings.Contains(l.b.String(), text) {
		l.more.Wait()
	}
}
