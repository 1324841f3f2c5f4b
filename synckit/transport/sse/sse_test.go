package sse_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/sse"
	"syncline/synckit/version"
)

func put(t *testing.T, store synckit.EventStore, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := store.Store(t.Context(), synckit.NewEvent(id, "T", "x", id, nil), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// stream is an answer as a browser reads it.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
}

func open(t *testing.T, address string, query url.Values, header http.Header) (*stream, *http.Response) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	res, err := ownConnections(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return &stream{t, bufio.NewScanner(res.Body)}, res
}

// message waits for the next message.
func (s *stream) message() {
	s.t.Helper()
	for !strings.HasPrefix(s.lines.Text(), "data: ") {
		if !s.lines.Scan() {
			s.t.Fatalf("the stream has ended: %v", s.lines.Err())
		}
	}
}

// ids reads messages until there are so many events, and the id of the last message.
func (s *stream) ids(events int) (ids, last string) {
	s.t.Helper()
	var got []string
	for len(got) < events || last == "" {
		if !s.lines.Scan() {
			s.t.Fatalf("the stream has ended after %v: %v", got, s.lines.Err())
		}
		line := s.lines.Text()
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			last = id
		}
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			var m struct {
				Events []struct {
					Event struct{ ID string }
				}
				NextCursor cursor.WireCursor `json:"next_cursor"`
			}
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				s.t.Fatalf("%s: %v", text, err)
			}
			for _, e := range m.Events {
				got = append(got, e.Event.ID)
			}
		}
	}
	return strings.Join(got, " "), last
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A stream begins at the beginning, at the end, after a position, after what a vector knows,
// or where another one has ended.
func TestWhereAStreamBegins(t *testing.T) {
	t.Parallel()
	plain := memory.New()
	store, err := version.NewVersionedStore(plain, "A", version.NewVectorClockManager())
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, "a", "b", "c")
	server := httptest.NewServer(sse.NewServer(store, nil).Handler())
	t.Cleanup(server.Close)

	all, _ := open(t, server.URL, nil, nil)
	got, last := all.ids(3)
	expect(t, got, "a b c")
	end, _ := open(t, server.URL, url.Values{"from": {"end"}}, nil)
	end.ids(0) // it stands
	position, _ := open(t, server.URL, url.Values{"cursor": {`{"kind":"integer","data":2}`}}, nil)
	got, _ = position.ids(1)
	expect(t, got, "c")
	vector, _ := open(t, server.URL, url.Values{"cursor": {`{"kind":"vector","data":{"A":1}}`}, "limit": {"1"}}, nil)
	got, _ = vector.ids(2)
	expect(t, got, "b c")
	newest, _ := open(t, server.URL, url.Values{"cursor": {`{"kind":"integer","data":3}`}}, nil)
	newest.message()
	put(t, store, "d")
	for name, s := range map[string]*stream{"all": all, "end": end, "position": position, "the last position": newest, "vector": vector} {
		if got, _ := s.ids(1); got != "d" {
			t.Errorf("%s: %q came live", name, got)
		}
	}
	again, _ := open(t, server.URL, nil, http.Header{"Last-Event-Id": {last}})
	got, _ = again.ids(1)
	expect(t, got, "d")
	again, _ = open(t, server.URL, url.Values{"cursor": {fmt.Sprintf(`{"kind":"log","data":%q}`, last)}}, nil)
	got, _ = again.ids(1)
	expect(t, got, "d")
}

func TestWhatAServerRefuses(t *testing.T) {
	t.Parallel()
	store, other := memory.New(), memory.New()
	put(t, store, "a")
	put(t, other, "b")
	server := httptest.NewServer(sse.NewServerWithOptions(store, nil, sse.ServerOptions{MaxStreams: 2}).Handler())
	t.Cleanup(server.Close)
	elsewhere := httptest.NewServer(sse.NewServer(other, nil).Handler())
	t.Cleanup(elsewhere.Close)
	s, _ := open(t, elsewhere.URL, nil, nil)
	_, lost := s.ids(1)
	for name, test := range map[string]struct {
		query  url.Values
		status int
		code   errors.Code
	}{
		"no cursor":           {url.Values{"cursor": {"x"}}, 400, errors.InvalidVersion},
		"no wire cursor":      {url.Values{"cursor": {`{"kind"`}}, 400, errors.InvalidVersion},
		"an unknown kind":     {url.Values{"cursor": {`{"kind":"other","data":1}`}}, 400, errors.InvalidVersion},
		"too large a counter": {url.Values{"cursor": {`{"kind":"vector","data":{"A":18446744073709551615}}`}}, 400, errors.InvalidVersion},
		"another's cursor":    {url.Values{"cursor": {lost}}, 410, errors.CursorLost},
		"no limit":            {url.Values{"limit": {"0"}}, 400, errors.InvalidVersion},
	} {
		_, res := open(t, server.URL, test.query, nil)
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != test.status || !strings.Contains(string(text), string(test.code)) {
			t.Errorf("%s: %s %s (%v)", name, res.Status, text, err)
		}
	}
	res, err := http.Post(server.URL, "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != http.MethodGet {
		t.Errorf("POST: %s", res.Status)
	}
	for range 2 {
		s, _ := open(t, server.URL, nil, nil)
		s.ids(1)
	}
	if _, res := open(t, server.URL, nil, nil); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("a stream too many: %s", res.Status)
	}
}

