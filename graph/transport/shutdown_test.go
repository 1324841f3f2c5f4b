package transport_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"syncline/graph/object"
	"syncline/graph/transport"
)

func TestShutdown(t *testing.T) {
	t.Parallel()
	started, release, retired := make(chan struct{}), make(chan struct{}), make(chan struct{})
	f := serve(t, &api{
		lock: func(_ context.Context, name string) (*object.Lock, error) {
			close(started)
			<-release
			return &object.Lock{Name: name}, nil
		},
		lockChanged: func(ctx context.Context, name string) (<-chan *object.Lock, error) {
			if name == "busy" {
				context.AfterFunc(ctx, func() { close(retired) })
			}
			return emit(ctx, nil, name), nil
		},
	}, transport.Config{Drain: 20 * time.Millisecond})

	idle, fresh := f.open(), f.dial()
	watching := f.open()
	watching.subscribe("1", watchA)
	watching.expect(next("1", changedToA))
	busy := f.open()
	busy.subscribe("w", `subscription { lockChanged(name: "busy") { name } }`)
	busy.expect(next("w", `{"data":{"lockChanged":{"name":"busy"}}}`))
	busy.subscribe("1", queryLock)
	receive(t, "the query runs", started)
	events := f.stream(watchA)
	events.expect("next", changedToA)

	done := make(chan error, 1)
	go func() { done <- f.transports.Shutdown(t.Context()) }()
	idle.expectClose(1012)
	fresh.expectClose(1012)
	// No complete: that would tell the client that there is no more.
	if got, err := watching.next(); err == nil {
		t.Errorf("got %s", got)
	}
	events.expectEnd()

	if got := f.post(`{__typename}`); got.status != 200 {
		t.Errorf("a query by POST: %d, but http.Server decides that", got.status)
	}
	r := f.request(`{"query":"{__typename}"}`, "Accept", "text/event-stream")
	if got := f.do(r); got.status != 503 || got.code(t) != "UNAVAILABLE" || got.header.Get("Retry-After") != "1" {
		t.Errorf("a new stream: %d %s", got.status, got.body)
	}
	r = f.request("", "Connection", "Upgrade", "Upgrade", "websocket")
	r.Method = "GET"
	if got := f.do(r); got.status != 503 || got.code(t) != "UNAVAILABLE" {
		t.Errorf("a new socket: %d %s", got.status, got.body)
	}

	receive(t, "the busy connection ends its subscription", retired)
	close(release) // what ran is answered before its socket goes
	busy.expect(next("1", lockIsA), complete("1"))
	busy.expectClose(1012)
	if err := receive(t, "Shutdown returned", done); err != nil {
		t.Error(err)
	}
}

func TestShutdownGivesUpInTime(t *testing.T) {
	t.Parallel()
	started, ended := make(chan struct{}), make(chan struct{})
	f := serve(t, &api{lock: func(ctx context.Context, _ string) (*object.Lock, error) {
		close(started)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}}, transport.Config{Drain: time.Minute})
	p := f.open()
	p.subscribe("1", queryLock)
	receive(t, "the query runs", started)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.transports.Shutdown(ctx); err == nil {
		t.Error("no error, though a query ran")
	}
	receive(t, "the query was cancelled", ended)
}

// TestShutdownWaitsForResolvers holds also for those whose client is gone.
func TestShutdownWaitsForResolvers(t *testing.T) {
	t.Parallel()
	started, release := make(chan struct{}), make(chan struct{})
	f := serve(t, &api{setRecord: func(context.Context, string) error {
		close(started)
		<-release
		return nil
	}}, transport.Config{})
	p := f.open()
	p.subscribe("1", setA)
	receive(t, "the mutation runs", started)
	_ = p.conn.Close()
	eventually(t, "the socket is closed", func() bool { return f.sockets.open.Load() == 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := f.transports.Shutdown(ctx); err == nil {
		t.Error("Shutdown returned while a mutation ran")
	}
	close(release)
	if err := f.transports.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// A mutation that runs when the shutdown begins is answered, whatever carries it.
func TestShutdownAnswersMutationsOfStreams(t *testing.T) {
	t.Parallel()
	started, release := make(chan struct{}), make(chan struct{})
	f := serve(t, &api{
		setRecord: func(ctx context.Context, _ string) error {
			close(started)
			<-release
			return ctx.Err()
		},
		lockChanged: func(ctx context.Context, name string) (<-chan *object.Lock, error) { return emit(ctx, nil, name), nil },
	}, transport.Config{})
	answered := make(chan reply, 1)
	go func() { answered <- f.post(setA, "Accept", "text/event-stream") }()
	receive(t, "the mutation runs", started)
	watching := f.stream(watchA) // ends with the shutdown
	watching.expect("next", changedToA)
	over := make(chan error, 1)
	go func() { over <- f.transports.Shutdown(t.Context()) }()
	watching.expectEnd()
	close(release)
	if got := receive(t, "the answer", answered); !strings.Contains(got.body, "SUCCESS") {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	if err := receive(t, "the end", over); err != nil {
		t.Error(err)
	}
}
