// Package metrics has collectors of what sync managers do: one in memory and one
// for Prometheus. Both are safe for concurrent use, by several managers too.
package metrics

import (
	"maps"
	"sync"
	"time"

	"syncline/synckit"
)

// Collector counts in memory. It is ready to use as it is.
type Collector struct {
	mu     sync.Mutex
	counts Snapshot
}

var _ synckit.MetricsCollector = (*Collector)(nil)

// Snapshot is what was counted up to a moment.
type Snapshot struct {
	Operations        map[string]Operation // by "sync", "push" and "pull"
	Errors            map[Failure]int
	EventsPushed      int
	EventsPulled      int
	ConflictsResolved int
}

// Operation is how often something was done, and how long it took.
type Operation struct {
	Count          int
	Total, Longest time.Duration
}

// Average is how long it took on average; 0 if it was not done yet.
func (o Operation) Average() time.Duration {
	if o.Count == 0 {
		return 0
	}
	return o.Total / time.Duration(o.Count)
}

// Failure is one kind of error: its code, and what was done when it came.
type Failure struct {
	Operation, Code string
}

// Snapshot gives a copy of what was counted.
func (c *Collector) Snapshot() Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.counts
	s.Operations, s.Errors = maps.Clone(s.Operations), maps.Clone(s.Errors)
	return s
}

// Reset begins anew.
func (c *Collector) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts = Snapshot{}
}

// RecordSyncDuration implements synckit.MetricsCollector.
func (c *Collector) RecordSyncDuration(operation string, duration time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts.Operations == nil {
		c.counts.Operations = map[string]Operation{}
	}
	o := c.counts.Operations[operation]
	o.Count++
	o.Total += duration
	o.Longest = max(o.Longest, duration)
	c.counts.Operations[operation] = o
}

// RecordSyncEvents implements synckit.MetricsCollector.
func (c *Collector) RecordSyncEvents(pushed, pulled int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.EventsPushed += pushed
	c.counts.EventsPulled += pulled
}

// RecordSyncErrors implements synckit.MetricsCollector.
func (c *Collector) RecordSyncErrors(operation, code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts.Errors == nil {
		c.counts.Errors = map[Failure]int{}
	}
	c.counts.Errors[Failure{operation, code}]++
}

// RecordConflicts implements synckit.MetricsCollector.
func (c *Collector) RecordConflicts(resolved int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.ConflictsResolved += resolved
}
