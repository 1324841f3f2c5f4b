package workload

import (
	"context"
	"fmt"

	"syncline/bench/servers"
)

// writes are durable writes of new records of 1 KiB.
var writes = Workload{
	Name:     "writes",
	About:    "new records over HTTP and WebSocket, of many owners and of one",
	Headline: rateFigure,
	Run: func(ctx context.Context, l *Lab) error {
		for _, d := range l.Deployments {
			if err := l.writesOn(ctx, d); err != nil {
				return fmt.Errorf("%s: %w", d, err)
			}
		}
		return nil
	},
}

// pipelined is how many writes a WebSocket has in flight.
const pipelined = 16

// writing is one way to write.
type writing struct {
	name      string
	depth     int
	oneOwner  bool
	mutations bool
}

func (l *Lab) writesOn(ctx context.Context, d servers.Deployment) error {
	f, err := l.start(ctx, d, d == servers.Deployment{Instances: 1})
	if err != nil {
		return err
	}
	defer f.stop()
	counts := l.Size.Connections
	if !basic(d) { // what differs there is seen with many
		counts = counts[len(counts)-1:]
	}
	for _, connections := range counts {
		for _, w := range l.waysToWrite(d, connections) {
			name := fmt.Sprintf("%s, %s, connections: %d", d, w.name, connections)
			contenders, err := f.writing(ctx, w, connections)
			if err != nil {
				return err
			}
			if err := l.race(ctx, "writes", name, contenders); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func (l *Lab) waysToWrite(d servers.Deployment, connections int) []writing {
	ways := []writing{{name: "HTTP, an owner each"}}
	if connections > 1 {
		ways = append(ways, writing{name: "HTTP, one owner", oneOwner: true})
	}
	if basic(d) && connections == l.most() {
		ways = append(ways, writing{name: "HTTP, an owner each, mutation ids", mutations: true})
	}
	ways = append(ways, writing{name: "WebSocket, an owner each", depth: pipelined})
	if basic(d) && connections > 1 {
		ways = append(ways, writing{name: "WebSocket, one owner", depth: pipelined, oneOwner: true})
	}
	return ways
}

// writing are the contenders of one way to write.
func (f *field) writing(ctx context.Context, w writing, connections int) ([]contender, error) {
	yardstick, err := plainWrites(f.plain, connections)
	if err != nil {
		return nil, err
	}
	contenders := []contender{yardstick}
	for _, s := range f.synclines() {
		c, err := w.on(ctx, s, connections)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, c)
	}
	if f.pocketBase != nil && w == (writing{name: w.name}) {
		c, err := pocketBase(ctx, f.pocketBase, connections)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, c)
	}
	return contenders, nil
}

// on is the contender that writes this way to a service.
func (w writing) on(ctx context.Context, s named, connections int) (contender, error) {
	writers, err := newWriters(s.service, connections, w.oneOwner)
	if err != nil {
		return contender{}, err
	}
	writers.depth, writers.mutations = w.depth, w.mutations
	return writers.contender(ctx, s)
}
