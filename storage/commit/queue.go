package commit

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// What waits at most. One owner may fill half of it. As much again is for units that
// need no lock: they wait for nobody who holds one.
const (
	MaxWaiting      = 16 << 10
	MaxWaitingBytes = 64 << 20
)

// What one transaction takes at most, save that its first unit always fits: so
// much that a slow disk is well used, so little that nobody waits long for the
// transaction before. Units of up to SmallBytes fit beside any number of bytes.
const (
	MaxRows    = 256
	MaxBytes   = 1 << 20
	SmallBytes = 4 << 10
)

// retryAfter is for those whom a full or closed queue refuses.
const retryAfter = time.Second

var (
	errFull   = errors.New("commit: too many units of work wait")
	errClosed = errors.New("commit: the engine is closed")
)

// task is a unit on its way.
type task struct {
	unit Unit
	plan Plan
	// ended is the error of the caller's context. It counts until the unit's
	// transaction has begun.
	ended  func() error
	done   chan struct{} // closed when err stands
	err    error
	course Course // written by the transaction's worker, before done is closed
}

func (t *task) answer(err error) {
	t.err = err
	close(t.done)
}

// lineOf names a line: those that need no lock do not wait for those that do.
type lineOf struct {
	owner    Owner
	unlocked bool
}

func (t *task) line() lineOf { return lineOf{t.plan.Owner, t.plan.Unlocked} }

// line is the tasks of one owner that wait, in the order in which they came.
type line struct {
	of      lineOf
	waiting []*task
	bytes   int
	inBatch bool // no two transactions at a time have units of one owner
	locked  bool // another process holds the owner's lock
}

// turns are lines that wait and are in no batch, in turn, and the workers that
// take batches from them. Engine has two: lines whose owner another process has
// locked are left to workers that wait for the lock, one line each.
type turns struct {
	lines   []*line
	workers int
	limit   int // of workers
	wait    bool
}

// room is what is taken up of the bounds.
type room struct{ tasks, bytes int }

// queue is what waits for a transaction. It starts a worker when there is
// something to do and too few are at work, so that an idle queue has none.
type queue struct {
	work func(*turns) // takes and commits batches until no line waits

	mu           sync.Mutex
	lines        map[lineOf]*line // those that wait or are in a batch
	open, locked turns
	room         [2]room // of units that need a lock, and of those that do not
	closed       bool
	working      sync.WaitGroup // workers
}

// Submit lets a unit wait for its transaction, or refuses it at once if too much
// waits. wait waits until it is known what became of the unit. Its error is that
// of Judge; a *Failure; that of ctx, if ctx ended before the transaction began,
// and then nothing was applied; or else a fault of this program.
func (e *Engine) Submit(ctx context.Context, unit Unit) (wait func() error) {
	err := ctx.Err()
	t := &task{unit: unit, plan: unit.Plan(), ended: ctx.Err, done: make(chan struct{}), course: Course{Submitted: time.Now()}}
	if err == nil {
		err = e.queue.enter(t)
	}
	if err != nil {
		return func() error { return err }
	}
	return func() error {
		select {
		case <-t.done:
		case <-ctx.Done():
			if e.queue.leave(t) {
				t.answer(ctx.Err())
			}
			<-t.done // it may be under way, and is not torn then
		}
		t.course.Answered, t.course.Err = time.Now(), t.err
		e.onUnit(ctx, t.course)
		return t.err
	}
}

// Do is Submit and its wait.
func (e *Engine) Do(ctx context.Context, unit Unit) error { return e.Submit(ctx, unit)() }

func (q *queue) enter(t *task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return &Failure{Outcome: Unavailable, RetryAfter: retryAfter, Err: errClosed}
	}
	l := q.lines[t.line()]
	if l == nil {
		l = &line{of: t.line()}
	}
	if taken := q.roomOf(l); taken.tasks == MaxWaiting || taken.bytes+t.plan.Bytes > MaxWaitingBytes ||
		len(l.waiting) == MaxWaiting/2 || l.bytes+t.plan.Bytes > MaxWaitingBytes/2 {
		return &Failure{Outcome: Unavailable, RetryAfter: retryAfter, Err: errFull}
	}
	q.lines[l.of] = l
	l.waiting = append(l.waiting, t)
	q.count(l, 1, t.plan.Bytes)
	if len(l.waiting) == 1 && !l.inBatch {
		q.addTurn(l)
	}
	return nil
}

func (q *queue) count(l *line, tasks, bytes int) {
	taken := q.roomOf(l)
	taken.tasks += tasks
	taken.bytes += bytes
	l.bytes += bytes
}

func (q *queue) roomOf(l *line) *room {
	if l.of.unlocked {
		return &q.room[1]
	}
	return &q.room[0]
}

