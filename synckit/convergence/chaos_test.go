package convergence

import (
	"context"
	"errors"
	"math/rand/v2"

	"syncline/synckit"
	synckiterrors "syncline/synckit/errors"
)

var (
	errCrashed = errors.New("the process is dead")
	errNetwork = errors.New("the network failed")
)

// fuse kills a process at one of its calls: just before, or just after it did
// something but before anybody learned of it.
type fuse struct {
	random *rand.Rand
	left   int // calls until it burns through; 0: never
	dead   bool
	write  func() // what the app may do between two steps; may be nil
}

func (f *fuse) around(call func() error) error {
	if f.dead {
		return errCrashed
	}
	if f.write != nil && f.random.IntN(8) == 0 {
		write := f.write
		f.write = nil
		write()
	}
	if f.left == 0 {
		return call()
	}
	if f.left--; f.left > 0 {
		return call()
	}
	f.dead = true
	if f.random.IntN(2) == 0 {
		_ = call() // done, but nobody learns of it
	}
	return errCrashed
}

// mortalLog is a log in a process that can be killed.
type mortalLog struct {
	synckit.Log
	*fuse
}

func (m *mortalLog) Read(ctx context.Context, after synckit.Position, limit int) (entries []synckit.Entry, err error) {
	err = m.around(func() (err error) {
		entries, err = m.Log.Read(ctx, after, limit)
		return err
	})
	return entries, err
}

func (m *mortalLog) Aggregate(ctx context.Context, id string) (entries []synckit.Entry, err error) {
	err = m.around(func() (err error) {
		entries, err = m.Log.Aggregate(ctx, id)
		return err
	})
	return entries, err
}

func (m *mortalLog) Cursor(ctx context.Context, peer string, direction synckit.Direction) (value string, err error) {
	err = m.around(func() (err error) {
		value, err = m.Log.Cursor(ctx, peer, direction)
		return err
	})
	return value, err
}

func (m *mortalLog) Commit(ctx context.Context, commit synckit.Commit) (committed synckit.Committed, err error) {
	err = m.around(func() (err error) {
		committed, err = m.Log.Commit(ctx, commit)
		return err
	})
	return committed, err
}

func (m *mortalLog) Reviews(ctx context.Context, after string, limit int) (reviews []synckit.Review, err error) {
	err = m.around(func() (err error) {
		reviews, err = m.Log.Reviews(ctx, after, limit)
		return err
	})
	return reviews, err
}

func (m *mortalLog) Drop(ctx context.Context, aggregate string, ids []string) error {
	return m.around(func() error { return m.Log.(synckit.Dropper).Drop(ctx, aggregate, ids) })
}

// chaosTransport loses, doubles, cuts and delays what goes through it while the
// network is bad, in a process that can be killed.
type chaosTransport struct {
	synckit.PagedTransport
	*fuse
	bad     func() bool
	delayed [][]synckit.EventWithVersion // pushes on their way
}

func (c *chaosTransport) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	return c.around(func() error {
		c.deliverSome(ctx)
		if !c.bad() {
			return c.PagedTransport.Push(ctx, events)
		}
		switch c.random.IntN(7) {
		case 0: // lost
			return errNetwork
		case 1: // the answer is lost
			_ = c.PagedTransport.Push(ctx, events)
			return errNetwork
		case 2: // doubled
			_ = c.PagedTransport.Push(ctx, events)
			return c.PagedTransport.Push(ctx, events)
		case 3: // late: it arrives among later ones
			c.delayed = append(c.delayed, events)
			return errNetwork
		case 4: // cut
			return c.cut(ctx, events)
		default:
			return c.PagedTransport.Push(ctx, events)
		}
	})
}

func (c *chaosTransport) Drop(ctx context.Context, ids []string) error {
	return c.around(func() error {
		dropping, can := c.PagedTransport.(synckit.DroppingTransport)
		switch {
		case !can:
			return synckiterrors.New(synckiterrors.Unsupported, "drop", nil)
		case c.bad() && c.random.IntN(4) == 0:
			return errNetwork
		}
		return dropping.Drop(ctx, ids)
	})
}

// cut has the peer store only the first few.
func (c *chaosTransport) cut(ctx context.Context, events []synckit.EventWithVersion) error {
	n := c.random.IntN(len(events) + 1)
	if n > 0 {
		if err := c.PagedTransport.Push(ctx, events[:n]); err != nil {
			return err
		}
	}
	partly := &synckit.PushError{Err: errNetwork}
	for _, e := range events[:n] {
		partly.Stored = append(partly.Stored, e.Event.ID())
	}
	return partly
}

func (c *chaosTransport) deliverSome(ctx context.Context) {
	for len(c.delayed) > 0 && c.random.IntN(2) == 0 {
		i := c.random.IntN(len(c.delayed))
		_ = c.PagedTransport.Push(ctx, c.delayed[i])
		c.delayed = append(c.delayed[:i:i], c.delayed[i+1:]...)
	}
}

func (c *chaosTransport) PullPage(ctx context.Context, since string, limit int) (page synckit.Page, err error) {
	err = c.around(func() (err error) {
		bad := c.bad()
		if bad && c.random.IntN(4) == 0 {
			return errNetwork
		}
		if page, err = c.PagedTransport.PullPage(ctx, since, limit); bad && c.random.IntN(4) == 0 {
			page.Events = append(page.Events, page.Events...) // doubled
		}
		return err
	})
	return page, err
}