// Close ends the streams, for which a server that shuts down would wait.
func TestClosedServersEndTheirStreams(t *testing.T) {
	t.Parallel()
	store := memory.New()
	put(t, store, "a")
	handler := sse.NewServer(store, nil)
	server := httptest.NewServer(handler.Handler())
	t.Cleanup(server.Close)
	s, _ := open(t, server.URL, nil, nil)
	s.ids(1)
	handler.Close()
	for s.lines.Scan() {
	}
	put(t, store, "b") // the store is open
}

// closer closes a server while a stream is in the midst of what the log holds.
type closer struct {
	synckit.Log
	at    synckit.Position
	close func()
}

func (c *closer) Read(ctx context.Context, after synckit.Position, limit int) ([]synckit.Entry, error) {
	if after == c.at {
		c.close()
	}
	return c.Log.Read(ctx, after, limit)
}

// Streams end that have much to send still.
func TestClosedServersEndStreamsWithABacklog(t *testing.T) {
	t.Parallel()
	store := &closer{Log: memory.New(), at: 3}
	for i := range 10 {
		put(t, store, fmt.Sprint("e", i))
	}
	handler := sse.NewServer(store, nil)
	store.close = handler.Close
	server := httptest.NewServer(handler.Handler())
	t.Cleanup(server.Close)
	s, _ := open(t, server.URL, url.Values{"limit": {"1"}}, nil)
	s.ids(3)
	for s.lines.Scan() {
		if strings.Contains(s.lines.Text(), `"id":"e9"`) {
			t.Error("all of it was sent")
		}
	}
}

// A blocked reader takes nothing of a message until it is let go.
type blocked struct {
	header  http.Header
	writes  int
	waiting chan struct{}
	letGo   chan struct{}
}

func (b *blocked) Header() http.Header { return b.header }
func (b *blocked) WriteHeader(int)     {}
func (b *blocked) Flush()              {}

func (b *blocked) Write(text []byte) (int, error) {
	if b.writes++; b.writes == 2 { // after what says that the stream stands
		close(b.waiting)
		<-b.letGo
	}
	return len(text), nil
}