// addTurn gives a line a turn, and sees that somebody works on it.
func (q *queue) addTurn(l *line) {
	turns := &q.open
	if l.locked {
		turns = &q.locked
	}
	turns.lines = append(turns.lines, l)
	if turns.workers < turns.limit {
		turns.workers++
		q.working.Go(func() { q.work(turns) })
	}
}

// leave takes a task back, unless its transaction has begun.
func (q *queue) leave(t *task) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[t.line()]
	if l == nil {
		return false
	}
	i := slices.Index(l.waiting, t)
	if i < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	q.count(l, -1, -t.plan.Bytes)
	if len(l.waiting) == 0 && !l.inBatch {
		for _, turns := range []*turns{&q.open, &q.locked} {
			turns.lines = slices.DeleteFunc(turns.lines, func(other *line) bool { return other == l })
		}
		delete(q.lines, l.of)
	}
	return true
}

// hasTurn tells a worker whether a line waits for it. If none does, the worker is to
// leave, and does not count any more.
func (q *queue) hasTurn(turns *turns) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(turns.lines) == 0 {
		turns.workers--
	}
	return len(turns.lines) > 0
}

// take takes a batch, which may be empty: callers leave while they wait. Owners
// take turns, one unit each, so that one who sends many does not keep out the
// others. A unit that is too large for what is left is passed by smaller ones, and is
// among the first of the next batch. finish must follow.
func (q *queue) take(turns *turns) (batch []*task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	round, rest := turns.lines, []*line(nil)
	if turns.wait && len(round) > 0 {
		round, rest = round[:1:1], round[1:]
	}
	rows, bytes, passed := 0, 0, []*line(nil)
	for len(round) > 0 {
		l := round[0]
		t := l.waiting[0]
		if err := t.ended(); err != nil {
			t.answer(err)
		} else {
			if len(batch) > 0 && rows+t.plan.Rows > MaxRows {
				break
			}
			if len(batch) > 0 && bytes+t.plan.Bytes > MaxBytes && t.plan.Bytes > SmallBytes {
				passed, round = append(passed, l), round[1:]
				continue
			}
			rows, bytes = rows+t.plan.Rows, bytes+t.plan.Bytes
			batch = append(batch, t)
			l.inBatch = true
		}
		l.waiting = l.waiting[1:]
		q.count(l, -1, -t.plan.Bytes)
		round = round[1:]
		switch {
		case len(l.waiting) > 0:
			round = append(round, l)
		case !l.inBatch:
			delete(q.lines, l.of)
		}
	}
	round = slices.DeleteFunc(slices.Concat(passed, round), func(l *line) bool { return l.inBatch }) // they come back with finish
	turns.lines = slices.Concat(round, rest)
	return batch
}

// takeAll takes all that waits for a worker.
func (q *queue) takeAll(turns *turns) (tasks []*task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range turns.lines {
		tasks = append(tasks, l.waiting...)
		q.count(l, -len(l.waiting), -l.bytes)
		delete(q.lines, l.of)
	}
	turns.lines = nil
	return tasks
}

// finish lets the owners of a batch have their next one. Units that it left over,
// because another process holds their owner's lock, wait again.
func (q *queue) finish(batch, left []*task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range batch {
		q.lines[t.line()].locked = false
	}
	for _, t := range slices.Backward(left) {
		l := q.lines[t.line()]
		l.locked = true
		l.waiting = slices.Insert(l.waiting, 0, t)
		q.count(l, 1, t.plan.Bytes)
	}
	for _, t := range batch {
		l := q.lines[t.line()]
		if l == nil || !l.inBatch { // seen to with an earlier unit of the owner
			continue
		}
		l.inBatch = false
		if len(l.waiting) > 0 {
			q.addTurn(l)
		} else {
			delete(q.lines, l.of)
		}
	}
}

// Waiting is how many units wait for a transaction.
func (e *Engine) Waiting() int {
	e.queue.mu.Lock()
	defer e.queue.mu.Unlock()
	return e.queue.room[0].tasks + e.queue.room[1].tasks
}

// Close refuses the units that come from now on, and waits until those that came
// before are done, or ctx ends. An idle engine needs no Close.
func (e *Engine) Close(ctx context.Context) {
	e.queue.mu.Lock()
	e.queue.closed = true
	e.queue.mu.Unlock()
	done := make(chan struct{})
	go func() {
		e.queue.working.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Pause has units wait until resume is called, and first waits for those that
// are under way. No unit may come while Pause waits. It serves tests that need to
// know which units share a transaction.
func (e *Engine) Pause() (resume func()) {
	q := &e.queue
	q.working.Wait()
	q.mu.Lock()
	defer q.mu.Unlock()
	open, locked := q.open.limit, q.locked.limit
	q.open.limit, q.locked.limit = 0, 0
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.open.limit, q.locked.limit = open, locked
		for _, turns := range []*turns{&q.open, &q.locked} {
			for range min(len(turns.lines), turns.limit) {
				turns.workers++
				q.working.Go(func() { q.work(turns) })
			}
		}
	}
}
