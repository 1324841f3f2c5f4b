package redis_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	stderrors "errors"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	db "github.com/redis/go-redis/v9"

	"syncline/internal/testservers"
	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/redis"
	"syncline/synckit/storage/storagetest"
)

func open(t *testing.T, config redis.Config) *redis.Store {
	t.Helper()
	store, err := redis.New(&config)
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

func entry(id string, metadata map[string]any) synckit.Entry {
	return synckit.Entry{EventWithVersion: synckit.EventWithVersion{Event: synckit.NewEvent(id, "T"+id[:1], "x", nil, metadata)}}
}

// prefixOf is a prefix that belongs to a directory of the suite.
func prefixOf(dir string) string {
	name := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(name[:8])
}

// soon is long enough for what happens at once, on a machine that is busy.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// await waits for a signal.
func await(t *testing.T, signal <-chan struct{}) {
	t.Helper()
	select {
	case <-signal:
	case <-soon(t).Done():
		t.Fatal("nothing in a minute")
	}
}

// One server is enough for all that do not stop it: each store has keys of its own.
func TestOnOneServer(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	url := server.URL()
	t.Run("conformance", func(t *testing.T) {
		t.Parallel()
		storagetest.RunDurable(t, func(t *testing.T, dir string) synckit.EventStore {
			return open(t, redis.Config{URL: url, Prefix: prefixOf(dir)})
		})
	})
	t.Run("processes hear of one another", func(t *testing.T) { t.Parallel(); hear(t, url) })
	t.Run("subscriptions", func(t *testing.T) { t.Parallel(); subscriptions(t, url) })
	t.Run("a subscription that has ended", func(t *testing.T) { t.Parallel(); endedSubscriptions(t, url) })
	t.Run("a shared time that cannot be true", func(t *testing.T) { t.Parallel(); wrongTime(t, url) })
	t.Run("a log of a newer release", func(t *testing.T) { t.Parallel(); newer(t, url) })
	t.Run("a commit that is too large", func(t *testing.T) { t.Parallel(); tooLarge(t, url) })
	t.Run("what a commit refuses", func(t *testing.T) { t.Parallel(); refuses(t, url) })
	t.Run("an entry that somebody damaged", func(t *testing.T) { t.Parallel(); damaged(t, url) })
	t.Run("versions of an app's own", func(t *testing.T) { t.Parallel(); ownVersions(t, url) })
	t.Run("NewManager", func(t *testing.T) { t.Parallel(); manager(t, url) })
}

// All keys of a store are in one slot, wherever the cluster has it.
func TestCluster(t *testing.T) {
	t.Parallel()
	cluster := testservers.StartRedisCluster(t)
	client := testservers.RedisClient(t, cluster.URL())
	storagetest.RunDurable(t, func(t *testing.T, dir string) synckit.EventStore {
		return open(t, redis.Config{Client: client, Prefix: prefixOf(dir)})
	})
	t.Run("processes hear of one another", func(t *testing.T) {
		config := redis.Config{Client: client, Prefix: "hear"}
		here, there := open(t, config), open(t, config)
		changed := there.Changed()
		put(t, here, "x", "a")
		await(t, changed)
	})
}

func TestKilledWriters(t *testing.T) {
	const variable = "SYNCKIT_REDISTEST_URL"
	url := os.Getenv(variable) // in the process that is killed
	if url == "" {
		url = testservers.StartRedis(t).URL()
		t.Setenv(variable, url)
	}
	storagetest.RunKilled(t, func(dir string) (synckit.Log, error) {
		return redis.New(&redis.Config{URL: url, Prefix: prefixOf(dir)})
	})
}

func hear(t *testing.T, url string) {
	config := redis.Config{URL: url, Prefix: "hear"}
	here, there := open(t, config), open(t, config)
	for i := range 3 {
		changed := there.Changed()
		put(t, here, "x", fmt.Sprint("e", i))
		await(t, changed)
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
func following(t *testing.T, subscribe func(context.Context, func(redis.NotificationPayload) error) error) <-chan string {
	t.Helper()
	got := make(chan string, 1000)
	err := subscribe(t.Context(), func(p redis.NotificationPayload) error {
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
		select {
		case next := <-got:
			if next != one {
				t.Fatalf("%q, want %q", next, one)
			}
		case <-soon(t).Done():
			t.Fatalf("nothing in a minute, want %q", one)
		}
	}
}

func subscriptions(t *testing.T, url string) {
	config := redis.Config{URL: url, Prefix: "subscriptions"}
	here, there := open(t, config), open(t, config)
	put(t, here, "x", "before")
	all := following(t, here.SubscribeToAll)
	ofX := following(t, func(ctx context.Context, f func(redis.NotificationPayload) error) error {
		return here.SubscribeToStream(ctx, "x", f)
	})
	ofB := following(t, func(ctx context.Context, f func(redis.NotificationPayload) error) error {
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
	put(t, there, "x", "b3")
	for i := range many {
		expect(t, all, fmt.Sprintf("%d m%d z Tm", i+5, i))
	}
	expect(t, ofX, "255 b3 x Tb")
	expect(t, ofB, "255 b3 x Tb")
	if err := here.SubscribeToAll(t.Context(), nil); errors.CodeOf(err) != errors.InvalidOptions {
		t.Errorf("no handler: %v", err)
	}
	ended := make(chan struct{})
	err := here.SubscribeToAll(t.Context(), func(redis.NotificationPayload) error {
		close(ended) // a second call would panic
		return stderrors.New("enough")
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, here, "x", "c1", "c2")
	await(t, ended)
}

// endedSubscriptions call nobody any more, though they have read further.
func endedSubscriptions(t *testing.T, url string) {
	config := redis.Config{URL: url, Prefix: "ended"}
	here, there := open(t, config), open(t, config)
	all := following(t, here.SubscribeToAll)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	once := func(ctx context.Context, store *redis.Store, end func()) {
		var calls atomic.Int32
		err := store.SubscribeToAll(ctx, func(p redis.NotificationPayload) error {
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
	await(t, ended)
	await(t, ended)
	put(t, here, "x", "a4")
	expect(t, all, "1 a1 x Ta", "2 a2 x Ta", "3 a3 x Ta", "4 a4 x Ta")
}

// wrongTime is one that an event of a wrong clock has left where the processes share their
// time: it does not keep them from sharing it any more.
func wrongTime(t *testing.T, url string) {
	config := redis.Config{URL: url, Prefix: "times"}
	here, there := open(t, config), open(t, config)
	client := testservers.RedisClient(t, url)
	if err := client.HSet(t.Context(), "{times}:state", "time", time.Now().AddDate(9, 0, 0).UnixMicro()).Err(); err != nil {
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
	if at := synckit.TimeOf(events[1].Event); !at.After(ahead) || at.After(ahead.Add(time.Hour)) {
		t.Errorf("%v is not just after %v, which another process has seen", at, ahead)
	}
}

func newer(t *testing.T, url string) {
	config := redis.Config{URL: url, Prefix: "newer"}
	open(t, config).Close()
	if err := testservers.RedisClient(t, url).HSet(t.Context(), "{newer}:state", "schema", 99).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := redis.New(&config); errors.CodeOf(err) != errors.Unsupported {
		t.Errorf("%v", err)
	}
}

func tooLarge(t *testing.T, url string) {
	store := open(t, redis.Config{URL: url, Prefix: "large"})
	many := make([]synckit.Entry, 20_001)
	for i := range many {
		many[i] = entry(fmt.Sprint("e", i), nil)
	}
	if _, err := store.Commit(t.Context(), synckit.Commit{Append: many}); errors.CodeOf(err) != errors.TooLarge {
		t.Errorf("got %v", err)
	}
	if done, err := store.Commit(t.Context(), synckit.Commit{Append: many[1:]}); err != nil || len(done.Appended) != 20_000 {
		t.Errorf("appended %d, %v", len(done.Appended), err)
	}
}

// refuses has commits fail at their end: nothing of them is there.
func refuses(t *testing.T, url string) {
	store := open(t, redis.Config{URL: url, Prefix: "refuses"})
	put(t, store, "x", "a1")
	whole := synckit.Commit{
		Append: []synckit.Entry{entry("a2", nil)}, AddReviews: []synckit.Review{{ID: "r"}},
		Cursors: []synckit.Cursor{{Peer: "p", Direction: synckit.Pulling, Value: "1"}},
	}
	for code, change := range map[errors.Code]func(*synckit.Commit){
		errors.Outdated: func(c *synckit.Commit) { c.Unchanged = map[string]synckit.Position{"x": 0} },
		errors.NotFound: func(c *synckit.Commit) { c.EndReviews = []string{"none"} },
		errors.EventIDReused: func(c *synckit.Commit) {
			c.Append = append(c.Append, synckit.Entry{EventWithVersion: synckit.EventWithVersion{Event: synckit.NewEvent("a1", "other", "x", nil, nil)}})
		},
	} {
		commit := whole
		change(&commit)
		if _, err := store.Commit(t.Context(), commit); errors.CodeOf(err) != code {
			t.Errorf("%v, want %s", err, code)
		}
	}
	entries, err := store.Read(t.Context(), 0, 10)
	reviews, reviewsErr := store.Reviews(t.Context(), "", 10)
	cursor, cursorErr := store.Cursor(t.Context(), "p", synckit.Pulling)
	if err != nil || reviewsErr != nil || cursorErr != nil || len(entries) != 1 || len(reviews) > 0 || cursor != "" {
		t.Errorf("%v, %v, %q, %v", entries, reviews, cursor, stderrors.Join(err, reviewsErr, cursorErr))
	}
	if _, err := store.Commit(t.Context(), whole); err != nil {
		t.Error(err)
	}
}

// damaged entries are errors, never events.
func damaged(t *testing.T, url string) {
	client := testservers.RedisClient(t, url)
	for name, values := range map[string][]any{
		"no clock":         {"i", "e2", "c", "soon", "u", "1"},
		"no id":            {"d", "1"},
		"broken metadata":  {"i", "e2", "m", "{"},
		"a broken version": {"i", "e2", "k", "vector", "v", "{"},
	} {
		t.Run(name, func(t *testing.T) {
			prefix := strings.ReplaceAll(name, " ", "-")
			store := open(t, redis.Config{URL: url, Prefix: prefix})
			put(t, store, "x", "e1")
			for stream, values := range map[string][]any{"log": values, "aggregate:x": {"", ""}} {
				if err := client.XAdd(t.Context(), &db.XAddArgs{Stream: "{" + prefix + "}:" + stream, ID: "2-0", Values: values}).Err(); err != nil {
					t.Fatal(err)
				}
			}
			_, read := store.Read(t.Context(), 0, 10)
			_, loaded := store.Load(t.Context(), nil)
			_, aggregate := store.Aggregate(t.Context(), "x")
			for _, err := range []error{read, loaded, aggregate} {
				if errors.CodeOf(err) == "" {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// day is a version of an app's own.
type day struct{ number int }

func (d day) Compare(other synckit.Version) int { return d.number - other.(day).number }
func (d day) String() string                    { return fmt.Sprintf("day %d", d.number) }
func (d day) IsZero() bool                      { return d.number == 0 }

func ownVersions(t *testing.T, url string) {
	for name, config := range map[string]redis.Config{
		"read": {ParseVersion: func(text string) (synckit.Version, error) {
			var d day
			_, err := fmt.Sscanf(text, "day %d", &d.number)
			return d, err
		}},
		"unread": {},
	} {
		config.URL, config.Prefix = url, "own-"+name
		store := open(t, config)
		for _, number := range []int{3, 5, 1} {
			event := synckit.NewEvent(fmt.Sprint("d", number), "T", "x", nil, nil)
			if err := store.Store(t.Context(), event, day{number}); err != nil {
				t.Fatal(err)
			}
		}
		for since, want := range map[day]int{{3}: 2, {1}: 0} {
			if after, err := store.Load(t.Context(), since); err != nil || len(after) != want {
				t.Errorf("%s, after %s: %d events, %v", name, since, len(after), err)
			}
		}
	}
}

func manager(t *testing.T, url string) {
	m, err := synckit.NewManager(redis.With(url), synckit.WithNullTransport(), synckit.WithLWW())
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
	client := db.NewClient(&db.Options{})
	defer client.Close()
	for name, config := range map[string]*redis.Config{
		"none":            nil,
		"no server":       {},
		"two servers":     {URL: "redis://localhost", Client: client},
		"unreadable":      {URL: "redis://user:secret@[::1"},
		"another scheme":  {URL: "http://user:secret@localhost"},
		"a negative time": {URL: "redis://localhost", ReconnectInterval: -1},
		"a short time":    {URL: "redis://localhost", PollInterval: 1},
		"a prefix":        {URL: "redis://localhost", Prefix: "a}b"},
		"a long prefix":   {URL: "redis://localhost", Prefix: strings.Repeat("x", 101)},
	} {
		_, err := redis.New(config)
		if errors.CodeOf(err) != errors.InvalidOptions || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	address := testservers.FreeAddress(t)
	if _, err := redis.NewWithURL("redis://user:secret@" + address); errors.CodeOf(err) != errors.StorageFailed || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody there: %v", err)
	}
}

// lines keeps what is logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

// await waits until a text was logged.
func (l *lines) await(t *testing.T, text string) {
	t.Helper()
	for ctx := soon(t); !l.has(text); <-time.After(10 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("%q was not logged", text)
		}
	}
}

// A server that may evict what is stored is refused; one without an AOF is told of.
func TestServersThatForget(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	if _, err := redis.NewWithURL(server.URL()); errors.CodeOf(err) != errors.Unsupported {
		t.Errorf("it evicts: %v", err)
	}
	client := testservers.RedisClient(t, server.URL())
	if err := client.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(); err != nil {
		t.Fatal(err)
	}
	var logged lines
	store := open(t, redis.Config{URL: server.URL(), Logger: log.New(&logged, "", 0)})
	if !logged.has("no AOF") {
		t.Error("nothing was said of the AOF")
	}
	put(t, store, "x", "a1")
	if err := client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	err := store.Store(t.Context(), synckit.NewEvent("a2", "T", "x", nil, nil), nil)
	if failed, ok := stderrors.AsType[*errors.Error](err); !ok || failed.Code != errors.StorageFailed || failed.Metadata["cause"] != "Redis has no memory left" {
		t.Errorf("without memory: %v", err)
	}
	if err := client.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if entries, err := store.Read(t.Context(), 0, 10); err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// A user that may not listen is told so.
func TestAUserThatMayNotListen(t *testing.T) {
	t.Parallel()
	server := testservers.StartRedis(t)
	client := testservers.RedisClient(t, server.URL())
	if err := client.Do(t.Context(), "ACL", "SETUSER", "deaf", "on", ">secret", "~*", "+@all", "resetchannels").Err(); err != nil {
		t.Fatal(err)
	}
	_, err := redis.NewWithURL(strings.Replace(server.URL(), "redis://", "redis://deaf:secret@", 1))
	failed, ok := stderrors.AsType[*errors.Error](err)
	if !ok || failed.Code != errors.StorageFailed || failed.Metadata["cause"] != "the user may not do that" || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}
