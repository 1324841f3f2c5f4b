package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"syncline/synckit"
	"syncline/synckit/storage/internal/stored"
)

// listen raises the signal at each commit of any process, until Close. begun is closed
// once it hears.
func (s *Store) listen(begun chan struct{}) {
	var once sync.Once
	for s.ctx.Err() == nil {
		err := s.hear(func() { once.Do(func() { close(begun) }) })
		if s.ctx.Err() != nil {
			return
		}
		s.logger.Printf("listening on %s: %v", s.channel, err)
		timer := time.NewTimer(s.reconnect)
		select {
		case <-s.ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}

// hear listens on one connection until it breaks. A connection can be dead and not tell, and a
// pooler can forget what was listened to: where nothing comes for a while it looks for itself, by
// the same connection.
func (s *Store) hear(begun func()) error {
	conn, err := s.pool.Acquire(s.ctx)
	if err != nil {
		return err
	}
	// Not given back: it would go on listening, and its breaking is what ends this.
	own := conn.Hijack()
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = own.Close(ctx) // it ends either way
	}()
	if _, err := own.Exec(s.ctx, "LISTEN "+pgx.Identifier{s.channel}.Sanitize()); err != nil {
		return err
	}
	s.changed.Raise() // what was committed while nobody listened
	begun()
	var known int64
	for {
		told, err := s.told(own)
		switch {
		case err != nil:
			return err
		case told == nil:
			latest, err := s.look(own)
			if err != nil {
				return err
			}
			if latest != known {
				s.changed.Raise()
			}
			known = latest
			continue
		}
		if told.Payload != s.name || s.unsure.Load() { // its own commits it has told of already
			s.changed.Raise()
		}
	}
}

// told waits for a notification; nil: none came for a while.
func (s *Store) told(conn *pgx.Conn) (*pgconn.Notification, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.poll)
	defer cancel()
	told, err := conn.WaitForNotification(ctx)
	if err != nil && ctx.Err() != nil && !conn.IsClosed() {
		return nil, s.ctx.Err()
	}
	return told, err
}

// look gives the position of the newest entry.
func (s *Store) look(conn *pgx.Conn) (latest int64, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.poll)
	defer cancel()
	err = conn.QueryRow(ctx, s.statements.latest).Scan(&latest)
	return latest, err
}

// NotificationPayload tells of an event that was committed.
type NotificationPayload struct {
	Version                    int64 // its position
	ID, AggregateID, EventType string
	Entry                      synckit.Entry // all of it
}

// SubscribeToAll has handler called for each event that is committed from now on, by any
// process, in order and without gaps, until ctx ends, the store is closed or handler fails.
// It returns once that has begun. A broken connection delays events and loses none. When ctx
// ends or Close is called, one call may still be running or about to begin; none comes after it.
func (s *Store) SubscribeToAll(ctx context.Context, handler func(NotificationPayload) error) error {
	return s.subscribe(ctx, handler, s.statements.page)
}

// SubscribeToStream is SubscribeToAll for the events of an aggregate.
func (s *Store) SubscribeToStream(ctx context.Context, aggregateID string, handler func(NotificationPayload) error) error {
	return s.subscribe(ctx, handler, s.statements.pageOfAggregate, []byte(aggregateID))
}

// SubscribeToEventType is SubscribeToAll for the events of a type.
func (s *Store) SubscribeToEventType(ctx context.Context, eventType string, handler func(NotificationPayload) error) error {
	return s.subscribe(ctx, handler, s.statements.pageOfType, []byte(eventType))
}

// subscriptionPage is how many events a subscription reads at once.
const subscriptionPage = 100

func (s *Store) subscribe(ctx context.Context, handler func(NotificationPayload) error, query string, args ...any) error {
	if handler == nil {
		return contradiction("the handler is missing")
	}
	var at int64
	err := s.do(ctx, "subscribe", func() error {
		return s.pool.QueryRow(ctx, s.statements.latest).Scan(&at)
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	go func() {
		defer cancel()
		defer stop()
		if err := s.follow(ctx, at, handler, query, args...); err != nil && ctx.Err() == nil {
			s.logger.Printf("a subscription has ended: %v", err)
		}
	}()
	return nil
}

// follow calls handler for what comes after a position. A database that fails is tried
// again.
func (s *Store) follow(ctx context.Context, at int64, handler func(NotificationPayload) error, query string, args ...any) error {
	for ctx.Err() == nil {
		changed := s.Changed() // before looking, so that nothing is missed
		var entries []synckit.Entry
		var latest int64
		err := s.do(ctx, "subscribe", func() (err error) {
			if err = s.pool.QueryRow(ctx, s.statements.latest).Scan(&latest); err == nil {
				entries, err = s.entries(ctx, stored.Since{}, query, append([]any{at, subscriptionPage}, args...)...)
			}
			return err
		})
		for _, e := range entries {
			if ctx.Err() != nil || s.ctx.Err() != nil { // ctx ends a moment after the store's
				return ctx.Err()
			}
			if err := handler(NotificationPayload{int64(e.Position), e.Event.ID(), e.Event.AggregateID(), e.Event.Type(), e}); err != nil {
				return err
			}
			at = int64(e.Position)
		}
		var again <-chan time.Time
		switch {
		case err != nil:
			s.logger.Printf("subscribe: %v", err)
			again = time.After(s.reconnect)
			changed = nil
		case len(entries) == subscriptionPage:
			continue
		default:
			at = max(at, latest) // what is not of this subscription is not looked at again
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-again:
		}
	}
	return ctx.Err()
}
