// Package logqueue writes a log without ever holding up who logs. A log goes to
// somebody else, who may stop reading: then lines are dropped and counted.
package logqueue

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// maxWaiting is how many bytes of lines wait to be written. The same again may be
// on their way.
const maxWaiting = 1 << 20

// Queue is an io.Writer of whole lines. It is safe for concurrent use.
type Queue struct {
	w io.Writer

	mu      sync.Mutex
	changed *sync.Cond
	waiting []byte
	spare   []byte // the other buffer
	writing bool
	dropped int64
	untold  int64 // of the dropped
	told    func(dropped int64)
}

// New makes a queue before w, and the goroutine that writes to it.
func New(w io.Writer) *Queue {
	q := &Queue{w: w, told: func(int64) {}}
	q.changed = sync.NewCond(&q.mu)
	go q.run()
	return q
}

// OnDropped has f called, after lines were dropped, when others have been written:
// with their number, for f to log. f may write to the queue.
func (q *Queue) OnDropped(f func(dropped int64)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.told = f
}

// Write takes a line, or drops it if too much is waiting. It never fails.
func (q *Queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting)+len(line) > maxWaiting {
		q.drop(1)
		return len(line), nil
	}
	q.waiting = append(q.waiting, line...)
	q.changed.Broadcast()
	return len(line), nil
}

// Dropped is how many lines were never written.
func (q *Queue) Dropped() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

func (q *Queue) drop(lines int) {
	q.dropped += int64(lines)
	q.untold += int64(lines)
}

// Flush waits until all is written, for a while at most.
func (q *Queue) Flush(timeout time.Duration) {
	over := false
	timer := time.AfterFunc(timeout, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		over = true
		q.changed.Broadcast()
	})
	defer timer.Stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for !over && (len(q.waiting) > 0 || q.writing) {
		q.changed.Wait()
	}
}

func (q *Queue) run() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for len(q.waiting) == 0 {
			q.changed.Wait()
		}
		lines := q.waiting
		q.waiting, q.spare, q.writing = q.spare[:0], lines, true
		q.mu.Unlock()
		n, err := q.w.Write(lines)
		q.mu.Lock()
		if err != nil {
			q.drop(bytes.Count(lines[n:], []byte("\n")))
		} else if n := q.untold; n > 0 {
			q.untold = 0
			tell := q.told
			q.mu.Unlock()
			tell(n)
			q.mu.Lock()
		}
		q.writing = false
		q.changed.Broadcast()
	}
}
