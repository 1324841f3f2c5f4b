package wstransport_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"syncline/internal/cutproxy"
	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/wstransport"
)

func newEvents(n int) []synckit.EventWithVersion {
	events := make([]synckit.EventWithVersion, n)
	for i := range events {
		events[i].Event = synckit.NewEvent(fmt.Sprint("event-", i), "Noted", "n", i, nil)
	}
	return events
}

const greeting = `{"hello":{"max_message_bytes":100000,"max_events":10}}`

// misbehaving is a server that says what it likes after the first message.
func misbehaving(t *testing.T, hello string, answers ...string) string {
	t.Helper()
	upgrader := websocket.Upgrader{Subprotocols: []string{protocol}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		conn.WriteMessage(websocket.TextMessage, []byte(hello))
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
		for _, a := range answers {
			conn.WriteMessage(websocket.TextMessage, []byte(a))
		}
		io.Copy(io.Discard, conn.NetConn())
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestServersThatMisbehave(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		url  string
		want errors.Code
	}{
		"no greeting":             {misbehaving(t, `{}`), errors.Unsupported},
		"limits that are none":    {misbehaving(t, `{"hello":{"max_message_bytes":1,"max_events":0}}`), errors.Unsupported},
		"no JSON":                 {misbehaving(t, `<html>`), errors.Unavailable},
		"another answer":          {misbehaving(t, greeting, `{"id":1,"page":{}}`), errors.Unsupported},
		"an empty answer":         {misbehaving(t, greeting, `{"id":1}`), errors.Unsupported},
		"nobody's answer":         {misbehaving(t, greeting, `{"id":7,"pushed":{}}`), errors.Unavailable},
		"rubbish":                 {misbehaving(t, greeting, `rubbish`), errors.Unavailable},
		"a fault":                 {misbehaving(t, greeting, `{"id":1,"fault":{"code":"UNAUTHENTICATED"}}`), errors.Unauthenticated},
		"nothing of the events":   {misbehaving(t, greeting, `{"id":1,"pushed":{}}`), errors.Internal},
		"no answer":               {misbehaving(t, greeting), errors.Timeout},
		"more than it was asked":  {misbehaving(t, greeting, `{"id":1,"page":{}}`, `{"id":1,"page":{}}`, `{"id":1,"page":{}}`), errors.Unsupported},
		"larger than it may send": {misbehaving(t, greeting, `{"id":1,"pushed":{"stored":["`+strings.Repeat("x", 1<<20)+`"]}}`), errors.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := 30 * time.Second
			if c.want == errors.Timeout {
				timeout = 200 * time.Millisecond
			}
			transport := connect(t, c.url, &wstransport.ClientOptions{Timeout: timeout, MaxMessageBytes: 1 << 20})
			if err := transport.Push(t.Context(), newEvents(1)); errors.CodeOf(err) != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func TestServersThatAreNone(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]errors.Code{
		200: errors.Unsupported, 404: errors.Unsupported, 401: errors.Unauthenticated, 403: errors.Unauthenticated,
		429: errors.Unavailable, 502: errors.Unavailable, 503: errors.Unavailable,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(status)
		}))
		err := connect(t, s.URL, nil).Push(t.Context(), newEvents(1))
		if errors.CodeOf(err) != want {
			t.Errorf("%d: %v, want %s", status, err, want)
		}
		if e, ok := stderrors.AsType[*errors.Error](err); ok && want == errors.Unavailable && e.Metadata["retry_after"] != "3s" {
			t.Errorf("%d: %v", status, e.Metadata)
		}
		s.Close()
	}
	if err := connect(t, "nonsense", nil).Push(t.Context(), newEvents(1)); err == nil {
		t.Error("no error")
	}
}

