package transport

import (
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"syncline/internal/budget"
)

const (
	// minThroughput is how slow a reader may be, in bytes per second.
	minThroughput = 64 << 10
	// maxWriting is how long a message or an answer may take in all.
	maxWriting = 2 * time.Minute
	// maxPiece is how much is written under one deadline.
	maxPiece = 64 << 10
)

// pace writes one message or answer to a client, in pieces. A reader that takes
// nothing for the time of a write is cut off, and so is one that takes less than
// minThroughput after that; one that is slow gets all of it.
type pace struct {
	to       io.Writer
	timeout  time.Duration // of one piece
	deadline deadline
	reader   *budget.Progress

	began   time.Time
	written int
	isCut   atomic.Bool
}

func (p *pace) Write(data []byte) (written int, err error) {
	if p.began.IsZero() {
		p.began = time.Now()
	}
	for len(data) > 0 && err == nil {
		piece := data[:min(len(data), maxPiece)]
		p.allow(len(piece))
		var n int
		n, err = p.to.Write(piece)
		p.reader.Made()
		p.written += n
		written += n
		data = data[n:]
		runtime.Gosched() // compressing a piece takes a millisecond: those who need less come first
	}
	return written, err
}

// deadline is where that of writes is set.
type deadline interface {
	SetWriteDeadline(until time.Time) error
}

// allow sets the deadline of a piece.
func (p *pace) allow(size int) {
	until := time.Now().Add(p.timeout)
	slowest := p.began.Add(p.timeout + time.Duration(p.written+size)*time.Second/minThroughput)
	for _, other := range []time.Time{slowest, p.began.Add(maxWriting)} {
		if other.Before(until) {
			until = other
		}
	}
	// What wraps a writer may not know of deadlines; the answer counts more.
	_ = p.deadline.SetWriteDeadline(until)
	if p.isCut.Load() {
		_ = p.deadline.SetWriteDeadline(time.Now())
	}
}

// cut ends a write that waits, and those after it. It may be called from
// another goroutine.
func (p *pace) cut() {
	p.isCut.Store(true)
	_ = p.deadline.SetWriteDeadline(time.Now())
}
