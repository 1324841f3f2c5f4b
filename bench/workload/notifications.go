package workload

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"syncline/bench/load"
	"syncline/bench/servers"
)

// notifications tells how long it takes from the start of a write's call until
// all subscribers of its owner have the event.
var notifications = Workload{
	Name:     "notifications",
	About:    "from the start of a write to its event at the last of an owner's subscribers",
	Headline: p50Figure,
	Run: func(ctx context.Context, l *Lab) error {
		for _, d := range l.Deployments {
			if err := l.notifyOn(ctx, d); err != nil {
				return fmt.Errorf("%s: %w", d, err)
			}
		}
		return nil
	},
}

func (l *Lab) notifyOn(ctx context.Context, d servers.Deployment) error {
	f, err := l.start(ctx, d, false)
	if err != nil {
		return err
	}
	defer f.stop()
	for _, subscribers := range []int{1, l.Size.FanOut} {
		var contenders []contender
		for _, s := range f.synclines() {
			n, err := newNotified(ctx, s.service, subscribers)
			if err != nil {
				return err
			}
			contenders = append(contenders, contender{
				name: s.name, yardstick: s.yardstick, service: s.service,
				prepare: n.prepare, run: n.run, close: n.close,
			})
		}
		name := fmt.Sprintf("%s, subscribers: %d", d, subscribers)
		if err := l.race(ctx, "notifications", name, contenders); err != nil {
			return err
		}
	}
	return nil
}

// notified is one writer, on the first instance, and subscribers of its owner,
// all on the last.
type notified struct {
	writer  *load.Conn
	sent    *load.Supply
	written int
	socks   []*load.Socket
	// arrived counts the events of the present write; the last one's time goes to all.
	arrived atomic.Int64
	all     chan time.Time
}

func newNotified(ctx context.Context, service *servers.Service, subscribers int) (*notified, error) {
	owners, err := load.NewOwners(1)
	if err != nil {
		return nil, err
	}
	urls := endpoints(service)
	n := &notified{writer: load.NewConns(urls[:1], 1)[0], all: make(chan time.Time, 1)}
	n.sent = load.NewSupply(1, func(int) (load.Request, error) {
		n.written++
		return owners[0].Sign(urls[0], load.Set("record-"+strconv.Itoa(n.written), load.RandomData(recordSize), 0, ""))
	})
	for range subscribers {
		s, err := load.Dial(ctx, urls[len(urls)-1], owners[0])
		if err != nil {
			return n, err
		}
		n.socks = append(n.socks, s)
		err = load.Follow(ctx, s, "", func(at time.Time) {
			if n.arrived.Add(1) == int64(subscribers) {
				n.all <- at
			}
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (n *notified) prepare(_ context.Context, rate float64, d time.Duration) error {
	return n.sent.Fill(int(1.3*rate*d.Seconds()) + 1)
}

var errNoEvent = errors.New("not all subscribers heard of a write within 30 s")

// run writes one record after the other, each when all have heard of the last.
func (n *notified) run(ctx context.Context, d time.Duration) load.Outcome {
	return load.Loop(ctx, 1, d, func(ctx context.Context, _ int) (time.Duration, error) {
		req, err := n.sent.Next(0)
		if err != nil {
			return 0, err
		}
		n.arrived.Store(0)
		began := time.Now()
		answer, err := n.writer.Post(ctx, req)
		if err == nil {
			err = created(answer)
		}
		if err != nil {
			return 0, err
		}
		select {
		case at := <-n.all:
			return at.Sub(began), nil
		case <-time.After(30 * time.Second):
			return 0, errNoEvent
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	})
}

func (n *notified) close() {
	n.writer.Close()
	load.CloseAll(n.socks)
}