func TestDeadServersAreNoticed(t *testing.T) {
	t.Parallel()
	url := misbehaving(t, greeting) // it reads, but answers no pings
	transport := connect(t, url, &wstransport.ClientOptions{PingInterval: 50 * time.Millisecond, PingTimeout: 100 * time.Millisecond})
	if err := transport.Push(t.Context(), newEvents(1)); errors.CodeOf(err) != errors.Unavailable {
		t.Errorf("%v", err)
	}
}

func TestCallsEndWithTheirContextAndTheTransport(t *testing.T) {
	t.Parallel()
	transport := connect(t, misbehaving(t, greeting), nil)
	ended := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- transport.Push(ctx, newEvents(1)) }()
	cancel()
	if err := <-ended; !stderrors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	go func() { ended <- transport.Push(t.Context(), newEvents(1)) }()
	transport.Close()
	if err := <-ended; errors.CodeOf(err) != errors.Closed {
		t.Errorf("%v", err)
	}
}

// A server, or a network, takes nothing any more: whoever gives up need not wait
// for it, neither with what is stuck nor with what comes behind.
func TestCallsEndWithTheirContextWhileNothingIsTaken(t *testing.T) {
	t.Parallel()
	upgrader := websocket.Upgrader{Subprotocols: []string{protocol}}
	begun := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		conn.WriteMessage(websocket.TextMessage, []byte(`{"hello":{"max_message_bytes":100000000,"max_events":10}}`))
		io.CopyN(io.Discard, conn.NetConn(), 1000)
		close(begun)
		<-t.Context().Done()
	}))
	t.Cleanup(s.Close)
	transport := connect(t, s.URL, nil)
	calls := []func(context.Context) error{
		func(ctx context.Context) error {
			large := synckit.NewEvent("large", "", "", strings.Repeat("x", 32<<20), nil)
			return transport.Push(ctx, []synckit.EventWithVersion{{Event: large}})
		},
		func(ctx context.Context) error {
			_, err := transport.PullPage(ctx, "", 1)
			return err
		},
		func(ctx context.Context) error {
			return transport.Subscribe(ctx, func([]synckit.EventWithVersion) error { return nil })
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, len(calls))
	for _, call := range calls {
		go func() { ended <- call(ctx) }()
		<-begun
	}
	cancel()
	late := time.After(time.Minute)
	for range calls {
		select {
		case err := <-ended:
			if !stderrors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		case <-late:
			t.Fatal("a call goes on")
		}
	}
}

func TestEventsAboveTheServersLimitAreRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t, wstransport.NewHandler(newStore(t), &wstransport.ServerOptions{MaxMessageBytes: 5000, MaxEvents: 7}))
	events := newEvents(40)
	events[20].Event = synckit.NewEvent("huge", "", "", strings.Repeat("x", 5000), nil)
	outcome, ok := stderrors.AsType[*synckit.PushError](connect(t, s.url(), nil).Push(t.Context(), events))
	if !ok || outcome.Err != nil || len(outcome.Stored) != 39 || errors.CodeOf(outcome.Refused["huge"]) != errors.TooLarge {
		t.Errorf("%+v", outcome)
	}
}

func TestHeadersGoWithTheConnection(t *testing.T) {
	t.Parallel()
	h := wstransport.NewHandler(newStore(t), nil)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	}))
	defer s.Close()
	defer h.Close()
	known := connect(t, s.URL, &wstransport.ClientOptions{Header: http.Header{"Authorization": {"Bearer secret"}}})
	if err := known.Push(t.Context(), newEvents(1)); err != nil {
		t.Error(err)
	}
	if want := strings.Replace(s.URL, "http", "ws", 1); known.Peer() != want {
		t.Errorf("peer %q, want %q", known.Peer(), want)
	}
}

