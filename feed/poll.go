package feed

import (
	"context"
	"time"

	"syncline/record"
)

// Run compares every idle follower with the store, once per interval and when
// the bus says that hints were lost. Each comparison is one query for all
// owners. It returns the context's error when ctx ends.
func (f *Feed) Run(ctx context.Context) error {
	ticker := time.NewTicker(f.pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		case <-f.pollNow:
			f.gather(ctx)
		}
		if err := f.poll(ctx); err != nil && ctx.Err() == nil {
			f.log.WarnContext(ctx, "live feeds not compared with the store; the next poll tries again", "error", err)
		}
	}
}

// poll wakes the followers that the store has moved away from: ahead, or back
// behind them by a restore.
func (f *Feed) poll(ctx context.Context) error {
	idle, owners := f.idle()
	if len(owners) == 0 {
		return nil
	}
	heads, err := f.source.Heads(ctx, owners)
	if err != nil {
		return err
	}
	for follower, position := range idle {
		if head := heads[follower.owner]; head != position {
			follower.shared.compare(head, position)
			follower.rouse()
		}
	}
	return nil
}

// idle lists the followers that believe to have read all, with their positions
// from before the heads are read, and their owners.
func (f *Feed) idle() (map[*Follower]record.Revision, []record.Owner) {
	f.mu.Lock()
	defer f.mu.Unlock()
	idle := make(map[*Follower]record.Revision, len(f.followers))
	seen := make(map[record.Owner]struct{}, len(f.followers))
	owners := make([]record.Owner, 0, len(f.followers))
	for follower := range f.followers {
		position, ok := follower.idleAt()
		if !ok {
			continue
		}
		idle[follower] = position
		if _, ok := seen[follower.owner]; !ok {
			seen[follower.owner] = struct{}{}
			owners = append(owners, follower.owner)
		}
	}
	return idle, owners
}

// gatherTime is how long the first follower that asks for a comparison waits
// for others, which a broker that reconnected tells one after the other.
const gatherTime = 50 * time.Millisecond

// gather lets more followers ask for the comparison that comes next.
func (f *Feed) gather(ctx context.Context) {
	timer := time.NewTimer(gatherTime)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	select {
	case <-f.pollNow:
	default:
	}
}

// PollSoon asks for a comparison that begins after this call. Followers that
// ask at once share one.
func (f *Feed) PollSoon() {
	select {
	case f.pollNow <- struct{}{}:
	default:
	}
}
