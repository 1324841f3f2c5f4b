package linearizability

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	recordClients   = 5
	recordsPerTurn  = 16                    // operations of a client
	retryAfter      = 50 * time.Millisecond // after a server could not be reached
	historyDeadline = 4 * time.Minute
)

// recordHistory lets clients work on the same records at the same time. tick is
// called after each operation.
func recordHistory(ctx context.Context, system recordAPI, random *rand.Rand, tick func()) *history {
	ctx, cancel := context.WithTimeout(ctx, historyDeadline)
	defer cancel()
	h := newHistory()
	var clients sync.WaitGroup
	for n := range recordClients {
		c := &recordClient{
			history: h, system: system, name: fmt.Sprint("client", n), at: h.lane(), twinAt: h.lane(),
			random: rand.New(rand.NewPCG(random.Uint64(), random.Uint64())),
			seen:   map[string]version{}, since: beginning,
		}
		clients.Go(func() {
			for range recordsPerTurn {
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

// recordClient does one operation after another.
type recordClient struct {
	*history
	system     recordAPI
	name       string
	at, twinAt int // lanes
	random     *rand.Rand

	made  int
	seen  map[string]version // what it knows of each record
	since cursor
	past  []writeInput // with mutation ids, to be sent again
	lost  []writeInput // of these the ones that nobody answered
}

// operate does one operation, until it was answered or lost.
func (c *recordClient) operate(ctx context.Context) error {
	next := c.choose()
	for {
		err := next(ctx)
		if !errors.Is(err, errNotApplied) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the servers were away for too long: %w", err)
		case <-time.After(retryAfter):
		}
	}
}

func (c *recordClient) choose() func(context.Context) error {
	if len(c.lost) > 0 && c.random.IntN(2) == 0 {
		again := c.lost[len(c.lost)-1]
		c.lost = c.lost[:len(c.lost)-1]
		return func(ctx context.Context) error { return c.write(ctx, again) }
	}
	switch n := c.random.IntN(100); {
	case n < 40:
		in := c.newWrite()
		return func(ctx context.Context) error { return c.write(ctx, in) }
	case n < 47 && len(c.past) > 0:
		again := c.past[c.random.IntN(len(c.past))]
		if n < 42 {
			again.writes = slices.Clone(again.writes)
			again.writes[0].revision += 1000
		}
		return func(ctx context.Context) error { return c.write(ctx, again) }
	case n < 55:
		in := c.newWrite()
		in.mutationID = c.tag("twin")
		return func(ctx context.Context) error { return c.writeTwice(ctx, in) }
	case n < 70:
		return c.read(recordsInput{ids: []string{recordIDs[c.random.IntN(len(recordIDs))]}})
	case n < 80:
		return c.read(recordsInput{ids: recordIDs[:]})
	case n < 90:
		return c.changes
	default:
		return c.viewer
	}
}

// tag makes a text that nobody else uses.
func (c *recordClient) tag(kind string) string {
	c.made++
	return fmt.Sprintf("%s-%s-%d", c.name, kind, c.made)
}

func (c *recordClient) newWrite() writeInput {
	in := writeInput{kind: "batch", clientID: c.name}
	switch c.random.IntN(5) {
	case 0, 1:
		in.kind = "set"
	case 2:
		in.kind = "delete"
	}
	if c.random.IntN(3) > 0 {
		in.mutationID = c.tag("mutation")
	}
	size := 1
	if in.kind == "batch" {
		size += c.random.IntN(len(recordIDs))
	}
	for _, at := range c.random.Perm(len(recordIDs))[:size] {
		in.writes = append(in.writes, c.newOne(recordIDs[at], in.kind))
	}
	return in
}

// newOne bases a write on what the client knows, mostly.
func (c *recordClient) newOne(id, kind string) write {
	w := write{id: id, revision: c.seen[id].Revision}
	switch c.random.IntN(10) {
	case 0:
		w.revision = 0
	case 1:
		w.revision = max(0, w.revision-1)
	}
	if w.delete = kind == "delete" || kind == "batch" && c.random.IntN(4) == 0; !w.delete {
		w.data, w.schema = c.tag("data"), fmt.Sprint(c.random.IntN(3))
	}
	return w
}

func (c *recordClient) write(ctx context.Context, in writeInput) error {
	call := c.now()
	out, err := c.system.write(ctx, in)
	if err := c.note(&c.at, call, in, out, err); err != nil {
		return err
	}
	switch {
	case in.mutationID == "":
	case errors.Is(err, errLost):
		c.lost = append(c.lost, in)
	default:
		c.past = append(c.past, in)
	}
	for _, r := range out.results {
		if r.record.Revision > 0 {
			c.seen[r.record.ID] = r.record
		}
	}
	return nil
}

// writeTwice sends two copies of one request that race each other.
func (c *recordClient) writeTwice(ctx context.Context, in writeInput) error {
	var twin sync.WaitGroup
	var second error
	twin.Go(func() {
		call := c.now()
		out, err := c.system.write(ctx, in)
		second = c.note(&c.twinAt, call, in, out, err)
	})
	first := c.write(ctx, in)
	twin.Wait()
	if first != nil {
		return first
	}
	if errors.Is(second, errNotApplied) {
		return nil
	}
	return second
}

// note adds a write to the history. What was lost stays open, in a lane that
// nothing follows in. Errors are those that end or repeat the operation.
func (c *recordClient) note(lane *int, call int64, in writeInput, out writeOutput, err error) error {
	op := porcupine.Operation{ClientId: *lane, Input: in, Call: call, Output: out, Return: c.now()}
	if errors.Is(err, errLost) {
		op.Output, op.Return = writeOutput{lost: true}, never
		*lane = c.lane()
		err = nil
	}
	if err != nil {
		return err
	}
	c.add(op)
	return nil
}

func (c *recordClient) read(in recordsInput) func(context.Context) error {
	return func(ctx context.Context) error {
		out, err := noteRead(c, in, func() (recordsOutput, error) { return c.system.read(ctx, in) })
		for _, r := range out.records {
			if r.Revision > 0 {
				c.seen[r.ID] = r
			}
		}
		return err
	}
}

func (c *recordClient) changes(ctx context.Context) error {
	if c.random.IntN(4) == 0 {
		c.since = beginning
	}
	in := changesInput{since: c.since, first: 1 + c.random.IntN(len(recordIDs))}
	var next cursor
	_, err := noteRead(c, in, func() (out changesOutput, err error) {
		out, next, err = c.system.changes(ctx, in)
		return out, err
	})
	if err == nil {
		c.since = next
	}
	return err
}

func (c *recordClient) viewer(ctx context.Context) error {
	_, err := noteRead(c, viewerInput{}, func() (viewerOutput, error) { return c.system.viewer(ctx) })
	return err
}

// noteRead adds an operation that changes nothing. One without answer says
// nothing, and is done again.
func noteRead[Out any](c *recordClient, in any, read func() (Out, error)) (Out, error) {
	call := c.now()
	out, err := read()
	if errors.Is(err, errLost) {
		return out, fmt.Errorf("%w: %w", errNotApplied, err)
	}
	if err == nil {
		c.add(porcupine.Operation{ClientId: c.at, Input: in, Call: call, Output: out, Return: c.now()})
	}
	return out, err
}