// Over a network that cuts connections in the middle of messages, events are
// stored once each, and a subscriber sees each once.
func TestABadNetwork(t *testing.T) {
	t.Parallel()
	const n = 200
	s := startServer(t, wstransport.NewHandler(newStore(t), nil))
	proxy, err := cutproxy.Listen(s.address, func() int64 { return 500 + rand.Int64N(30000) })
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	reader, writer := connect(t, "ws://"+proxy.Addr(), nil), connect(t, "ws://"+proxy.Addr(), nil)

	listening, all := make(chan struct{}), make(chan struct{})
	var once sync.Once
	seen := map[string]int{}
	go reader.Subscribe(ctx, func(events []synckit.EventWithVersion) error {
		once.Do(func() { close(listening) })
		for _, e := range events {
			seen[e.Event.ID()]++
		}
		if len(seen) == n {
			close(all)
			return io.EOF
		}
		return nil
	})
	<-listening
	for _, e := range newEvents(n) {
		for {
			err := writer.Push(ctx, []synckit.EventWithVersion{e})
			if err == nil {
				break
			}
			if !errors.IsRetryable(err) || ctx.Err() != nil {
				t.Fatal(err)
			}
		}
	}
	select {
	case <-all:
	case <-ctx.Done():
		t.Fatalf("%d of %d events were seen", len(seen), n)
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s came %d times", id, times)
		}
	}
	if proxy.Cuts() == 0 {
		t.Error("nothing was cut")
	}
}

// However many managers share one transport, each hears at once of what is new.
func TestManagersBeyondAConnection(t *testing.T) {
	t.Parallel()
	s := startServer(t, wstransport.NewHandler(newStore(t), nil))
	transport := connect(t, s.url(), nil)
	live, news := make(chan struct{}), make(chan struct{})
	const many = 17
	for range many {
		store := newStore(t)
		m := synckit.NewSyncManager(store, transport, &synckit.SyncOptions{SyncInterval: time.Hour})
		t.Cleanup(func() { m.Close() })
		if err := m.StartAutoSync(t.Context()); err != nil {
			t.Fatal(err)
		}
		go func() {
			for !m.Status().Live {
				select {
				case <-time.After(10 * time.Millisecond): // nobody tells of it
				case <-t.Context().Done():
					return
				}
			}
			live <- struct{}{}
			for changed := store.Changed(); ; changed = store.Changed() {
				if there, err := store.Load(t.Context(), nil); err != nil || len(there) > 0 {
					news <- struct{}{}
					return
				}
				select {
				case <-changed:
				case <-t.Context().Done():
					return
				}
			}
		}()
	}
	for range many {
		<-live
	}
	if err := transport.Push(t.Context(), newEvents(1)); err != nil {
		t.Fatal(err)
	}
	for range many {
		<-news
	}
}

// More subscriptions than one connection holds have another one, and all are woken.
func TestSubscriptionsBeyondAConnection(t *testing.T) {
	t.Parallel()
	s := startServer(t, wstransport.NewHandler(newStore(t), nil))
	var dialled atomic.Int64
	dialer := &websocket.Dialer{NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	transport := connect(t, s.url(), &wstransport.ClientOptions{Dialer: dialer})
	const many = 2*16 + 1
	woken, ended := make(chan int, 10*many), make(chan error, many)
	ctx, stop := context.WithCancel(t.Context())
	for range many {
		go func() {
			ended <- transport.Subscribe(ctx, func(events []synckit.EventWithVersion) error {
				woken <- len(events)
				return nil
			})
		}()
	}
	await := func(want int) {
		t.Helper()
		for range many {
			if got := <-woken; got != want {
				t.Errorf("woken with %d events, want %d", got, want)
			}
		}
	}
	await(0)
	if err := transport.Push(t.Context(), newEvents(1)); err != nil {
		t.Fatal(err)
	}
	await(1)
	if n := dialled.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
	stop()
	for range many {
		if err := <-ended; !stderrors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
	if err := transport.Close(); err != nil {
		t.Error(err)
	}
	if err := transport.Subscribe(t.Context(), nil); errors.CodeOf(err) != errors.Closed {
		t.Errorf("after Close: %v", err)
	}
}
