package workload

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"syncline/bench/kv"
	"syncline/bench/load"
)

// watch tells how long it takes from the start of a write's call until all
// watchers, on a connection each, have the change.
var watch = Workload{
	Name:     "watch",
	About:    "from the start of a write to its change at the last watcher, beside etcd, NATS and Centrifuge",
	Headline: p50Figure,
	Run: func(ctx context.Context, l *Lab) error {
		return l.onStores(ctx, watchedSpecs(), func(s *stores) error {
			for _, n := range l.Size.Watchers {
				contenders, err := s.watched(ctx, n)
				if err != nil {
					return err
				}
				if err := l.race(ctx, "watch", fmt.Sprintf("watchers: %d", n), contenders); err != nil {
					return err
				}
			}
			return nil
		})
	},
}

func (s *stores) watched(ctx context.Context, watchers int) ([]contender, error) {
	var contenders []contender
	for _, store := range s.synclines {
		n, err := newNotified(ctx, store.service, watchers)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, contender{
			name: store.name, service: store.service, prepare: n.prepare, run: n.run, close: n.close,
		})
	}
	for _, o := range s.others {
		c, err := o.watched(ctx, watchers)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		contenders = append(contenders, c)
	}
	return contenders, nil
}

// watched writes one key after the other, each when all have seen the last.
func (o other) watched(ctx context.Context, watchers int) (contender, error) {
	conns, err := o.dialAll(ctx, watchers+1)
	if err != nil {
		return contender{}, err
	}
	prefix := "watched-" + strconv.Itoa(watchers)
	var arrived atomic.Int64
	all := make(chan time.Time, 1)
	for _, c := range conns[1:] {
		err := c.Watch(ctx, prefix, func(at time.Time) {
			if arrived.Add(1) == int64(watchers) {
				all <- at
			}
		})
		if err != nil {
			closeConns(conns)
			return contender{}, err
		}
	}
	written := 0
	run := func(ctx context.Context, d time.Duration) load.Outcome {
		return load.Loop(ctx, 1, d, func(ctx context.Context, _ int) (time.Duration, error) {
			written++
			value := load.RandomData(recordSize)
			arrived.Store(0)
			began := time.Now()
			if err := conns[0].Create(ctx, prefix+"."+strconv.Itoa(written), value); err != nil {
				return 0, err
			}
			select {
			case at := <-all:
				return at.Sub(began), nil
			case <-time.After(30 * time.Second):
				return 0, errNoEvent
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		})
	}
	return contender{name: o.name, service: o.service, run: run, close: func() { closeConns(conns) }}, nil
}

const residentFigure = "kB per watcher"

// watchers tells what idle watchers of other keys cost: memory, and the writers' time.
var watchers = Workload{
	Name:     "watchers",
	About:    "memory of idle watchers, and what they cost writers of other keys, beside etcd, NATS and Centrifuge",
	Headline: residentFigure,
	Run: func(ctx context.Context, l *Lab) error {
		if !l.Peers {
			return nil
		}
		for _, spec := range l.synclineSpecs() {
			if err := l.idleSubscribers(ctx, spec); err != nil {
				return fmt.Errorf("%s: %w", spec.name, err)
			}
		}
		for _, spec := range watchedSpecs() {
			if err := l.idleWatchers(ctx, spec); err != nil {
				return fmt.Errorf("%s: %w", spec.name, err)
			}
		}
		return nil
	},
}

func (l *Lab) watchersCase() string { return fmt.Sprintf("%d connections", l.middling()) }

// idleNames are those of a store without watchers and with them.
func (l *Lab) idleNames(spec storeSpec) (none, some string) {
	return spec.name + ", none idle", fmt.Sprintf("%s, %d idle", spec.name, l.Size.Idle)
}

// idleSubscribers compares two services of Syncline, of which one has subscribers.
func (l *Lab) idleSubscribers(ctx context.Context, spec storeSpec) error {
	none, some := l.idleNames(spec)
	var contenders []contender
	for _, s := range []named{{name: none, yardstick: "none idle"}, {name: some}} {
		var err error
		if s.service, err = l.Builder.Start(ctx, spec.Spec); err != nil {
			return err
		}
		defer s.service.Stop()
		if s.name == some {
			before, err := s.service.Resident(ctx)
			if err != nil {
				return err
			}
			owners, err := load.NewOwners(l.Size.Idle)
			if err != nil {
				return err
			}
			socks, err := load.FollowAll(ctx, endpoints(s.service), owners, "")
			if err != nil {
				return err
			}
			defer load.CloseAll(socks)
			if err := l.residentEach(ctx, s, before); err != nil {
				return err
			}
		}
		c, err := writing{}.on(ctx, s, l.middling())
		if err != nil {
			return err
		}
		contenders = append(contenders, c)
	}
	return l.race(ctx, "watchers", l.watchersCase(), contenders)
}

// idleWatchers does so with another maker's store.
func (l *Lab) idleWatchers(ctx context.Context, spec storeSpec) error {
	none, some := l.idleNames(spec)
	var contenders []contender
	for _, s := range []named{{name: none, yardstick: "none idle"}, {name: some}} {
		o, err := l.startOther(ctx, spec)
		if err != nil {
			return err
		}
		defer o.service.Stop()
		o.name, o.yardstick = s.name, s.yardstick
		if s.name == some {
			before, err := o.service.Resident(ctx)
			if err != nil {
				return err
			}
			conns, err := o.watchIdly(ctx, l.Size.Idle)
			defer closeConns(conns)
			if err != nil {
				return err
			}
			if err := l.residentEach(ctx, o.named, before); err != nil {
				return err
			}
		}
		c, err := o.creating(ctx, l.middling())
		if err != nil {
			return err
		}
		contenders = append(contenders, c)
	}
	return l.race(ctx, "watchers", l.watchersCase(), contenders)
}

// residentEach adds what memory an idle watcher takes.
func (l *Lab) residentEach(ctx context.Context, s named, before int64) error {
	after, err := s.service.Resident(ctx)
	if err != nil {
		return err
	}
	l.Report.Row("watchers", l.watchersCase(), s.name).Add(residentFigure, float64(after-before)/1000/float64(l.Size.Idle))
	l.Say("watchers, %s: %.1f kB each", s.name, float64(after-before)/1000/float64(l.Size.Idle))
	return nil
}

// watchIdly has so many connections watch a prefix each, to which nobody writes.
// It returns those that there are also when one failed.
func (o other) watchIdly(ctx context.Context, n int) ([]kv.Conn, error) {
	const atOnce = 16
	conns, errs := make([]kv.Conn, n), make([]error, n)
	limit := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i := range n {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			if conns[i], errs[i] = o.dial(ctx); errs[i] == nil {
				errs[i] = conns[i].Watch(ctx, "idle-"+strconv.Itoa(i), func(time.Time) {})
			}
		})
	}
	wg.Wait()
	var open []kv.Conn
	for i := range conns {
		if conns[i] != nil {
			open = append(open, conns[i])
		}
	}
	return open, firstError(errs)
}

func firstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
