package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"syncline/graph/object"
	"syncline/graph/transport"
)

// events reads an event stream.
type events struct {
	t    *testing.T
	body io.ReadCloser
	scan *bufio.Reader
	end  context.CancelFunc
}

// stream opens a stream; extensions is raw JSON, if any.
func (f *fixture) stream(query string, extensions ...string) *events {
	f.t.Helper()
	quoted, _ := json.Marshal(query)
	body := `{"query":` + string(quoted)
	if extensions != nil {
		body += `,"extensions":` + extensions[0]
	}
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	f.t.Cleanup(cancel)
	resp, err := f.server.Client().Do(f.request(body+"}", "Accept", "text/event-stream").WithContext(ctx))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = resp.Body.Close() })
	if media := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || media != "text/event-stream" {
		f.t.Fatalf("got %d, %s", resp.StatusCode, media)
	}
	if cache := resp.Header.Get("Cache-Control"); cache != "no-store, no-transform" {
		f.t.Errorf("Cache-Control: %q", cache)
	}
	return &events{f.t, resp.Body, bufio.NewReader(resp.Body), cancel}
}

// read answers the lines of one event, a comment too.
func (e *events) read() (string, error) {
	var lines strings.Builder
	for {
		line, err := e.scan.ReadString('\n')
		if err != nil || line == "\n" {
			return lines.String(), err
		}
		lines.WriteString(line)
	}
}

// expect reads the next event, past comments.
func (e *events) expect(event, data string) {
	e.t.Helper()
	want := "event: " + event + "\ndata:"
	if data != "" {
		want += " " + data
	}
	for {
		got, err := e.read()
		if err != nil {
			e.t.Fatal(err)
		}
		if strings.HasPrefix(got, ":") {
			continue
		}
		if got != want+"\n" {
			e.t.Fatalf("got  %q\nwant %q", got, want)
		}
		return
	}
}

// expectEnd is the end of the answer, without complete.
func (e *events) expectEnd() {
	e.t.Helper()
	if got, err := e.read(); !errors.Is(err, io.EOF) || got != "" {
		e.t.Fatalf("got %q, %v", got, err)
	}
}

