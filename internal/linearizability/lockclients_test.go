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
	// beforeExpiry is how much early a hold may end, for clocks tick by the
	// millisecond; afterExpiry is how much late, for a store reads its clock a
	// moment before it looks at holds.
	beforeExpiry = 3 * time.Millisecond
	afterExpiry  = 50 * time.Millisecond
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
		if err := c.wait(ctx, patience); err != nil {
			return err
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
		exclusive, ttl := c.random.IntN(2) == 0, c.ttl*time.Duration(1+c.random.IntN(2))
		return func(ctx context.Context) error { return c.acquire(ctx, exclusive, ttl) }
	case n < 58:
		return c.release
	case n < 78 && len(c.tokens) > 0:
		newest := len(c.tokens) - 1
		in := fencedInput{token: c.tokens[newest-c.random.IntN(min(2, newest+1))]}
		return func(ctx context.Context) error { return c.write(ctx, in) }
	default:
		return c.look
	}
}

func (c *lockClient) acquire(ctx context.Context, exclusive bool, ttl time.Duration) error {
	in := acquireInput{number: int(c.numbers.Add(1)), instance: c.name, exclusive: exclusive}
	call := c.now()
	out, err := c.system.acquire(ctx, in, ttl)
	answered, err := c.note(call, in, out, acquireOutput{}, err)
	if err != nil {
		return err
	}
	if c.fenceApart && answered && c.now()-call >= int64(ttl) {
		c.addSlowGrant(in, call, ttl)
	}
	switch {
	case !answered:
		c.addGrant(in, call, never, ttl, 0)
	case out.status == acquired:
		c.addGrant(in, call, c.now(), ttl, out.token)
		if !slices.Contains(c.tokens, out.token) {
			c.tokens = append(c.tokens, out.token)
		}
	}
	return nil
}

// addSlowGrant adds a grant that may have ended before its fence was raised: then
// the store begins again, and answers the second one only.
func (c *lockClient) addSlowGrant(in acquireInput, call int64, ttl time.Duration) {
	in.number = int(c.numbers.Add(1))
	c.add(porcupine.Operation{ClientId: c.lane(), Input: in, Call: call, Output: acquireOutput{}, Return: never, Metadata: added})
	c.addGrant(in, call, never, ttl, 0)
}

// addGrant adds what follows from a grant: its hold's end, and its fence.
func (c *lockClient) addGrant(in acquireInput, call, answer int64, ttl time.Duration, token int64) {
	end := int64(never)
	if answer != never {
		end = answer + int64(ttl+afterExpiry)
	}
	expiry := expiryInput{instance: in.instance, number: in.number}
	c.add(porcupine.Operation{ClientId: c.addedAt, Input: expiry, Call: call + int64(ttl-beforeExpiry), Return: end, Metadata: added})
	if c.fenceApart {
		fence := fenceInput{number: in.number, token: token}
		c.add(porcupine.Operation{ClientId: c.addedAt, Input: fence, Call: call, Return: answer, Metadata: added})
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
		return errNotApplied
	}
	_, err = c.note(call, in, out, nil, err)
	return err
}

// note adds an operation to the history, as lost if it has no answer.
func (c *lockClient) note(call int64, in, out, lost any, err error) (answered bool, _ error) {
	op := porcupine.Operation{ClientId: c.at, Input: in, Call: call, Output: out, Return: c.now()}
	if errors.Is(err, errLost) {
		op.Output, op.Return = lost, never
		c.at = c.lane()
		c.add(op)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.add(op)
	return true, nil
}
