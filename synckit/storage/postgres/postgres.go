// Package postgres keeps events in a PostgreSQL database.
//
// Any number of processes may use one log: they hear of one another's commits at once, by
// LISTEN and NOTIFY. Positions are given in the order of commits. What is stored is durable
// as the database's own synchronous_commit has it.
//
// Names and JSON are kept as bytes, for an event comes back as it was stored, also one that
// is no text. In SQL, convert_from(data, 'UTF8')::jsonb reads it.
package postgres

import (
	"context"
	"crypto/rand"
	"log"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/internal/signal"
	"syncline/synckit/storage/internal/stored"
)

// Store is a synckit.Log in PostgreSQL.
type Store struct {
	pool       *pgxpool.Pool
	statements statements
	channel    string // of NOTIFY
	name       string // of this store among all that notify there
	parse      stored.ParseVersion
	logger     *log.Logger
	reconnect  time.Duration
	poll       time.Duration
	times      stored.Times
	changed    signal.Signal
	unsure     atomic.Bool // the answer to a commit was lost: it may go through at any time

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
	synckit.OfferStore("postgres", func(source string) (synckit.EventStore, error) { return NewWithConnectionString(source) })
}

// With has a manager open and sync such a store.
func With(connectionString string) synckit.ManagerOption {
	return synckit.WithOfferedStore("postgres", connectionString, "syncline/synckit/storage/postgres")
}

// NewWithConnectionString opens a store with the defaults.
func NewWithConnectionString(connectionString string) (*Store, error) {
	return New(DefaultConfig(connectionString))
}

// openTimeout bounds how long New waits for the database.
const openTimeout = 30 * time.Second

// New opens a store, and makes its tables where there are none.
func New(config *Config) (*Store, error) {
	const op = "open postgres store"
	if config == nil {
		return nil, contradiction("the configuration is missing")
	}
	c := config.withDefaults()
	settings, err := c.pool()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	pool, err := pgxpool.NewWithConfig(ctx, settings)
	if err != nil {
		return nil, coded(op, err)
	}
	s := &Store{
		pool: pool, statements: statementsFor(c.TableName), channel: c.TableName + "_changed", name: rand.Text(),
		parse: c.ParseVersion, logger: c.Logger, reconnect: c.ReconnectInterval, poll: c.PollInterval,
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.migrate(ctx, c.TableName); err != nil {
		_ = s.Close() // the error that counts is the one before
		return nil, coded(op, err)
	}
	listening := make(chan struct{})
	s.running.Go(func() { s.listen(listening) })
	select {
	case <-listening: // from here on nothing is missed
		return s, nil
	case <-ctx.Done():
		_ = s.Close()
		return nil, coded(op, context.Cause(ctx))
	}
}

// Close implements synckit.EventStore. It waits for calls in progress.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.cancel()
	s.running.Wait()
	s.calls.Lock() // the last call has ended
	defer s.calls.Unlock()
	s.pool.Close()
	return nil
}

// Changed implements synckit.Log. Commits of other processes count as well. Where the
// connection that hears of them broke, it is closed when there is another: something may
// have been missed.
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
	if err := s.usable(ctx, op); err != nil {
		return err
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

func (s *Store) usable(ctx context.Context, op string) error {
	if s.closed.Load() {
		return errors.New(errors.Closed, op, nil)
	}
	if err := ctx.Err(); err != nil {
		return stored.Ended(op, err)
	}
	return nil
}
