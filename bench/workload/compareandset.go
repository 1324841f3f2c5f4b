package workload

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"syncline/bench/kv"
	"syncline/bench/load"
)

// compareAndSet are writes that are refused if the key is there: Syncline's over
// HTTP, an owner each.
var compareAndSet = Workload{
	Name:     "cas",
	About:    "compare-and-set writes of 1 KiB, beside etcd and NATS",
	Headline: rateFigure,
	Run: func(ctx context.Context, l *Lab) error {
		return l.onStores(ctx, keyValueSpecs(), func(s *stores) error {
			for _, connections := range l.Size.Connections {
				contenders, err := s.creating(ctx, connections)
				if err != nil {
					return err
				}
				if err := l.race(ctx, "cas", fmt.Sprintf("connections: %d", connections), contenders); err != nil {
					return err
				}
			}
			return nil
		})
	},
}

func (s *stores) creating(ctx context.Context, connections int) ([]contender, error) {
	yardstick, err := plainWrites(s.plain, connections)
	if err != nil {
		return nil, err
	}
	contenders := []contender{yardstick}
	for _, store := range s.synclines {
		c, err := writing{}.on(ctx, store, connections)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, c)
	}
	for _, o := range s.others {
		c, err := o.creating(ctx, connections)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		contenders = append(contenders, c)
	}
	return contenders, nil
}

// creating creates keys on so many connections, and checks their number at the end.
func (o other) creating(ctx context.Context, connections int) (contender, error) {
	conns, err := o.dialAll(ctx, connections)
	if err != nil {
		return contender{}, err
	}
	var told tally
	verify, err := told.verify(ctx, conns[0])
	if err != nil {
		closeConns(conns)
		return contender{}, err
	}
	next := make([]int, connections)
	run := func(ctx context.Context, d time.Duration) load.Outcome {
		return load.Loop(ctx, connections, d, func(ctx context.Context, worker int) (time.Duration, error) {
			next[worker]++
			key := fmt.Sprintf("of-%d.%d.%d", connections, worker, next[worker])
			value := load.RandomData(recordSize)
			began := time.Now()
			err := conns[worker].Create(ctx, key, value)
			took := time.Since(began)
			told.count(err)
			return took, err
		})
	}
	return contender{
		name: o.name, yardstick: o.yardstick, service: o.service,
		run: run, verify: verify, close: func() { closeConns(conns) },
	}, nil
}

// verify counts keys now, and later again; nil where there are none to be counted.
func (t *tally) verify(ctx context.Context, conn kv.Conn) (func(context.Context) error, error) {
	store, ok := conn.(kv.Store)
	if !ok {
		return nil, nil
	}
	before, err := store.Count(ctx)
	return func(ctx context.Context) error {
		n, err := store.Count(ctx)
		if err != nil {
			return err
		}
		return t.check(n - before)
	}, err
}

func (t *tally) count(err error) {
	if err != nil {
		t.failed.Add(1)
		return
	}
	t.acknowledged.Add(1)
}

// check compares with how many there are. What failed may have been written.
func (t *tally) check(n int64) error {
	least, failed := t.acknowledged.Load(), t.failed.Load()
	if n < least || n > least+failed {
		return fmt.Errorf("there are %d new keys; %d were acknowledged, %d failed", n, least, failed)
	}
	return nil
}

// leases are locks with a time to live, taken and released: two requests to
// Syncline, three to etcd.
var leases = Workload{
	Name:     "leases",
	About:    "locks that expire, taken and released, beside etcd and NATS",
	Headline: rateFigure,
	Run: func(ctx context.Context, l *Lab) error {
		return l.onStores(ctx, keyValueSpecs(), func(s *stores) error {
			var contenders []contender
			for _, store := range s.synclines {
				c, err := locking(store, l.most())
				if err != nil {
					return err
				}
				contenders = append(contenders, c)
			}
			for _, o := range s.others {
				conns, err := o.dialAll(ctx, l.most())
				if err != nil {
					return fmt.Errorf("%s: %w", o.name, err)
				}
				contenders = append(contenders, contender{
					name: o.name, service: o.service, close: func() { closeConns(conns) },
					run: func(ctx context.Context, d time.Duration) load.Outcome {
						return load.Loop(ctx, len(conns), d, func(ctx context.Context, worker int) (time.Duration, error) {
							return lockOnce(ctx, conns[worker].(kv.Store), "lock-"+strconv.Itoa(worker))
						})
					},
				})
			}
			return l.race(ctx, "leases", fmt.Sprintf("connections: %d", l.most()), contenders)
		})
	},
}

func lockOnce(ctx context.Context, conn kv.Store, name string) (time.Duration, error) {
	began := time.Now()
	unlock, err := conn.Lock(ctx, name)
	if err != nil {
		return 0, err
	}
	err = unlock(ctx)
	return time.Since(began), err
}

// locking takes and releases locks of Syncline, of an owner each.
func locking(s named, connections int) (contender, error) {
	owners, err := load.NewOwners(connections)
	if err != nil {
		return contender{}, err
	}
	a := askingOf(s, connections, ownerOf(owners), takeAndRelease(connections), nil, load.HasStatus(load.Acquired, load.Released))
	return contender{
		name: s.name, service: s.service, close: func() { load.CloseAll(a.conns) },
		prepare: func(ctx context.Context, rate float64, d time.Duration) error { return a.prepare(ctx, 2*rate, d) },
		run: func(ctx context.Context, d time.Duration) load.Outcome {
			return load.Loop(ctx, connections, d, func(ctx context.Context, worker int) (time.Duration, error) {
				taken, err := a.ask(ctx, worker)
				if err != nil {
					return 0, err
				}
				released, err := a.ask(ctx, worker)
				return taken + released, err
			})
		},
	}, nil
}