// A reader that takes nothing does not hold up others, while its message is small.
func TestBlockedReaders(t *testing.T) {
	t.Parallel()
	store := memory.New()
	put(t, store, "a")
	handler := sse.NewServerWithOptions(store, nil, sse.ServerOptions{MaxConcurrent: 1}).Handler()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	b := &blocked{header: http.Header{}, waiting: make(chan struct{}), letGo: make(chan struct{})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		handler.ServeHTTP(b, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	}()
	<-b.waiting
	s, _ := open(t, server.URL, nil, nil)
	got, _ := s.ids(1)
	expect(t, got, "a")
	cancel()
	close(b.letGo)
	<-ended
}

// A quiet stream shows signs of life, and one without any is begun again from where it was.
func TestSilence(t *testing.T) {
	t.Parallel()
	store := memory.New()
	quick := httptest.NewServer(sse.NewServerWithOptions(store, nil, sse.ServerOptions{Heartbeat: time.Millisecond}).Handler())
	t.Cleanup(quick.Close)
	s, _ := open(t, quick.URL, nil, nil)
	for beats := 0; beats < 3; {
		if !s.lines.Scan() {
			t.Fatal(s.lines.Err())
		}
		if s.lines.Text() == ": " {
			beats++
		}
	}
	mute := sse.NewServerWithOptions(store, nil, sse.ServerOptions{Heartbeat: time.Hour}).Handler()
	began := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- r.URL.Query().Get("from")
		mute.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	client := sse.NewClientWithOptions(server.URL, ownConnections(t), sse.ClientOptions{Silence: 100 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan string, 100)
	go func() {
		_ = client.Subscribe(ctx, func(events []synckit.EventWithVersion) error {
			for _, e := range events {
				got <- e.Event.ID()
			}
			return nil
		})
	}()
	expect(t, <-began, "end")
	for from := "end"; from == "end"; from = <-began { // after a silence, with a cursor; on a busy machine the first may be late
	}
	put(t, store, "a")
	expect(t, <-got, "a")
}

// What a client meets that is no stream of this kind ends its subscription, or is tried again
// if it may pass.
func TestServersOfAnotherMake(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status  int
		kind    string
		text    string
		want    errors.Code
		headers http.Header
	}{
		"a page":              {200, "text/html", "<html>", errors.Unsupported, nil},
		"not found":           {404, "text/plain", "none", errors.Unsupported, nil},
		"forbidden":           {403, "text/plain", "no", errors.Unauthenticated, nil},
		"our own refusal":     {501, "application/json", `{"error":{"code":"UNSUPPORTED","message":"x"}}`, errors.Unsupported, nil},
		"no JSON":             {200, "text/event-stream", "data: hello\n\n", errors.Unsupported, nil},
		"no cursor":           {200, "text/event-stream", "data: {\"events\":[]}\n\n", errors.Unsupported, nil},
		"a cursor of others":  {200, "text/event-stream", "data: {\"next_cursor\":{\"kind\":\"integer\",\"data\":7}}\n\n", errors.Unsupported, nil},
		"a fault":             {200, "text/event-stream", "data: {\"error\":{\"code\":\"UNSUPPORTED\"}}\n\n", errors.Unsupported, nil},
		"a message too large": {200, "text/event-stream", "data: " + strings.Repeat("x", 5000) + "\n\n", errors.TooLarge, nil},
		"a line for ever":     {200, "text/event-stream", strings.Repeat("x", 5000), errors.TooLarge, nil},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", test.kind)
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, test.text)
		}))
		client := sse.NewClientWithOptions(server.URL, ownConnections(t), sse.ClientOptions{MaxMessageBytes: 1000})
		err := client.Subscribe(t.Context(), func([]synckit.EventWithVersion) error { return nil })
		if errors.CodeOf(err) != test.want {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}

// Messages may come in several lines, with whatever fields and line ends beside data.
func TestMessagesInSeveralLines(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if r.URL.Query().Get("from") == "" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		_, _ = io.WriteString(w, ": hello\r\n\r\nretry: 5\r\nevent: message\r\ndata: {\"events\":[],\r\ndata:\"next_cursor\":{\"kind\":\"log\",\"data\":\"c1\"}}\r\n\r\n"+
			"id: c2\ndata: {\"events\":[{\"event\":{\"id\":\"a\",\"type\":\"T\",\"aggregate_id\":\"x\"},\"version\":\"custom\"}],\"next_cursor\":{\"kind\":\"log\",\"data\":\"c2\"}}\n\n")
	}))
	t.Cleanup(server.Close)
	client := sse.NewClientWithOptions(server.URL, ownConnections(t), sse.ClientOptions{
		Parser: func(context.Context, string) (synckit.Version, error) { return cursor.NewInteger(7), nil },
	})
	expect(t, client.Peer(), server.URL)
	var got []string
	err := client.Subscribe(t.Context(), func(events []synckit.EventWithVersion) error {
		for _, e := range events {
			got = append(got, e.Event.ID()+" "+e.Version.String())
		}
		return nil
	})
	if errors.CodeOf(err) != errors.Unsupported {
		t.Errorf("it ended with %v", err)
	}
	expect(t, strings.Join(got, ", "), "a 7")
}

func TestAClientAloneOnlySubscribes(t *testing.T) {
	t.Parallel()
	client := sse.NewClient("http://localhost:1/", nil)
	if err := client.Push(t.Context(), nil); errors.CodeOf(err) != errors.Unsupported {
		t.Errorf("push: %v", err)
	}
	if _, err := client.Pull(t.Context(), nil); errors.CodeOf(err) != errors.Unsupported {
		t.Errorf("pull: %v", err)
	}
	if _, err := cursor.MarshalWire(sse.LogCursor("c")); err != nil {
		t.Error(err)
	}
}
