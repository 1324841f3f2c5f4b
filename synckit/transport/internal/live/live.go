// Package live follows a peer's log across broken connections.
package live

import (
	"context"
	"math/rand/v2"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// Source is a peer's log as it grows.
type Source interface {
	// End is the cursor after all that is there now.
	End(ctx context.Context) (string, error)
	// Next waits for events after a cursor, and gives up to limit of them. An empty
	// page is no end: Follow asks again.
	Next(ctx context.Context, cursor string, limit int) (synckit.Page, error)
}

// MaxEvents bounds what Follow asks for at once: more comes with the next page.
const MaxEvents = 100

// Follow calls handler with each page of what comes from now on, until ctx ends,
// handler fails, or the source fails in a way that trying again does not mend.
// It resumes from its cursor after a failure. Whenever it has begun to listen,
// also after a failure, handler is called, without events if there are none:
// something may have come just before. After a failure it asks for fewer events
// at once: the line may have been too slow for that many. A connection that breaks soon after
// it was made, without events, is a failure like others: the pauses go on growing.
func Follow(ctx context.Context, source Source, handler func([]synckit.EventWithVersion) error) error {
	var pause Backoff
	at, fresh, limit := "", true, MaxEvents
	var since time.Time // when the connection was made; zero: there is none
	for {
		page, err := next(ctx, source, at, limit)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.CodeOf(err) == errors.CursorLost:
			at = ""
			fallthrough
		case errors.IsRetryable(err):
			fresh, limit, since = true, max(limit/2, 1), time.Time{}
			if err := pause.Wait(ctx, err); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		if since.IsZero() {
			since = time.Now()
		}
		if len(page.Events) > 0 || time.Since(since) >= maxPause {
			pause = Backoff{}
		}
		if len(page.Events) >= limit {
			limit = min(2*limit, MaxEvents)
		}
		if fresh || len(page.Events) > 0 {
			if err := handler(page.Events); err != nil {
				return err
			}
		}
		at, fresh = page.Cursor, false
	}
}

func next(ctx context.Context, source Source, at string, limit int) (synckit.Page, error) {
	if at != "" {
		return source.Next(ctx, at, limit)
	}
	end, err := source.End(ctx)
	return synckit.Page{Cursor: end}, err
}

const (
	minPause = 100 * time.Millisecond
	maxPause = 10 * time.Second
)

// Backoff spreads retries: each pause is up to twice as long as the one before,
// half of it random.
type Backoff struct{ limit time.Duration }

// Wait waits before the next try: for as long as the peer asked for, and up to half
// as long again, for it asks many at once. It answers why ctx ended meanwhile.
func (b *Backoff) Wait(ctx context.Context, failed error) error {
	b.limit = min(max(2*b.limit, minPause), maxPause)
	pause := max(b.limit/2, min(errors.RetryAfterOf(failed), maxRetryAfter))
	pause += rand.N(max(b.limit/2, pause/2)) //nolint:gosec // G404: a pause is no secret
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// maxRetryAfter bounds what a peer can ask for.
const maxRetryAfter = time.Minute
