// Package load makes the load: owners who sign, HTTP connections and WebSockets
// that carry their requests, and loops that keep many of them busy.
package load

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Step does one operation of a worker, and tells how long its answer took. What
// the worker does beside that, such as signing, is not part of it.
type Step func(ctx context.Context, worker int) (time.Duration, error)

// Outcome is what a loop did.
type Outcome struct {
	// Elapsed is the time until the last answer.
	Elapsed time.Duration
	// Latencies are those of the operations that succeeded, ascending.
	Latencies []time.Duration
	// Failures count the operations that did not, by their errors' texts.
	Failures map[string]int
}

// Rate is how many operations succeeded in a second.
func (o Outcome) Rate() float64 {
	return float64(len(o.Latencies)) / o.Elapsed.Seconds()
}

// Failed is how many operations failed.
func (o Outcome) Failed() int {
	total := 0
	for n := range maps.Values(o.Failures) {
		total += n
	}
	return total
}

// afterFailure is how long a worker waits before it tries again.
const afterFailure = time.Millisecond

// Loop keeps workers busy for a while, each with one operation at a time: a
// closed loop, that sends the next operation when the last one is answered.
// What is in flight when the time is up is waited for and counted.
func Loop(ctx context.Context, workers int, d time.Duration, step Step) Outcome {
	outcomes := make([]Outcome, workers)
	began := time.Now()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { outcomes[w] = work(ctx, w, began.Add(d), step) })
	}
	wg.Wait()
	total := Outcome{Elapsed: time.Since(began), Failures: map[string]int{}}
	for _, o := range outcomes {
		total.Latencies = append(total.Latencies, o.Latencies...)
		for text, n := range o.Failures {
			total.Failures[text] += n
		}
	}
	slices.Sort(total.Latencies)
	return total
}

func work(ctx context.Context, worker int, until time.Time, step Step) Outcome {
	o := Outcome{Failures: map[string]int{}}
	for time.Now().Before(until) && ctx.Err() == nil {
		took, err := step(ctx, worker)
		if err != nil {
			o.Failures[err.Error()]++
			<-time.After(afterFailure)
			continue
		}
		o.Latencies = append(o.Latencies, took)
	}
	return o
}
