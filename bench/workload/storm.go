package workload

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"syncline/bench/load"
	"syncline/bench/servers"
	"syncline/bench/stats"
)

// storm is many subscribers who reconnect at once, over and over, while others write.
var storm = Workload{
	Name:     "storm",
	About:    "writers while many subscriptions reconnect and replay at once",
	Headline: p99Figure,
	Run: func(ctx context.Context, l *Lab) error {
		for _, d := range l.Deployments {
			if err := l.stormOn(ctx, d); err != nil {
				return fmt.Errorf("%s: %w", d, err)
			}
		}
		return nil
	},
}

// backlog is how many records each subscriber replays when it has reconnected.
const backlog = 10

func (l *Lab) stormOn(ctx context.Context, d servers.Deployment) error {
	f, err := l.start(ctx, d, false)
	if err != nil {
		return err
	}
	defer f.stop()
	owners, err := load.NewOwners(l.Size.Storm)
	if err != nil {
		return err
	}
	title := fmt.Sprintf("%s, %d connections", d, l.middling())
	for _, s := range f.synclines() {
		for i, owner := range owners {
			urls := endpoints(s.service)
			if err := fill(ctx, urls[i%len(urls)], owner, "r-", 0, backlog, recordSize); err != nil {
				return err
			}
		}
		calm, err := writing{}.on(ctx, named{s.name + ", calm", "calm", s.service}, l.middling())
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s, %d reconnecting", s.name, len(owners))
		rough, err := writing{}.on(ctx, named{name: name, service: s.service}, l.middling())
		if err != nil {
			return err
		}
		w := &weather{service: s.service, owners: owners}
		write := rough.run
		rough.run = func(ctx context.Context, d time.Duration) load.Outcome { return w.during(ctx, d, write) }
		if err := l.race(ctx, "storm", title, []contender{calm, rough}); err != nil {
			return err
		}
		row := l.Report.Row("storm", title, name)
		for _, took := range w.took {
			row.Add("all live again ms", milliseconds(took))
		}
	}
	return nil
}

// weather is the storm.
type weather struct {
	service *servers.Service
	owners  []load.Owner
	took    []time.Duration // the median storm of each run
}

// during runs writers within a storm that does not end before they do.
func (w *weather) during(ctx context.Context, d time.Duration, write func(context.Context, time.Duration) load.Outcome) load.Outcome {
	var calm atomic.Bool
	ended := make(chan error, 1)
	var storms []float64
	go func() {
		for !calm.Load() {
			began := time.Now()
			socks, err := load.FollowAll(ctx, endpoints(w.service), w.owners, "0")
			if err != nil {
				ended <- fmt.Errorf("reconnect: %w", err)
				return
			}
			storms = append(storms, float64(time.Since(began)))
			load.CloseAll(socks)
		}
		ended <- nil
	}()
	o := write(ctx, d)
	calm.Store(true)
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		o.Failures[err.Error()]++
	}
	w.took = append(w.took, time.Duration(stats.Summarize(storms).Median))
	return o
}
