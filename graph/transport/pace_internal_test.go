package transport

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"syncline/internal/budget"
)

// reader takes what is written to it at some bytes a second, as far as it reads
// at all.
type reader struct {
	speed    int
	most     int // bytes that it takes
	taken    int
	deadline time.Time
}

func (r *reader) Write(p []byte) (int, error) {
	took := time.Duration(len(p)) * time.Second / time.Duration(r.speed)
	if r.taken+len(p) > r.most || time.Now().Add(took).After(r.deadline) {
		<-time.After(time.Until(r.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	<-time.After(took)
	r.taken += len(p)
	return len(p), nil
}

func (r *reader) SetWriteDeadline(until time.Time) error {
	r.deadline = until
	return nil
}

// 4 MiB of data are 5.6 MB as base64.
const largestAnswer = 5_600_000

func TestPace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		speed, most int
		all         bool
		within      time.Duration
	}{
		"at once":                 {1 << 30, largestAnswer, true, time.Second},
		"slow, but as promised":   {64 << 10, largestAnswer, true, 90 * time.Second},
		"too slow":                {16 << 10, largestAnswer, false, 20 * time.Second},
		"nothing is taken":        {1 << 30, 0, false, 10 * time.Second},
		"nothing after the first": {1 << 30, 1 << 20, false, 11 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &reader{speed: test.speed, most: test.most}
			p := &pace{
				to: r, timeout: 10 * time.Second, reader: new(budget.Progress),
				deadline: r,
			}
			began := time.Now()
			n, err := p.Write(make([]byte, largestAnswer))
			if (err == nil) != test.all || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %d bytes, %v", name, n, err)
			}
			if took := time.Since(began); took > test.within {
				t.Errorf("%s: %v", name, took)
			}
		})
	}
}
