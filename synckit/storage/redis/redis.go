// Package redis keeps events in Redis.
//
// Any number of processes may use one log: they hear of one another's commits at once, by
// pub/sub. Each commit is one script, which Redis carries out as a whole; positions are
// given in the order of commits. It works with a single server, with Sentinel and with
// Cluster, where all keys of a store are in one slot.
//
// # What lasts
//
// What is stored lasts as Redis keeps it, which is set there. When a call has returned:
//
//   - With appendonly yes and appendfsync always it is on the server's disk.
//   - With appendfsync everysec, which is Redis's default for an AOF, the last two seconds
//     may be lost when the machine stops, or Redis is killed. The log then ends
//     earlier, with whole commits.
//   - With snapshots alone (RDB), all since the last one is lost when Redis is killed; with neither, all.
//   - When a replica takes the primary's place, what had not reached it is lost, whatever the AOF.
//
// Peers notice that a log lost its end, and it gets back from them what they had. A store
// whose Redis may evict keys of all kinds (maxmemory-policy allkeys-…) is not opened. All of the log
// stands in memory.
package redis

import (
	"context"
	"log"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/internal/signal"
	"syncline/synckit/storage/internal/stored"
)

// Store is a synckit.Log in Redis.
type Store struct {
	client    redis.UniversalClient
	owned     bool // the client is closed with the store
	keys      keys
	parse     stored.ParseVersion
	logger    *log.Logger
	reconnect time.Duration
	poll      time.Duration

	changed signal.Signal
	mu      sync.Mutex
	changes int64 // how many of the log's changes those who wait were told of

	closed  atomic.Bool
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup
	calls   sync.RWMutex // held for reading by each call, so that Close waits
}

var (
	_ synckit.Log          = (*Store)(nil)
	_ synckit.ReviewFinder = (*Store)(nil)
	_ synckit.ReviewMarker = (*Store)(nil)
	_ synckit.Dropper      = (*Store)(nil)
)

func init() {
	synckit.OfferStore("redis", func(source string) (synckit.EventStore, error) { return NewWithURL(source) })
}

// With has a manager open and sync such a store.
func With(url string) synckit.ManagerOption {
	return synckit.WithOfferedStore("redis", url, "syncline/synckit/storage/redis")
}

// NewWithURL opens a store with the defaults.
func NewWithURL(url string) (*Store, error) { return New(&Config{URL: url}) }

// openTimeout bounds how long New waits for Redis.
const openTimeout = 30 * time.Second

// New opens a store.
func New(config *Config) (*Store, error) {
	if config == nil {
		return nil, contradiction("the configuration is missing")
	}
	c := config.withDefaults()
	client, err := c.connect()
	if err != nil {
		return nil, err
	}
	s := &Store{
		client: client, owned: c.Client == nil, keys: keys{prefix: c.Prefix},
		parse: c.ParseVersion, logger: c.Logger, reconnect: c.ReconnectInterval, poll: c.PollInterval,
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	if err := s.checkServer(ctx); err != nil {
		_ = s.Close() // the error that counts is the one before
		return nil, coded("open redis store", err)
	}
	if err := s.startListening(ctx); err != nil {
		_ = s.Close()
		return nil, coded("open redis store: listen", err)
	}
	return s, nil
}

// Close implements synckit.EventStore. It waits for calls in progress, and leaves open a
// client that was handed in.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.cancel()
	s.running.Wait()
	s.calls.Lock() // the last call has ended
	defer s.calls.Unlock()
	if s.owned {
		return coded("close", s.client.Close())
	}
	return nil
}

// Changed implements synckit.Log. Commits of other processes count as well. Where the
// connection that hears of them broke, it is closed when there is another, if there was
// a commit meanwhile.
func (s *Store) Changed() <-chan struct{} { return s.changed.Changed() }

// ParseVersion reads a version from its text: a position, a vector clock, a
// hybrid logical time, or one of the app's own kind.
func (s *Store) ParseVersion(_ context.Context, text string) (synckit.Version, error) {
	return s.parse.Parse(text)
}

// do runs an operation.
func (s *Store) do(ctx context.Context, op string, run func() error) error {
	s.calls.RLock()
	defer s.calls.RUnlock()
	if s.closed.Load() {
		return errors.New(errors.Closed, op, nil)
	}
	if err := ctx.Err(); err != nil {
		return stored.Ended(op, err)
	}
	err := run()
	if err == nil || errors.CodeOf(err) != "" {
		return err
	}
	if ended := ctx.Err(); ended != nil {
		return stored.Ended(op, ended)
	}
	return coded(op, err)
}
