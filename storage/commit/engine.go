package commit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"
)

// transactionTime bounds a transaction, so that a database that stopped
// answering does not hold callers for ever.
const transactionTime = 30 * time.Second

// attempts bounds how often a unit alone in its transaction is run if that
// clashes with others.
const attempts = 6

// Engine carries out units of work. Make one with New. It is safe for concurrent
// use.
type Engine struct {
	store   Store
	queue   queue
	onBatch func(units int, took time.Duration)
	onUnit  func(ctx context.Context, c Course)
}

// Course is what became of a unit, and when.
type Course struct {
	Submitted time.Time
	Began     time.Time // when a transaction took it, the last one that did; zero if none did
	Answered  time.Time
	Units     int // that its transaction was for
	Err       error
}

// New makes an engine with so many transactions at a time: workers, and beside
// them waiters, which wait for owners that another process has locked. A store
// whose transactions never leave out an owner needs no waiters.
func New(store Store, workers, waiters int) *Engine {
	e := &Engine{store: store, onBatch: func(int, time.Duration) {}, onUnit: func(context.Context, Course) {}}
	e.queue = queue{
		work:   e.work,
		lines:  map[lineOf]*line{},
		open:   turns{limit: workers},
		locked: turns{limit: waiters, wait: true},
	}
	return e
}

// OnBatch has f called when a transaction has ended, with how many units it was for and how long
// it took, by several goroutines at a time. It is called before the first unit comes.
func (e *Engine) OnBatch(f func(units int, took time.Duration)) { e.onBatch = f }

// OnUnit has f called with each unit that was not refused at once, when its caller has been answered and by
// that caller, with the context that it was submitted with. It is called before the first unit comes.
func (e *Engine) OnUnit(f func(ctx context.Context, c Course)) { e.onUnit = f }

// work carries out one batch after the other, until no line waits. The units of
// a batch are taken when their transaction has begun: up to then they may leave.
func (e *Engine) work(turns *turns) {
	for e.queue.hasTurn(turns) {
		var tasks, left []*task
		begun, began := false, time.Now()
		err := e.transact(turns.wait, func(ctx context.Context, tx Tx) (err error) {
			begun = true
			tasks = e.queue.take(turns)
			taken := time.Now()
			for _, t := range tasks {
				t.course.Began, t.course.Units = taken, len(tasks)
			}
			left, err = run(ctx, tx, tasks)
			return err
		})
		if !begun { // those who waited for this would fail alike; who comes from now on has a try
			answerAll(e.queue.takeAll(turns), fmt.Errorf("begin a transaction: %w", err))
			continue
		}
		if outcome(err) == Clashed {
			err = e.transact(turns.wait, func(ctx context.Context, tx Tx) (err error) {
				left, err = run(ctx, tx, tasks)
				return err
			})
		}
		if err != nil {
			left = e.runOneByOne(turns.wait, tasks, err)
		}
		if len(tasks) > 0 {
			e.onBatch(len(tasks), time.Since(began))
		}
		e.queue.finish(tasks, left)
	}
}

// transact runs f in a transaction, on the engine's own time: the end of one
// caller's context is nothing to the others.
func (e *Engine) transact(wait bool, f func(context.Context, Tx) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), transactionTime)
	defer cancel()
	return e.store.Transact(ctx, wait, func(tx Tx) (err error) {
		defer func() {
			if r := recover(); r != nil { // these units fail, not the whole process
				err = fmt.Errorf("commit: panic: %v\n%s", r, debug.Stack())
			}
		}()
		return f(ctx, tx)
	})
}

// run carries out units in one transaction and answers them, save those that it
// leaves over: another process holds their owner's lock. With an error, nothing
// was applied and nobody answered.
func run(ctx context.Context, tx Tx, tasks []*task) (left []*task, err error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	b := newBatch(tasks)
	busy, err := tx.Lock(ctx, b.owners, b.keys, b.found)
	if err != nil {
		return nil, fmt.Errorf("lock and read for %d units: %w", len(tasks), err)
	}
	for _, t := range tasks {
		if !t.plan.Unlocked && slices.Contains(busy, t.plan.Owner) {
			left = append(left, t)
		} else {
			b.judge(t)
		}
	}
	var loads []load
	commit := false
	for i := range b.verdicts {
		loads = append(loads, b.verdicts[i].loads...)
		commit = commit || b.verdicts[i].needsCommit()
	}
	if len(loads) > 0 {
		slices.SortFunc(loads, func(x, y load) int { return x.key.Compare(y.key) })
		values, keys := map[Key]any{}, make([]Key, len(loads))
		for i, l := range loads {
			keys[i] = l.key
		}
		if err := tx.Read(ctx, slices.Compact(keys), func(key Key, value any) { values[key] = value }); err != nil {
			return nil, fmt.Errorf("read for the answers of %d units: %w", len(tasks), err)
		}
		for _, l := range loads {
			l.into(values[l.key])
		}
	}
	if commit {
		err = tx.Commit(ctx, b.changes())
	}
	if err != nil {
		err = fmt.Errorf("commit of %d units: %w", len(tasks), err)
		if outcome(err) != Unknown {
			return nil, err
		}
	}
	for i := range b.verdicts {
		v := &b.verdicts[i]
		switch {
		case err == nil || !v.needsCommit() && !v.stale:
			v.task.answer(v.err)
		case v.needsCommit():
			v.task.answer(err)
		default: // it changes nothing, but a row that it read may not stand
			v.task.answer(&Failure{Outcome: Unavailable, RetryAfter: retryAfter, Err: err})
		}
	}
	return left, nil
}

// runOneByOne gives each unit of a failed transaction one of its own, if the
// database answers: a full disk, for one, may have room for some. Each then
// ends as it would have alone, and none passes one of its owner that came before and
// has to wait. Nothing is run again whose outcome is unknown.
func (e *Engine) runOneByOne(wait bool, tasks []*task, failed error) (left []*task) {
	for i, t := range tasks {
		if outcome(failed) == Unavailable {
			answerAll(tasks[i:], failed)
			return left
		}
		if err := t.ended(); err != nil {
			t.answer(err)
			continue
		}
		if slices.ContainsFunc(left, func(waits *task) bool { return waits.line() == t.line() }) {
			left = append(left, t)
			continue
		}
		var busy []*task
		err := failed
		again := len(tasks) > 1 || outcome(failed) == Clashed
		for attempt := 0; again && attempt < attempts; attempt++ {
			if outcome(err) == Clashed {
				<-time.After(time.Duration(attempt+1) * rand.N(10*time.Millisecond)) //nolint:gosec // spreads load, guards nothing
			}
			err = e.transact(wait, func(ctx context.Context, tx Tx) (err error) {
				busy, err = run(ctx, tx, []*task{t})
				return err
			})
			again = outcome(err) == Clashed
		}
		if err != nil {
			t.answer(err)
			failed = err
			continue
		}
		left = append(left, busy...)
	}
	return left
}

func answerAll(tasks []*task, err error) {
	for _, t := range tasks {
		t.answer(cmp.Or(t.ended(), err))
	}
}

// outcome is 0 for faults of this program, which may be those of one unit.
func outcome(err error) Outcome {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Outcome
	}
	return 0
}
