package entstore

import (
	"context"
	"errors"
	"slices"
	"sync"

	"syncline/record"
)

// What one transaction takes at most, save that its first write always fits: so
// much that a slow disk is well used, so little that nobody waits long for the
// group before.
const (
	maxGroupRows  = 256
	maxGroupBytes = 4 << 20
)

// What waits at most. One owner may fill half of it.
const (
	maxWaiting      = 16 << 10
	maxWaitingBytes = 64 << 20
)

var (
	errQueueFull = errors.New("too many writes wait")
	errClosed    = errors.New("the store is closed")
)

// lane is a kind of committer.
type lane int

const (
	swift   lane = iota // takes groups of many owners, and waits for no row
	patient             // takes one held line, and waits for its row
	lanes
)

// queue holds the writes that wait for a transaction. It starts a committer when
// there is something to do and too few are at work, so that the first write of
// an idle store begins at once, and an idle store has no committer.
type queue struct {
	commit func(lane) // takes what next has for it, and commits that
	limit  [lanes]int // of committers

	mu       sync.Mutex
	lines    map[record.Owner]*line // those that wait or are in a group
	ready    [lanes][]*line         // those that wait and are not in a group, in turn
	waiting  int
	bytes    int
	working  [lanes]int
	closed   bool
	finished sync.WaitGroup // of committers
}

func newQueue(swiftLimit, patientLimit int, commit func(lane)) *queue {
	return &queue{
		commit: commit,
		limit:  [lanes]int{swift: swiftLimit, patient: patientLimit},
		lines:  map[record.Owner]*line{},
	}
}

// enter lets a member wait, or refuses it at once.
func (q *queue) enter(m *member) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return &record.UnavailableError{RetryAfter: retryAfter, Err: errClosed}
	}
	l := q.lines[m.owner]
	if l == nil {
		l = &line{}
	}
	if !q.hasRoom(l, m) {
		return &record.UnavailableError{RetryAfter: retryAfter, Err: errQueueFull}
	}
	q.lines[m.owner] = l
	l.waiting = append(l.waiting, m)
	q.count(l, m, 1)
	if len(l.waiting) == 1 && !l.inGroup {
		q.makeReady(l)
	}
	return nil
}

func (q *queue) hasRoom(l *line, m *member) bool {
	return q.waiting < maxWaiting && q.bytes+m.bytes <= maxWaitingBytes &&
		len(l.waiting) < maxWaiting/2 && l.bytes+m.bytes <= maxWaitingBytes/2
}

// count takes a member into account n times.
func (q *queue) count(l *line, m *member, n int) {
	l.bytes += n * m.bytes
	q.waiting += n
	q.bytes += n * m.bytes
}

// makeReady lets a line take its turn, and sees that somebody works on it.
func (q *queue) makeReady(l *line) {
	lane := swift
	if l.held {
		lane = patient
	}
	q.ready[lane] = append(q.ready[lane], l)
	if q.working[lane] < q.limit[lane] {
		q.working[lane]++
		q.finished.Add(1)
		go q.work(lane)
	}
}

func (q *queue) work(lane lane) {
	defer q.finished.Done()
	for q.hasWork(lane) {
		q.commit(lane)
	}
}

// hasWork signs the committer off if there is none.
func (q *queue) hasWork(lane lane) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ready[lane]) > 0 {
		return true
	}
	q.working[lane]--
	return false
}

func (q *queue) isReady(lane lane) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ready[lane]) > 0
}

// leave takes back a member, unless its group has begun.
func (q *queue) leave(m *member) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[m.owner]
	if l == nil {
		return false
	}
	i := slices.Index(l.waiting, m)
	if i < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	q.count(l, m, -1)
	if len(l.waiting) == 0 && !l.inGroup {
		for lane := range q.ready {
			q.ready[lane] = slices.DeleteFunc(q.ready[lane], func(other *line) bool { return other == l })
		}
		delete(q.lines, m.owner)
	}
	return true
}

// next takes a group, which may be empty: requests end while they wait. Owners
// take turns, one write each, so that one who sends many does not keep out the
// others. finish must follow.
func (q *queue) next(lane lane) group {
	q.mu.Lock()
	defer q.mu.Unlock()
	turn, later := q.ready[lane], []*line(nil)
	if lane == patient && len(turn) > 0 {
		turn, later = turn[:1:1], turn[1:]
	}
	var g group
	rows, bytes := 0, 0
	for len(turn) > 0 {
		l := turn[0]
		m := l.waiting[0]
		if ended := m.ended(); ended != nil {
			m.answer(record.Result{}, ended)
		} else {
			rows, bytes = rows+len(m.request.Writes), bytes+m.bytes
			if len(g) > 0 && (rows > maxGroupRows || bytes > maxGroupBytes) {
				break
			}
			l.inGroup = true
			g = append(g, m)
		}
		turn = q.moveOn(turn, m)
	}
	turn = slices.DeleteFunc(turn, func(l *line) bool { return l.inGroup })
	q.ready[lane] = append(turn, later...)
	return g
}

// moveOn takes m, the first in line, off the first line in turn, which goes to
// the end of the turn if more of it wait.
func (q *queue) moveOn(turn []*line, m *member) []*line {
	l := turn[0]
	l.waiting = l.waiting[1:]
	q.count(l, m, -1)
	switch turn = turn[1:]; {
	case len(l.waiting) > 0:
		turn = append(turn, l)
	case !l.inGroup:
		delete(q.lines, m.owner)
	}
	return turn
}

// finish lets the owners of a group have their next one. Members that the group
// left over, for another process has their owner's row locked, wait again.
func (q *queue) finish(g, left group) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range g {
		q.lines[m.owner].held = false
	}
	for _, m := range slices.Backward(left) {
		l := q.lines[m.owner]
		l.held = true
		l.waiting = slices.Insert(l.waiting, 0, m)
		q.count(l, m, 1)
	}
	for _, m := range g {
		l := q.lines[m.owner]
		if l == nil || !l.inGroup { // done for an earlier member
			continue
		}
		l.inGroup = false
		if len(l.waiting) > 0 {
			q.makeReady(l)
		} else {
			delete(q.lines, m.owner)
		}
	}
}

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

// close refuses what comes from now on, and waits for what came before.
func (q *queue) close(ctx context.Context) {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	finished := make(chan struct{})
	go func() {
		q.finished.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-ctx.Done():
	}
}
