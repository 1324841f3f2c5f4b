package locks

import (
	"context"
	"sync"
	"time"
)

// reads has those who want to know of one lock at once share what is read: one read
// of it is under way at a time, and those who ask meanwhile share the next, which
// begins after they asked. A change that all its watchers learn of is read twice at most.
type reads struct {
	locker Locker

	mu  sync.Mutex
	now map[Key]*reading // those under way
}

// readTime bounds a read that is shared, since none of those who wait for it may end it.
const readTime = 30 * time.Second

// reading is one read of a lock, and the next, if anybody asked for one meanwhile.
type reading struct {
	done chan struct{}
	lock Lock // when done is closed
	err  error
	next *reading
}

func newReads(locker Locker) *reads {
	return &reads{locker: locker, now: make(map[Key]*reading)}
}

// read answers a state that the lock had after the call. closed ends the wait, as ctx does.
func (r *reads) read(ctx context.Context, key Key, closed <-chan struct{}) (Lock, error) {
	wanted := r.join(ctx, key)
	select {
	case <-wanted.done:
		return wanted.lock, wanted.err
	case <-ctx.Done():
		return Lock{}, ctx.Err()
	case <-closed:
		return Lock{}, ErrClosed
	}
}

// join finds the next read of a lock to begin.
func (r *reads) join(ctx context.Context, key Key) *reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	if current := r.now[key]; current != nil {
		if current.next == nil {
			current.next = &reading{done: make(chan struct{})}
		}
		return current.next
	}
	first := &reading{done: make(chan struct{})}
	r.now[key] = first
	go r.run(context.WithoutCancel(ctx), key, first)
	return first
}

// run reads for as long as somebody asks.
func (r *reads) run(ctx context.Context, key Key, current *reading) {
	for current != nil {
		r.once(ctx, key, current)
		r.mu.Lock()
		if current = current.next; current != nil {
			r.now[key] = current
		} else {
			delete(r.now, key)
		}
		r.mu.Unlock()
	}
}

func (r *reads) once(ctx context.Context, key Key, current *reading) {
	defer close(current.done)
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	found, err := r.locker.Read(ctx, []Key{key})
	switch {
	case err == nil:
		current.lock = found[0]
	case ctx.Err() != nil: // it was no asker's time that ran out
		current.err = &UnavailableError{RetryAfter: time.Second, Err: err}
	default:
		current.err = err
	}
}
