package workload

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"syncline/bench/load"
	"syncline/bench/servers"
)

// syncKit is the offline-first library: a store in an SQLite file behind its
// HTTP handler, and managers that push and pull whole histories.
var syncKit = Workload{
	Name:     "synckit",
	About:    "events pushed one by one and in batches, pages of 1000, and whole histories by a manager",
	Headline: rateFigure,
	Run: func(ctx context.Context, l *Lab) error {
		if err := l.pushEvents(ctx); err != nil {
			return err
		}
		if err := l.pullEvents(ctx); err != nil {
			return err
		}
		return l.growHistories(ctx)
	},
}

// eventData is how much data an event has, in bytes.
const eventData = 256

// eventsAnswer is about how long the answer to a push is.
const eventsAnswer = 60

func (l *Lab) pushEvents(ctx context.Context) error {
	for _, events := range []int{1, 100} {
		f, err := l.startSyncKit(ctx)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("push of %d, %d connections", events, l.most())
		err = l.raceEvents(ctx, name, f, l.most(), events)
		f.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) raceEvents(ctx context.Context, name string, f *field, connections, events int) error {
	yardstick, err := plain(f.plain, connections, eventsAnswer, pushBody(events), load.Contains(load.Success))
	if err != nil {
		return err
	}
	conns := load.NewConns(targets(f.now, "/push", ""), connections)
	run := func(ctx context.Context, d time.Duration) load.Outcome {
		return load.Loop(ctx, connections, d, func(ctx context.Context, worker int) (time.Duration, error) {
			request := load.Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: pushBody(events)}
			began := time.Now()
			_, err := conns[worker].Post(ctx, request)
			return time.Since(began), err
		})
	}
	return l.race(ctx, "synckit", name, []contender{yardstick, {
		name: syncKitName, service: f.now, run: run, close: func() { load.CloseAll(conns) },
	}})
}

const syncKitName = "synckit, SQLite"

// startSyncKit starts a server of the library beside the yardstick.
func (l *Lab) startSyncKit(ctx context.Context) (*field, error) {
	f := &field{}
	var err error
	if f.plain, err = l.Builder.Start(ctx, servers.Spec{Program: servers.Plain}); err == nil {
		f.now, err = l.Builder.Start(ctx, servers.Spec{Program: servers.SyncKit})
	}
	if err != nil {
		f.stop()
	}
	return f, err
}

// pushBody is a push of new events.
func pushBody(events int) []byte {
	var b bytes.Buffer
	b.WriteByte('[')
	for i := range events {
		if i > 0 {
			b.WriteByte(',')
		}
		data := base64.StdEncoding.EncodeToString(load.RandomData(eventData * 3 / 4))
		fmt.Fprintf(&b, `{"event":{"id":"%s","type":"Measured","aggregate_id":"a%d","data":"%s"}}`, rand.Text(), i, data)
	}
	b.WriteByte(']')
	return b.Bytes()
}

// pullEvents reads pages of the newest thousand.
func (l *Lab) pullEvents(ctx context.Context) error {
	f, err := l.startSyncKit(ctx)
	if err != nil {
		return err
	}
	defer f.stop()
	push := load.NewConns(targets(f.now, "/push", ""), 1)[0]
	defer push.Close()
	for range pageRecords / 100 {
		if _, err := push.Post(ctx, load.Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: pushBody(100)}); err != nil {
			return err
		}
	}
	conns := load.NewConns(targets(f.now, "/pull", ""), l.middling())
	query := fmt.Sprintf("cursor=&limit=%d", pageRecords)
	page, err := conns[0].Get(ctx, query)
	if err != nil {
		return err
	}
	if n := bytes.Count(page, []byte(`"event"`)); n != pageRecords {
		return fmt.Errorf("a page has %d events", n)
	}
	yardstick, err := plain(f.plain, l.middling(), len(page), nil, load.Contains(load.Success))
	if err != nil {
		return err
	}
	run := func(ctx context.Context, d time.Duration) load.Outcome {
		return load.Loop(ctx, len(conns), d, func(ctx context.Context, worker int) (time.Duration, error) {
			began := time.Now()
			_, err := conns[worker].Get(ctx, query)
			return time.Since(began), err
		})
	}
	return l.race(ctx, "synckit", fmt.Sprintf("pull of %d, %d connections", pageRecords, l.middling()), []contender{yardstick, {
		name: syncKitName, service: f.now, run: run, close: func() { load.CloseAll(conns) },
	}})
}
