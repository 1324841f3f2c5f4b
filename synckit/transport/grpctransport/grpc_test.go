package grpctransport_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"syncline/internal/cutproxy"
	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/grpctransport"
	"syncline/synckit/transport/grpctransport/synckitpb"
	"syncline/synckit/transport/grpctransport/synckitpb/synckitpbconnect"
)

// token is a client's interceptor, and a server's that lets in who has the right one.
type token string

func (k token) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		if r.Spec().IsClient {
			r.Header().Set("Authorization", string(k))
		} else if r.Header().Get("Authorization") != string(k) {
			return nil, connect.NewError(connect.CodeUnauthenticated, stderrors.New("who is it?"))
		}
		return next(ctx, r)
	}
}

func (k token) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		conn.RequestHeader().Set("Authorization", string(k))
		return conn
	}
}

func (k token) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		if conn.RequestHeader().Get("Authorization") != string(k) {
			return connect.NewError(connect.CodePermissionDenied, stderrors.New("who is it?"))
		}
		return next(ctx, conn)
	}
}

func TestInterceptorsAuthenticate(t *testing.T) {
	t.Parallel()
	s := startServer(t, grpctransport.NewServer(newStore(t), nil), connect.WithInterceptors(token("secret")))
	with := func(key token) *grpctransport.Transport {
		return connected(t, s.url(), &grpctransport.ClientOptions{Connect: []connect.ClientOption{connect.WithInterceptors(key)}})
	}
	known, stranger := with("secret"), with("guess")
	news := subscribed(t, known)
	await(t, news)
	if err := known.Push(t.Context(), newEvents(1)); err != nil {
		t.Error(err)
	}
	if events := await(t, news); len(events) != 1 {
		t.Errorf("%v", events)
	}
	_, pulled := stranger.Pull(t.Context(), nil)
	followed := stranger.Subscribe(t.Context(), func([]synckit.EventWithVersion) error { return nil })
	for _, err := range []error{stranger.Push(t.Context(), newEvents(2)), pulled, followed} {
		if errors.CodeOf(err) != errors.Unauthenticated {
			t.Errorf("%v", err)
		}
	}
}

// deadlines are those that were set last of one answer.
type deadlines struct {
	http.ResponseWriter
	mu          sync.Mutex
	read, write time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read = at
	return http.NewResponseController(d.ResponseWriter).SetReadDeadline(at)
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write = at
	return http.NewResponseController(d.ResponseWriter).SetWriteDeadline(at)
}

func (d *deadlines) Flush() { _ = http.NewResponseController(d.ResponseWriter).Flush() }

func (d *deadlines) are() (read, write time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.read, d.write
}

// A quiet stream outlives the deadlines of its server; calls have their own.
func TestDeadlinesAreLiftedForStreamsAlone(t *testing.T) {
	t.Parallel()
	const deadline = 5 * time.Second
	streams, calls := make(chan *deadlines, 10), make(chan *deadlines, 10)
	s := startServerWith(t, grpctransport.NewServer(newStore(t), &grpctransport.ServerOptions{Heartbeat: time.Hour}), func(s *http.Server) {
		s.ReadTimeout, s.WriteTimeout = deadline, deadline
		next := s.Handler
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			d := &deadlines{ResponseWriter: w}
			if r.URL.Path == synckitpbconnect.SyncServiceFollowProcedure {
				streams <- d
			} else {
				calls <- d
			}
			next.ServeHTTP(d, r)
		})
	})
	transport := connected(t, s.url(), nil)
	news := subscribed(t, transport)
	await(t, news)
	stream := await(t, streams)
	quiet := func() bool { read, write := stream.are(); return read.IsZero() && write.IsZero() }
	for ctx := soon(t); !quiet(); <-time.After(time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatal("a quiet stream has a deadline")
		}
	}
	<-time.After(deadline) // since the stream began, that of the server has passed
	if err := transport.Push(t.Context(), newEvents(1)); err != nil {
		t.Fatal(err)
	}
	if read, write := await(t, calls).are(); read.IsZero() || write.IsZero() {
		t.Errorf("a call has the deadlines %v and %v", read, write)
	}
	if events := await(t, news); len(events) != 1 {
		t.Errorf("%v", events)
	}
	if len(streams) > 0 {
		t.Error("the stream has begun again")
	}
}