func TestEventStream(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{lockChanged: func(ctx context.Context, name string) (<-chan *object.Lock, error) {
		switch name {
		case "refused":
			return nil, codedError{"CURSOR_TOO_OLD", map[string]any{"floor": 7}}
		case "unavailable":
			return nil, codedError{code: "UNAVAILABLE"}
		}
		return emit(ctx, codedError{code: "EPOCH_MISMATCH"}, name), nil
	}}, transport.Config{})
	for _, c := range []struct {
		name, query string
		want        []string // of next
	}{
		{"query", queryLock, []string{lockIsA}},
		{"mutation", setA, []string{`{"data":{"setRecord":{"status":"SUCCESS"}}}`}},
		{"refused by validation", `{ nothing }`, []string{`{"errors":[{"message":"Cannot query field \"nothing\" on type \"Query\".","locations":[{"line":1,"column":3}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}`}},
		{"subscription that fails", watchA, []string{changedToA, `{"errors":[{"message":"EPOCH_MISMATCH","path":["lockChanged"],"extensions":{"code":"EPOCH_MISMATCH"}}]}`}},
		{"subscription that is refused", `subscription { lockChanged(name: "refused") { name } }`, []string{`{"errors":[{"message":"CURSOR_TOO_OLD","path":["lockChanged"],"locations":[{"line":1,"column":16}],"extensions":{"code":"CURSOR_TOO_OLD","floor":7}}]}`}},
		{"subscription that cannot begin", `subscription { lockChanged(name: "unavailable") { name } }`, []string{`{"errors":[{"message":"UNAVAILABLE","path":["lockChanged"],"locations":[{"line":1,"column":16}],"extensions":{"code":"UNAVAILABLE"}}]}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := f.stream(c.query)
			s.t = t
			for _, data := range c.want {
				s.expect("next", data)
			}
			s.expect("complete", "")
			s.expectEnd()
		})
	}
}

func TestEventStreamResumes(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{})
	s := f.stream(`subscription { recordChanged(since: "5") { cursor } }`, `{"resume":"42"}`)
	s.expect("next", `{"data":{"recordChanged":{"cursor":"42"}}}`)
	s.expect("complete", "")
	got := f.do(f.request(`{"query":"{__typename}","extensions":{"resume":42}}`, "Accept", "text/event-stream"))
	if got.status != 400 || got.code(t) != "BAD_USER_INPUT" {
		t.Errorf("resume a number: got %d %s", got.status, got.body)
	}
}

func TestEventStreamIsAskedForFirst(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{})
	for accept, want := range map[string]string{
		"text/event-stream":                     "text/event-stream",
		"Text/Event-Stream":                     "text/event-stream",
		"text/event-stream, application/json":   "text/event-stream",
		"application/json, text/event-stream":   mediaJSON,
		"multipart/mixed, text/event-stream, *": mediaJSON,
	} {
		if got := f.post(queryLock, "Accept", accept); got.header.Get("Content-Type") != want {
			t.Errorf("%s: got %s", accept, got.header.Get("Content-Type"))
		}
	}
}

func TestEventStreamKeepsAlive(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{KeepAlive: 5 * time.Millisecond})
	s := f.stream(watchA)
	s.expect("next", changedToA)
	for range 3 {
		if got, err := s.read(); got != ":\n" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

// A stream that has nothing to say stays, however little time a write has: with
// HTTP/2 a deadline that passes would end it.
func TestSilentEventStreamOverHTTP2(t *testing.T) {
	t.Parallel()
	const writeTimeout = 50 * time.Millisecond
	silence := make(chan struct{})
	f := serve(t, &api{lockChanged: func(ctx context.Context, name string) (<-chan *object.Lock, error) {
		locks := make(chan *object.Lock)
		go func() {
			defer close(locks)
			locks <- &object.Lock{Name: name}
			<-silence
			select {
			case locks <- &object.Lock{Name: "after"}:
			case <-ctx.Done():
			}
		}()
		return locks, nil
	}}, transport.Config{WriteTimeout: writeTimeout, KeepAlive: time.Hour})
	encrypted := httptest.NewUnstartedServer(f.server.Config.Handler)
	encrypted.EnableHTTP2 = true
	encrypted.StartTLS()
	t.Cleanup(encrypted.Close)
	f.server = encrypted
	e := f.stream(`subscription { lockChanged(name: "before") { name } }`)
	e.expect("next", `{"data":{"lockChanged":{"name":"before"}}}`)
	time.AfterFunc(10*writeTimeout, func() { close(silence) })
	e.expect("next", `{"data":{"lockChanged":{"name":"after"}}}`)
	e.end()
}

func TestEventStreamEnds(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{}, 1)
	resolvers := &api{lockChanged: func(ctx context.Context, name string) (<-chan *object.Lock, error) {
		context.AfterFunc(ctx, func() { ended <- struct{}{} })
		return emit(ctx, nil, name), nil
	}}
	t.Run("when its client goes", func(t *testing.T) {
		s := serve(t, resolvers, transport.Config{}).stream(watchA)
		s.expect("next", changedToA)
		s.end()
		receive(t, "the subscription ended", ended)
	})
	t.Run("at its age", func(t *testing.T) {
		s := serve(t, resolvers, transport.Config{MaxAge: time.Second}).stream(watchA)
		s.expect("next", changedToA)
		s.expectEnd()
		receive(t, "the subscription ended", ended)
	})
	t.Run("when it may not go on", func(t *testing.T) {
		var revoked atomic.Bool
		config := transport.Config{
			RecheckInterval: 5 * time.Millisecond,
			Recheck: func(context.Context) error {
				if revoked.Load() {
					return codedError{code: "FORBIDDEN"}
				}
				return nil
			},
		}
		s := serve(t, resolvers, config).stream(watchA)
		s.expect("next", changedToA)
		revoked.Store(true)
		s.expectEnd()
		receive(t, "the subscription ended", ended)
	})
}
