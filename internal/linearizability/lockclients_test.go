package linearizability

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	lockClients  = 4
	locksPerTurn = 22 // operations of a client
	// lastWords is how long after a server's end the database or Redis may still
	// do what it asked for.
	lastWords = time.Second
)

// lockRules are those of the store that keeps a lock.
type lockRules struct {
	ttl        time.Duration // the shortest that it is asked for
	fenceApart bool          // a grant and its fence are not one transaction
}

// lockHistory lets clients compete for a lock, some of which let it expire. tick
// is called after each operation.
func lockHistory(ctx context.Context, system lock, rules lockRules, random *rand.Rand, tick func()) *history {
	ctx, cancel := context.WithTimeout(ctx, historyDeadline)
	defer cancel()
	h := newHistory()
	var numbers atomic.Int64
	var clients sync.WaitGroup
	for n := range lockClients {
		c := &lockClient{
			history: h, lockRules: rules, system: system, name: fmt.Sprint("client", n), at: h.lane(), addedAt: h.lane(),
			random:  rand.New(rand.NewPCG(random.Uint64(), random.Uint64())),
			numbers: &numbers,
		}
		clients.Go(func() {
			for range locksPerTurn {
				if err := c.operate(ctx); err != nil {
					h.fail(err)
					return
				}
				tick()
			}
		})
	}
	clients.Wait()
	return h
}

// lockClient does one operation after another, always as the same instance.
type lockClient struct {
	*history
	lockRules
	system      lock
	name        string
	at, addedAt int // lanes
	random      *rand.Rand
	numbers     *atomic.Int64 // of the acquisitions of all clients

	tokens []int64 // that it was granted
	wrote  int
}

// operate does one operation, until it was answered or lost, now and then after
// a pause that all clients make, so that they come back at the same time.
func (c *lockClient) operate(ctx context.Context) error {
	if c.random.IntN(4) == 0 {
		pause := c.ttl * 2 / 5
		if err := c.wait(ctx, pause-time.Duration(c.now())%pause); err != nil {
			return err
		}
	}
	next := c.choose()
	for {
		err := next(ctx)
		if !errors.Is(err, errNotApplied) {
			return err
		}
		if c.wait(ctx, retryAfter) != nil {
			return fmt.Errorf("the servers were away for too long: %w", err)
		}
	}
}

func (c *lockClient) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("the history takes too long: %w", ctx.Err())
	case <-time.After(d):
		return nil
	}
}

func (c *lockClient) choose() func(context.Context) error {
	switch n := c.random.IntN(100); {
	case n < 45:
		in := acquireInput{exclusive: c.random.IntN(2) == 0, ttl: c.ttl * time.Duration(1+c.random.IntN(2))}
		if len(c.tokens) > 0 && n < 20 {
			in.renews = c.recentToken()
		}
		return func(ctx context.Context) error { return c.acquire(ctx, in) }
	case n < 58:
		return c.release
	case n < 78 && len(c.tokens) > 0:
		in := fencedInput{token: c.recentToken()}
		return func(ctx context.Context) error { return c.write(ctx, in) }
	default:
		return c.look
	}
}

// recentToken is the last that it was granted, or the one before.
func (c *lockClient) recentToken() int64 {
	newest := len(c.tokens) - 1
	return c.tokens[newest-c.random.IntN(min(2, newest+1))]
}

func (c *lockClient) acquire(ctx context.Context, in acquireInput) error {
	in.number, in.instance = int(c.numbers.Add(1)), c.name
	call := c.now()
	out, err := c.system.acquire(ctx, in)
	answered, err := c.note(call, in, out, acquireOutput{}, err)
	if err != nil {
		return err
	}
	if answered && c.fenceApart && c.now()-call >= int64(in.ttl) {
		// The grant may have ended before its fence was raised. Then the store
		// began again, and answered its second grant only.
		slow := in
		slow.number = int(c.numbers.Add(1))
		c.addOpen(call, slow, acquireOutput{}, added)
		c.addFence(call, never, fenceInput{number: slow.number})
	}
	switch {
	case !answered:
		c.addFence(call, never, fenceInput{number: in.number})
	case out.status == acquired:
		c.addFence(call, c.now(), fenceInput{number: in.number, token: out.token})
		if !slices.Contains(c.tokens, out.token) {
			c.tokens = append(c.tokens, out.token)
		}
	}
	return nil
}

// addFence adds the raising of a grant's fence, where it is apart.
func (c *lockClient) addFence(call, answer int64, in fenceInput) {
	if c.fenceApart {
		c.add(porcupine.Operation{ClientId: c.addedAt, Input: timed{input: in}, Call: call, Return: answer, Metadata: added})
	}
}

func (c *lockClient) release(ctx context.Context) error {
	in := releaseInput{instance: c.name}
	call := c.now()
	view, err := c.system.release(ctx, in)
	_, err = c.note(call, in, releaseOutput{lock: view}, releaseOutput{lost: true}, err)
	return err
}

func (c *lockClient) look(ctx context.Context) error {
	call := c.now()
	view, err := c.system.look(ctx)
	return c.noteRead(call, lockInput{}, view, err)
}

// write writes under the fence. It changes nothing that the model knows of: one
// that was lost is written again, as another record.
func (c *lockClient) write(ctx context.Context, in fencedInput) error {
	c.wrote++
	call := c.now()
	status, err := c.system.fenced(ctx, fmt.Sprintf("%s-%d", c.name, c.wrote), in)
	return c.noteRead(call, in, status, err)
}

func (c *lockClient) noteRead(call int64, in, out any, err error) error {
	if errors.Is(err, errLost) {
		return fmt.Errorf("%w: %w", errNotApplied, err)
	}
	_, err = c.note(call, in, out, nil, err)
	return err
}

// note adds an operation to the history, as open if its answer was lost.
func (c *lockClient) note(call int64, in, out, lost any, err error) (answered bool, _ error) {
	if errors.Is(err, errLost) {
		c.addOpen(call, in, lost, nil)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	end := c.now()
	c.add(porcupine.Operation{ClientId: c.at, Input: timed{call, end, in}, Call: call, Output: out, Return: end})
	return true, nil
}

// addOpen adds an operation that may take effect at any later time, or never. It
// has judged by its clock by now, or soon.
func (c *lockClient) addOpen(call int64, in, lost, metadata any) {
	judged := timed{call, c.now() + int64(lastWords), in}
	c.add(porcupine.Operation{ClientId: c.lane(), Input: judged, Call: call, Output: lost, Return: never, Metadata: metadata})
}
