package transport

import (
	"io"
	"runtime"
)

// quantumBytes are read by a client's goroutine before it lets others run, which is some
// ten microseconds: the runtime takes the processor away only after ten milliseconds.
const quantumBytes = 16 << 10

// readBytes is what a call that reads is counted as, beside what it brings.
const readBytes = 256

// quantum counts what was read since others could run.
type quantum int

func (q *quantum) yield(bytes int) {
	if *q += quantum(readBytes + bytes); *q >= quantumBytes {
		*q = 0
		runtime.Gosched()
	}
}

// yielding reads what nobody wants, and lets others run.
type yielding struct {
	io.Reader
	turn quantum
}

func (y *yielding) Read(p []byte) (int, error) {
	n, err := y.Reader.Read(p)
	y.turn.yield(n)
	return n, err
}
