package logqueue_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"syncline/internal/logqueue"
)

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// Whoever logs never waits for a reader that does not read. What could not be kept
// is counted, and told when he reads again.
func TestAReaderThatStopped(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	q := logqueue.New(w)
	q.OnDropped(func(n int64) { fmt.Fprintf(q, "dropped %d\n", n) })
	const lines = 40_000 // of 100 bytes: twice what both buffers and the pipe hold
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for j := range lines / 4 {
				fmt.Fprintf(q, "%d-%05d %s\n", i, j, strings.Repeat("x", 91))
			}
		})
	}
	writers.Wait()
	dropped := q.Dropped()
	if dropped == 0 || dropped == lines {
		t.Fatalf("%d of %d lines were dropped", dropped, lines)
	}
	began := time.Now()
	q.Flush(10 * time.Millisecond)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("a flush of 10 ms took %v", took)
	}

	whole, told := int64(0), ""
	for scanner := bufio.NewScanner(r); told == "" && scanner.Scan(); {
		if line := scanner.Text(); strings.HasPrefix(line, "dropped") {
			told = line
		} else if len(line) == 99 {
			whole++
		} else {
			t.Fatalf("a line in part: %q", line)
		}
	}
	// The notice may come before the last lines.
	if told != fmt.Sprint("dropped ", dropped) || whole > lines-dropped || whole == 0 {
		t.Errorf("of %d lines %d were read and %d dropped; told: %q", lines, whole, dropped, told)
	}
}

// All that waits is written before the end.
func TestFlush(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	q := logqueue.New(w)
	for i := range 100 {
		fmt.Fprintln(q, i)
	}
	q.Flush(time.Minute)
	w.Close()
	text, err := io.ReadAll(r)
	if err != nil || strings.Count(string(text), "\n") != 100 {
		t.Errorf("%q, %v", text, err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestAReaderThatIsGone(t *testing.T) {
	t.Parallel()
	q := logqueue.New(broken{})
	for range 10 {
		fmt.Fprintln(q, "line")
		q.Flush(time.Minute)
	}
	if n := q.Dropped(); n != 10 {
		t.Errorf("%d of 10 lines are counted", n)
	}
}
