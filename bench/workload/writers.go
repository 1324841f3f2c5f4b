package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"syncline/bench/load"
	"syncline/bench/servers"
)

// writers create records of Syncline, over HTTP or WebSocket.
type writers struct {
	service *servers.Service
	owners  []load.Owner
	// depth is how many writes a WebSocket has in flight; 0 is HTTP.
	depth     int
	mutations bool // each write has a mutation id
	// records is how many a write is of, in one batch if more than one, and size how
	// many bytes each of them has.
	records, size int

	created load.Check // judges the answer to a write over HTTP

	tally []tally
	next  []int // number of each worker's next record
	sent  *load.Supply
	conns []*load.Conn
	socks []*load.Socket
}

// created checks the answer to a write.
var created = load.HasStatus(load.Success)

// tally is what an owner was told of so many records.
type tally struct{ acknowledged, failed atomic.Int64 }

// newWriters makes writers on so many connections, of as many owners or of one.
func newWriters(service *servers.Service, connections int, oneOwner bool) (*writers, error) {
	n := connections
	if oneOwner {
		n = 1
	}
	owners, err := load.NewOwners(n)
	if err != nil {
		return nil, err
	}
	w := &writers{
		service: service, owners: owners, tally: make([]tally, n), next: make([]int, connections),
		conns: load.NewConns(endpoints(service), connections), created: created,
		records: 1, size: recordSize,
	}
	w.sent = load.NewSupply(connections, func(worker int) (load.Request, error) {
		return w.owner(worker).Sign(w.conns[worker].Endpoint(), w.body(worker))
	})
	return w, nil
}

func (w *writers) owner(worker int) load.Owner { return w.owners[worker%len(w.owners)] }

// body is the worker's next write: new records.
func (w *writers) body(worker int) []byte {
	if w.records > 1 {
		ids := make([]string, w.records)
		for i := range ids {
			ids[i] = w.nextID(worker)
		}
		return load.Batch(ids, load.RandomData(w.size))
	}
	id := w.nextID(worker)
	mutation := ""
	if w.mutations {
		mutation = "m-" + id
	}
	return load.Set(id, load.RandomData(w.size), 0, mutation)
}

// nextID is that of the worker's next record.
func (w *writers) nextID(worker int) string {
	w.next[worker]++
	return strconv.Itoa(worker) + "-" + strconv.Itoa(w.next[worker])
}

// contender makes them ready for a race.
func (w *writers) contender(ctx context.Context, s named) (contender, error) {
	c := contender{name: s.name, yardstick: s.yardstick, service: w.service, records: w.records, verify: w.verify, close: w.close}
	if w.depth == 0 {
		c.prepare, c.run = w.prepare, w.post
		return c, nil
	}
	c.run = w.pipeline
	return c, w.dial(ctx)
}

// prepare signs what a run will need.
func (w *writers) prepare(_ context.Context, rate float64, d time.Duration) error {
	return w.sent.Fill(int(1.3*rate*d.Seconds())/len(w.conns) + 1)
}

// post writes over HTTP.
func (w *writers) post(ctx context.Context, d time.Duration) load.Outcome {
	return load.Loop(ctx, len(w.conns), d, func(ctx context.Context, worker int) (time.Duration, error) {
		req, err := w.sent.Next(worker)
		if err != nil {
			return 0, err
		}
		began := time.Now()
		answer, err := w.conns[worker].Post(ctx, req)
		if err == nil {
			err = w.created(answer)
		}
		w.count(worker, err)
		return time.Since(began), err
	})
}

func (w *writers) dial(ctx context.Context) error {
	for worker, conn := range w.conns {
		s, err := load.Dial(ctx, conn.Endpoint(), w.owner(worker))
		if err != nil {
			return err
		}
		w.socks = append(w.socks, s)
	}
	w.next = make([]int, len(w.conns)*w.depth)
	return nil
}

// pipeline writes over WebSockets.
func (w *writers) pipeline(ctx context.Context, d time.Duration) load.Outcome {
	return load.Loop(ctx, len(w.socks)*w.depth, d, func(ctx context.Context, worker int) (time.Duration, error) {
		body := w.body(worker)
		began := time.Now()
		err := w.socks[worker%len(w.socks)].Do(ctx, body, created)
		w.count(worker%len(w.socks), err)
		return time.Since(began), err
	})
}

func (w *writers) count(connection int, err error) {
	t := &w.tally[connection%len(w.tally)]
	if err != nil {
		t.failed.Add(int64(w.records))
		return
	}
	t.acknowledged.Add(int64(w.records))
}

// verify asks each owner's number of records. What failed may have been written.
func (w *writers) verify(ctx context.Context) error {
	for i, owner := range w.owners {
		v, err := view(ctx, endpoints(w.service)[0], owner)
		if err != nil {
			return err
		}
		least := w.tally[i].acknowledged.Load()
		most := least + w.tally[i].failed.Load()
		if v.RecordCount < least || v.RecordCount > most || v.Head < least {
			return fmt.Errorf("an owner has %d records and head %d; %d were acknowledged, %d failed",
				v.RecordCount, v.Head, least, most-least)
		}
	}
	return nil
}

// viewer is what an owner has.
type viewer struct {
	RecordCount, Head int64
	Cursor            string
}

func view(ctx context.Context, endpoint *url.URL, owner load.Owner) (viewer, error) {
	answer, err := call(ctx, endpoint, owner, load.Viewer())
	if err != nil {
		return viewer{}, err
	}
	var v struct{ Data struct{ Viewer viewer } }
	err = json.Unmarshal(answer, &v)
	return v.Data.Viewer, err
}

func (w *writers) close() {
	load.CloseAll(w.conns)
	load.CloseAll(w.socks)
}
