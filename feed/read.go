package feed

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"syncline/record"
)

// The size of pages. Each reader that is not done with its page holds it: it has
// up to pageBytes, and so many records as fit, for the store looks at all that
// are asked for.
const (
	firstPageSize = 32
	minPageSize   = 4
	pageBytes     = 128 << 10
)

// How an unavailable store is tried again. Giving up after a while lets the
// client hear of it, and resume where another instance may serve it.
const (
	firstRetryDelay = 100 * time.Millisecond
	maxRetryDelay   = 5 * time.Second
	giveUpAfter     = 30 * time.Second
)

// read fetches the page after the cursor. Every page is read after the hint
// subscription stood, so the one that leaves nothing over has shown a head that
// later hints exceed.
func (f *Follower) read(ctx context.Context) error {
	page, err := f.fetch(ctx)
	if err != nil {
		return err
	}
	f.page, f.taken = page, 0
	f.cursor = page.Cursor
	f.behind = page.HasMore
	f.size = nextPageSize(f.size, page)
	if page.HasMore {
		f.position.Store(reading)
	} else {
		f.position.Store(int64(page.Cursor.Position()))
	}
	return nil
}

func (f *Follower) fetch(ctx context.Context) (record.Page, error) {
	deadline := time.Now().Add(giveUpAfter)
	delay := firstRetryDelay
	for {
		page, err := f.nextPage(ctx)
		var unavailable *record.UnavailableError
		if !errors.As(err, &unavailable) || time.Now().After(deadline) {
			return page, err
		}
		if err := f.pause(ctx, max(delay, min(unavailable.RetryAfter, maxRetryDelay))); err != nil {
			return record.Page{}, err
		}
		delay = min(2*delay, maxRetryDelay)
	}
}

// maxReads is how many followers read the store at any one time. When a
// thousand come back at once, writers must not wait for all of them.
const maxReads = 4

// nextPage is what comes after the cursor: from the memory that the owner's
// followers share, or else from the store, which one of them at a time reads.
func (f *Follower) nextPage(ctx context.Context) (record.Page, error) {
	page, ok, began := f.shared.after(f.cursor, f.size)
	if ok {
		// Only the store can say that a reader has caught up.
		page.HasMore = page.HasMore || !f.caughtUp
		return page, nil
	}
	if err := f.enter(ctx, f.shared.turn); err != nil {
		return record.Page{}, err
	}
	defer func() { <-f.shared.turn }()
	if page, ok, err := f.shared.answered(began, f.cursor, f.size); ok {
		page.HasMore = page.HasMore || !f.caughtUp && len(page.Records) > 0
		return page, err
	}
	return f.readStore(ctx)
}

func (f *Follower) readStore(ctx context.Context) (record.Page, error) {
	if err := f.enter(ctx, f.feed.reads); err != nil {
		return record.Page{}, err
	}
	defer func() { <-f.feed.reads }()
	read := f.shared.beginRead()
	page, err := f.feed.source.ChangesWithin(ctx, f.owner, f.cursor, f.size, pageBytes)
	f.shared.endRead(read, f.cursor, page, err)
	return page, err
}

// enter waits for room.
func (f *Follower) enter(ctx context.Context, room chan<- struct{}) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-f.closed:
		return ErrClosed
	case room <- struct{}{}:
		return nil
	}
}

// pause waits for d and up to half as long again, so that the readers that an
// outage stopped do not all come back at once.
func (f *Follower) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d + rand.N(d/2)) //nolint:gosec // spreads load, guards nothing
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-f.closed:
		return ErrClosed
	case <-timer.C:
		return nil
	}
}

func nextPageSize(size int, page record.Page) int {
	held := 0
	for _, r := range page.Records {
		held += len(r.Data)
	}
	switch {
	case held > pageBytes:
		return max(size/2, minPageSize)
	case held < pageBytes/4 && page.HasMore:
		return min(2*size, record.MaxPage)
	default:
		return size
	}
}