// A call whose message does not arrive in time is ended.
func TestSlowCalls(t *testing.T) {
	t.Parallel()
	s := startServer(t, grpctransport.NewServer(newStore(t), &grpctransport.ServerOptions{RequestTimeout: 100 * time.Millisecond}))
	body, write := io.Pipe()
	defer write.Close()
	go fmt.Fprint(write, "\x00\x00\x00\x01\x00") // of 256 bytes nothing comes
	r, err := http.NewRequestWithContext(soon(t), http.MethodPost, s.url()+synckitpbconnect.SyncServicePushProcedure, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc-web+proto")
	res, err := http.DefaultClient.Do(r)
	if err == nil {
		res.Body.Close()
	}
	if r.Context().Err() != nil {
		t.Error("it waits for ever")
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	s := startServer(t, grpctransport.NewServer(store, &grpctransport.ServerOptions{MaxMessageBytes: 10_000, MaxEvents: 10}))
	transport := connected(t, s.url(), nil)
	events := newEvents(95) // the server takes ten at once
	events[50].Event = synckit.NewEvent("large", "T", "x", strings.Repeat("x", 8_000), nil)
	events[70].Event = synckit.NewEvent("too large", "T", "x", strings.Repeat("x", 20_000), nil)
	err := transport.Push(t.Context(), events)
	refused, ok := stderrors.AsType[*synckit.PushError](err)
	if !ok || refused.Err != nil || len(refused.Stored) != 94 || len(refused.Refused) != 1 || errors.CodeOf(refused.Refused["too large"]) != errors.TooLarge {
		t.Fatalf("%v", err)
	}
	page, err := transport.PullPage(t.Context(), "", 1000)
	if err != nil || len(page.Events) != 10 || !page.More {
		t.Errorf("%d events, %v, %v", len(page.Events), page.More, err)
	}
	small := connected(t, s.url(), &grpctransport.ClientOptions{MaxMessageBytes: 100})
	if _, err := small.PullPage(t.Context(), "", 1000); errors.CodeOf(err) != errors.TooLarge {
		t.Errorf("a page that the client does not take: %v", err)
	}
}

func TestTooManyStreams(t *testing.T) {
	t.Parallel()
	s := startServer(t, grpctransport.NewServer(newStore(t), &grpctransport.ServerOptions{MaxStreams: 1}))
	await(t, subscribed(t, connected(t, s.url(), nil)))
	client := synckitpbconnect.NewSyncServiceClient(http.DefaultClient, s.url())
	stream, err := client.Follow(soon(t), connect.NewRequest(&synckitpb.FollowRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if stream.Receive() || connect.CodeOf(stream.Err()) != connect.CodeUnavailable {
		t.Errorf("%v", stream.Err())
	}
}

// More streams than one connection of HTTP/2 holds have another one.
func TestManySubscriptions(t *testing.T) {
	t.Parallel()
	s := startServer(t, grpctransport.NewServer(newStore(t), nil))
	transport := connected(t, s.url(), nil)
	all := make([]<-chan []synckit.EventWithVersion, 260)
	for i := range all {
		all[i] = subscribed(t, transport)
	}
	for _, one := range all {
		await(t, one)
	}
	if err := transport.Push(t.Context(), newEvents(1)); err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if events := await(t, one); len(events) != 1 {
			t.Errorf("%v", events)
		}
	}
}

// blockedReader has a subscription whose handler waits until release is closed; got are the
// IDs that it is given.
func blockedReader(t *testing.T, s *server, release <-chan struct{}, many int) (got <-chan string) {
	t.Helper()
	transport := connected(t, s.url(), nil)
	blocked, ids, ended := make(chan struct{}), make(chan string, many), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		first := true
		transport.Subscribe(ctx, func(events []synckit.EventWithVersion) error {
			if first {
				first = false
				close(blocked)
				select {
				case <-release:
				case <-ctx.Done():
				}
			}
			for _, e := range events {
				ids <- e.Event.ID()
			}
			return nil
		})
	}()
	await(t, blocked)
	return ids
}

// fill stores events that are more than a stream's window holds, also when compressed.
func fill(t *testing.T, store synckit.EventStore, many int) {
	t.Helper()
	for i := range many {
		noise := make([]byte, 50_000)
		for j := range noise {
			noise[j] = byte(rand.Uint32())
		}
		if err := store.Store(t.Context(), synckit.NewEvent(fmt.Sprint("e", i), "T", "x", noise, nil), nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBlockedReadersHoldUpNobody(t *testing.T) {
	t.Parallel()
	const many, readers = 200, 3
	store := newStore(t)
	s := startServer(t, grpctransport.NewServer(store, &grpctransport.ServerOptions{MaxConcurrent: 1, RequestTimeout: time.Hour}))
	release := make(chan struct{})
	all := make([]<-chan string, readers)
	for i := range all {
		all[i] = blockedReader(t, s, release, many+1)
	}
	fill(t, store, many)
	writer := connected(t, s.url(), &grpctransport.ClientOptions{Timeout: time.Minute})
	for i := range 20 { // while pages are sent, and after
		if err := writer.Push(t.Context(), newEvents(1)); err != nil {
			t.Fatalf("push %d: %v", i, err)
		}
	}
	close(release)
	for _, got := range all {
		for i := range many {
			if id := await(t, got); id != fmt.Sprint("e", i) {
				t.Fatalf("%s, want e%d", id, i)
			}
		}
	}
}

// A reader gets all once it reads again, though the server has given up its stream meanwhile.
func TestBlockedReadersGetAll(t *testing.T) {
	t.Parallel()
	const many = 200
	store, givenUp := newStore(t), make(chan struct{}, 100)
	options := &grpctransport.ServerOptions{RequestTimeout: 2 * time.Second}
	s := startServerWith(t, grpctransport.NewServer(store, options), func(s *http.Server) {
		next := s.Handler
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			givenUp <- struct{}{}
		})
	})
	release := make(chan struct{})
	got := blockedReader(t, s, release, many)
	fill(t, store, many)
	await(t, givenUp)
	close(release)
	for i := range many {
		if id := await(t, got); id != fmt.Sprint("e", i) {
			t.Fatalf("%s, want e%d", id, i)
		}
	}
}

// Connections that break lose nothing and double nothing.
func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	s := startServer(t, grpctransport.NewServer(newStore(t), nil))
	proxy, err := cutproxy.Listen(s.address, func() int64 { return 2_000 + rand.Int64N(30_000) })
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	transport := connected(t, "http://"+proxy.Addr(), nil)
	news := subscribed(t, transport)
	await(t, news)
	const many = 200
	writer := connected(t, s.url(), nil)
	for i := range many {
		noise := make([]byte, 500) // which is not compressed
		for j := range noise {
			noise[j] = byte(rand.Uint32())
		}
		event := synckit.EventWithVersion{Event: synckit.NewEvent(fmt.Sprint("e", i), "T", "x", noise, nil)}
		if err := writer.Push(t.Context(), []synckit.EventWithVersion{event}); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < many; {
		for _, e := range await(t, news) {
			if e.Event.ID() != fmt.Sprint("e", i) {
				t.Fatalf("%s, want e%d", e.Event.ID(), i)
			}
			i++
		}
	}
	if proxy.Cuts() == 0 {
		t.Error("nothing was cut")
	}
}

// Close ends streams, so that a server can shut down.
func TestClosedServersEndTheirStreams(t *testing.T) {
	t.Parallel()
	serve := grpctransport.NewServer(newStore(t), nil)
	s := startServer(t, serve)
	await(t, subscribed(t, connected(t, s.url(), nil)))
	s.running.RegisterOnShutdown(serve.Close)
	if err := s.running.Shutdown(soon(t)); err != nil {
		t.Error(err)
	}
}

// made is a server of another make.
type made struct {
	synckitpbconnect.UnimplementedSyncServiceHandler
	push   func() (*synckitpb.PushResponse, error)
	pull   func() (*synckitpb.PullResponse, error)
	follow func(ctx context.Context, to *connect.ServerStream[synckitpb.FollowResponse]) error
}

func (m made) Push(context.Context, *connect.Request[synckitpb.PushRequest]) (*connect.Response[synckitpb.PushResponse], error) {
	answer, err := m.push()
	return connect.NewResponse(answer), err
}

func (m made) Pull(context.Context, *connect.Request[synckitpb.PullRequest]) (*connect.Response[synckitpb.PullResponse], error) {
	answer, err := m.pull()
	return connect.NewResponse(answer), err
}

func (m made) Follow(ctx context.Context, _ *connect.Request[synckitpb.FollowRequest], to *connect.ServerStream[synckitpb.FollowResponse]) error {
	return m.follow(ctx, to)
}

func startMade(t *testing.T, m made) (url string) {
	t.Helper()
	s := startServerWith(t, grpctransport.NewServer(memory.New(), nil), func(s *http.Server) {
		_, s.Handler = synckitpbconnect.NewSyncServiceHandler(m)
	})
	return s.url()
}

func encoded(t *testing.T, e *synckitpb.Event) []byte {
	t.Helper()
	text, err := proto.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What is no event does not keep others from being read, whatever it is.
func TestAPageIsReadAroundWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	events := [][]byte{
		encoded(t, &synckitpb.Event{Id: "a", Data: []byte(`1`)}),
		[]byte("\xff\xff"), []byte("\x0a\x02\xff\xfe"),
		{},
		encoded(t, &synckitpb.Event{Type: "without an id"}),
		encoded(t, &synckitpb.Event{Id: "b", Metadata: []byte(`[`)}),
		encoded(t, &synckitpb.Event{Id: "c", Version: "noon"}),
		encoded(t, &synckitpb.Event{Id: "d", Version: "7"}),
	}
	url := startMade(t, made{
		pull: func() (*synckitpb.PullResponse, error) {
			return &synckitpb.PullResponse{Events: events, Cursor: "c"}, nil
		},
		follow: func(ctx context.Context, to *connect.ServerStream[synckitpb.FollowResponse]) error {
			err := to.Send(&synckitpb.FollowResponse{Cursor: "b"})
			if err == nil {
				err = to.Send(&synckitpb.FollowResponse{Events: events, Cursor: "c"})
			}
			<-ctx.Done()
			return err
		},
	})
	transport := connected(t, url, nil)
	page, err := transport.PullPage(t.Context(), "", 100)
	if err != nil || len(page.Events) != 2 || page.Events[0].Event.ID() != "a" || page.Events[1].Event.ID() != "d" || page.Cursor != "c" {
		t.Fatalf("%+v, %v", page, err)
	}
	names := map[string]bool{}
	for _, u := range page.Unreadable {
		names[u.Name] = true
	}
	if len(page.Unreadable) != 6 || len(names) != 6 {
		t.Errorf("%d unreadable, %v", len(page.Unreadable), names)
	}
	news := subscribed(t, transport)
	await(t, news)
	if got := await(t, news); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestServersOfAnotherMake(t *testing.T) {
	t.Parallel()
	failing := func(code connect.Code, text string) func() (*synckitpb.PushResponse, error) {
		return func() (*synckitpb.PushResponse, error) { return nil, connect.NewError(code, stderrors.New(text)) }
	}
	for name, c := range map[string]struct {
		push func() (*synckitpb.PushResponse, error)
		want errors.Code
	}{
		"nothing of the events": {func() (*synckitpb.PushResponse, error) { return &synckitpb.PushResponse{}, nil }, errors.Internal},
		"a rate limit":          {failing(connect.CodeResourceExhausted, "too many requests"), errors.Unavailable},
		"away":                  {failing(connect.CodeUnavailable, "away"), errors.Unavailable},
		"late":                  {failing(connect.CodeDeadlineExceeded, "late"), errors.Timeout},
		"unknown":               {failing(connect.CodeUnimplemented, "what?"), errors.Unsupported},
		"forbidden":             {failing(connect.CodePermissionDenied, "no"), errors.Unauthenticated},
	} {
		transport := connected(t, startMade(t, made{push: c.push}), nil)
		if err := transport.Push(t.Context(), newEvents(1)); errors.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	for status, want := range map[int]errors.Code{404: errors.Unsupported, 401: errors.Unauthenticated, 429: errors.Unavailable, 502: errors.Unavailable} {
		s := startServerWith(t, grpctransport.NewServer(memory.New(), nil), func(s *http.Server) {
			s.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		})
		if err := connected(t, s.url(), nil).Push(t.Context(), newEvents(1)); errors.CodeOf(err) != want {
			t.Errorf("%d: %v, want %s", status, err, want)
		}
	}
}

// A stream that is silent is begun again.
func TestSilence(t *testing.T) {
	t.Parallel()
	calls := make(chan struct{}, 1000)
	url := startMade(t, made{follow: func(ctx context.Context, to *connect.ServerStream[synckitpb.FollowResponse]) error {
		calls <- struct{}{}
		err := to.Send(&synckitpb.FollowResponse{Cursor: "a"})
		<-ctx.Done() // when the client gives up
		return err
	}})
	subscribed(t, connected(t, url, &grpctransport.ClientOptions{Silence: 50 * time.Millisecond}))
	for range 3 {
		await(t, calls)
	}
}

// A message that does not tell where to go on ends the subscription.
func TestAMessageWithoutCursor(t *testing.T) {
	t.Parallel()
	url := startMade(t, made{follow: func(_ context.Context, to *connect.ServerStream[synckitpb.FollowResponse]) error {
		return to.Send(&synckitpb.FollowResponse{})
	}})
	err := connected(t, url, nil).Subscribe(t.Context(), func([]synckit.EventWithVersion) error { return nil })
	if errors.CodeOf(err) != errors.Unsupported {
		t.Errorf("%v", err)
	}
}
