package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"syncline/client"
)

// contention is devices of one owner that contend for exclusive locks, and
// write under the one they were granted for as long as they are let, whether or
// not they still have it: the fence alone must stop them.
type contention struct {
	t    *testing.T
	stop func()

	mu     sync.Mutex
	grants []granted
	writes []fencedWrite
	fenced map[string]int // how often a device heard so, by lock
}

type granted struct {
	lock     string
	token    client.FenceToken
	ttl      time.Duration
	expires  time.Time // by the clock of what keeps the lock
	answered time.Time
}

type fencedWrite struct {
	lock     string
	token    client.FenceToken
	revision client.Revision
	sent     time.Time
}

// lastingLock is held by one device for longer than any test takes; the other
// locks change hands every second.
const lastingLock = "lasting"

// startContention has two devices contend for each lock, by way of these URLs.
func startContention(t *testing.T, urls []string) *contention {
	t.Helper()
	c := &contention{t: t, fenced: map[string]int{}}
	key := newKey(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 8 {
		d := &contender{contention: c, client: newClient(t, urls[i%len(urls)], key), number: i, lock: lastingLock, ttl: 300 * time.Second}
		if i >= 2 {
			d.lock, d.ttl = fmt.Sprintf("brief-%d", i/2), time.Second
		}
		wg.Go(func() { d.contend(ctx) })
	}
	c.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(c.stop)
	return c
}

type contender struct {
	*contention
	client *client.Client
	number int
	lock   string
	ttl    time.Duration
	seen   client.Revision // of its record
}

// callTime bounds one call of a contender, its retries included.
const callTime = 5 * time.Second

func (d *contender) contend(ctx context.Context) {
	for ctx.Err() == nil {
		call, cancel := context.WithTimeout(ctx, callTime)
		grant, err := d.client.SetLock(call, d.lock, client.WithTTL(d.ttl))
		cancel()
		if err == nil {
			d.keepGrant(grant)
			d.writeUntilFenced(ctx, grant.Token)
			continue
		}
		if !errors.Is(err, client.ErrHeld) && !isAway(err) {
			d.t.Errorf("contender %d: take the lock: %v", d.number, err)
		}
		pause(ctx.Done(), 50*time.Millisecond)
	}
}

// isAway tells whether the service could not be had within the time of a call.
func isAway(err error) bool {
	return errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrUnreachable) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

func (d *contender) writeUntilFenced(ctx context.Context, token client.FenceToken) {
	for ctx.Err() == nil {
		call, cancel := context.WithTimeout(ctx, callTime)
		sent := time.Now()
		w, err := d.client.Set(call, fmt.Sprintf("of-%d", d.number), []byte("x"), d.seen, client.WithFence(client.Fence{Lock: d.lock, Token: token}))
		cancel()
		conflict, isConflict := errors.AsType[*client.ConflictError](err)
		switch {
		case err == nil:
			d.seen = w.Revision
			d.keepWrite(fencedWrite{lock: d.lock, token: token, revision: w.Revision, sent: sent})
		case errors.Is(err, client.ErrFenced):
			d.keepFenced()
			return
		case isConflict && conflict.Current != nil: // by a write of its own whose answer was lost
			d.seen = conflict.Current.Revision
		case !isAway(err):
			d.t.Errorf("contender %d: write under token %d: %v", d.number, token, err)
			return
		}
		pause(ctx.Done(), 10*time.Millisecond)
	}
}

func (d *contender) keepGrant(g client.Grant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.grants = append(d.grants, granted{lock: d.lock, token: g.Token, ttl: d.ttl, expires: g.ExpiresAt, answered: time.Now()})
}

func (d *contender) keepWrite(w fencedWrite) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes = append(d.writes, w)
}

func (d *contender) keepFenced() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fenced[d.lock]++
}

// finish stops the devices, once each lock was written under and two have changed
// hands, and checks the fences: no write under an older token came after one under a
// newer token, or was sent after the newer one was granted.
func (c *contention) finish() {
	c.t.Helper()
	until(c.t, time.Minute, func() bool { written, fenced := c.met(); return written == 4 && fenced >= 2 }, func() {
		written, fenced := c.met()
		c.t.Errorf("the devices did not contend: %d locks were written under, %d fenced off who had them", written, fenced)
	})
	c.stop()
	slices.SortFunc(c.writes, func(a, b fencedWrite) int { return int(a.revision - b.revision) })
	newest := map[string]client.FenceToken{}
	for _, w := range c.writes {
		if w.token < newest[w.lock] {
			c.t.Errorf("%s: revision %d was written under token %d, after a write under token %d", w.lock, w.revision, w.token, newest[w.lock])
		}
		newest[w.lock] = w.token
		for _, g := range c.grants {
			if g.lock == w.lock && g.token > w.token && g.answered.Before(w.sent) {
				c.t.Errorf("%s: a write under token %d succeeded that was sent %v after token %d was granted", w.lock, w.token, w.sent.Sub(g.answered), g.token)
			}
		}
	}
	c.t.Logf("%d grants, %d writes under locks; fenced off: %v", len(c.grants), len(c.writes), c.fenced)
}

// met is how many locks were written under, and how many have fenced off a device.
func (c *contention) met() (written, fenced int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	locks := map[string]bool{}
	for _, w := range c.writes {
		locks[w.lock] = true
	}
	return len(locks), len(c.fenced)
}

// checkExclusive checks that no two grants of a lock overlap by the clock of
// what keeps it, which holds unless that forgets.
func (c *contention) checkExclusive() {
	c.t.Helper()
	slices.SortFunc(c.grants, func(a, b granted) int { return int(a.token - b.token) })
	last := map[string]granted{}
	for _, g := range c.grants {
		before, ok := last[g.lock]
		began := g.expires.Add(-g.ttl)
		if ok && g.token > before.token && began.Before(before.expires) {
			c.t.Errorf("%s: token %d was granted %v before token %d ended", g.lock, g.token, before.expires.Sub(began), before.token)
		}
		last[g.lock] = g
	}
}

// grantsOf is how often a lock was granted.
func (c *contention) grantsOf(lock string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.grants {
		if g.lock == lock {
			n++
		}
	}
	return n
}

func (c *contention) fencedOf(lock string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fenced[lock]
}
