// Package workload holds the benchmark's workloads, one a file. Each starts the
// services that it compares, puts load on them by turns, checks what they say
// they have done, and adds rows to the report.
package workload

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"syncline/bench/load"
	"syncline/bench/report"
	"syncline/bench/servers"
)

// Workload is one kind of load.
type Workload struct {
	Name  string
	About string
	// Headline is the figure that the plot shows.
	Headline string
	Run      func(ctx context.Context, l *Lab) error
}

// All are the workloads, in the order in which they run.
func All() []Workload {
	return []Workload{
		generator, writes, batches, recovery, conflicts, locks, pages,
		notifications, idle, storm, slowDisk, growth, scale, syncKit, breez,
		compareAndSet, watch, watchers, catchUp, leases,
	}
}

// Lab is where workloads run.
type Lab struct {
	Builder     *servers.Builder
	Report      *report.Report
	Deployments []servers.Deployment
	Size        Size
	// Peers has other makers' programs take part.
	Peers bool
	// ProfileDir is where CPU profiles of Syncline go; empty for none.
	ProfileDir string
	// Say tells what is going on.
	Say func(format string, args ...any)
}

// Size says how long and how large everything is.
type Size struct {
	Rounds      int           // how often each figure is measured
	Duration    time.Duration // of one measurement
	Connections []int         // of writes; the last is also that of other workloads
	Idle        int           // subscriptions that are silent
	Storm       int           // subscriptions that reconnect at once
	FanOut      int           // subscriptions of one owner
	Watchers    []int         // of one prefix, beside other makers' stores
	CatchUp     int           // changes that are read from the first on
	Records     []int         // of one owner
	Owners      []int
	Feeds       []int
	Events      []int // in a log of synckit
	SyncDelays  []time.Duration
}

// Full is what figures are published from.
func Full() Size {
	return Size{
		Rounds: 3, Duration: 2 * time.Second, Connections: []int{1, 16, 64},
		Idle: 10_000, Storm: 1000, FanOut: 100, Watchers: []int{1, 100, 1000}, CatchUp: 100_000,
		Records: []int{1e2, 1e3, 1e4, 1e5, 1e6}, Owners: []int{1e2, 1e3, 1e4, 1e5}, Feeds: []int{1e2, 1e3, 1e4},
		Events:     []int{1e3, 1e4, 1e5},
		SyncDelays: []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond},
	}
}

// Quick gives an impression in a few minutes.
func Quick() Size {
	return Size{
		Rounds: 3, Duration: time.Second, Connections: []int{1, 64},
		Idle: 2000, Storm: 500, FanOut: 100, Watchers: []int{1, 100}, CatchUp: 20_000,
		Records: []int{1e2, 1e3, 1e4}, Owners: []int{1e2, 1e3}, Feeds: []int{1e2, 1e3},
		Events:     []int{1e3, 1e4},
		SyncDelays: []time.Duration{0, 5 * time.Millisecond},
	}
}

// Smoke only shows that everything works.
func Smoke() Size {
	return Size{
		Rounds: 1, Duration: 200 * time.Millisecond, Connections: []int{1, 4},
		Idle: 20, Storm: 10, FanOut: 5, Watchers: []int{1, 5}, CatchUp: 300,
		Records: []int{10, 200}, Owners: []int{2, 20}, Feeds: []int{2, 10},
		Events:     []int{50, 500},
		SyncDelays: []time.Duration{0, 2 * time.Millisecond},
	}
}

// most is how many connections workloads have that do not vary them.
func (l *Lab) most() int { return l.Size.Connections[len(l.Size.Connections)-1] }

// middling is how many connections those have that look at latency under load.
func (l *Lab) middling() int { return min(16, l.most()) }

// basic tells whether this is one instance on a database and nothing else: what
// Redis and siblings have no part in is measured there alone.
func basic(d servers.Deployment) bool { return !d.Redis && d.Instances == 1 }

// recordSize is how much data records have, in bytes.
const recordSize = 1 << 10

// endpoints are where instances of Syncline answer.
func endpoints(s *servers.Service) []*url.URL { return targets(s, "/graphql", "") }

func targets(s *servers.Service, path, query string) []*url.URL {
	var urls []*url.URL
	for _, address := range s.Addresses {
		urls = append(urls, &url.URL{Scheme: "http", Host: address, Path: path, RawQuery: query})
	}
	return urls
}

// answerSize is about how long Syncline's answer to the write of a record is.
const answerSize = 1640

// plainTargets are where the yardstick gives answers of a size.
func plainTargets(s *servers.Service, size int) []*url.URL {
	return targets(s, "/graphql", fmt.Sprint("answer=", size))
}

// call sends one signed request on a connection of its own, outside of any measurement.
func call(ctx context.Context, endpoint *url.URL, owner load.Owner, body []byte) ([]byte, error) {
	conn := load.NewConns([]*url.URL{endpoint}, 1)[0]
	defer conn.Close()
	req, err := owner.Sign(endpoint, body)
	if err != nil {
		return nil, err
	}
	return conn.Post(ctx, req)
}
