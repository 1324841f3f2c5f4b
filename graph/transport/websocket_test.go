package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"syncline/graph/object"
	"syncline/graph/transport"
)

const (
	queryLock  = `{ lock(name: "a") { name } }`
	lockIsA    = `{"data":{"lock":{"name":"a"}}}`
	watchA     = `subscription { lockChanged(name: "a") { name } }`
	changedToA = `{"data":{"lockChanged":{"name":"a"}}}`
	setA       = `mutation { setRecord(input: {id: "a", data: "", revision: 0}) { status } }`
)

func next(id, payload string) string {
	return fmt.Sprintf(`{"type":"next","id":%q,"payload":%s}`, id, payload)
}

func complete(id string) string { return fmt.Sprintf(`{"type":"complete","id":%q}`, id) }

// TestCloseCodes is the protocol's table of misbehaviour.
func TestCloseCodes(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{MaxRequestBytes: 60_000})
	const hello = `{"type":"connection_init"}`
	subscribe := func(id string) string {
		return `{"type":"subscribe","id":"` + id + `","payload":{"query":"subscription { lockChanged(name: \"a\") { name } }"}}`
	}
	for _, c := range []struct {
		name     string
		code     int
		messages []string
	}{
		{"not JSON", 4400, []string{`hello`}},
		{"a list", 4400, []string{`[]`}},
		{"not UTF-8", 4400, []string{"{\"type\":\"ping\",\"x\":\"\xff\"}"}},
		{"no type", 4400, []string{`{}`}},
		{"type a number", 4400, []string{`{"type":1}`}},
		{"unknown type", 4400, []string{`{"type":"start"}`}},
		{"a type of the server's", 4400, []string{hello, `{"type":"next","id":"1","payload":{}}`}},
		{"ack from the client", 4400, []string{`{"type":"connection_ack"}`}},
		{"init with a payload of text", 4400, []string{`{"type":"connection_init","payload":"x"}`}},
		{"resume a list", 4400, []string{`{"type":"connection_init","payload":{"resume":[]}}`}},
		{"ping with a payload of text", 4400, []string{`{"type":"ping","payload":"x"}`}},
		{"subscribe without id", 4400, []string{hello, `{"type":"subscribe","payload":{"query":"{__typename}"}}`}},
		{"subscribe with an empty id", 4400, []string{hello, `{"type":"subscribe","id":"","payload":{"query":"{__typename}"}}`}},
		{"complete without id", 4400, []string{hello, `{"type":"complete"}`}},
		{"subscribe before init", 4401, []string{subscribe("1")}},
		{"a bad one before init", 4401, []string{`{"type":"subscribe","id":"1","payload":{"query":"\ud83d"}}`}},
		{"a bad one with an id in use", 4409, []string{hello, subscribe("1"), `{"type":"subscribe","id":"1"}`}},
		{"a bad one without a known id", 4400, []string{hello, `{"type":"subscribe","id":"\ud83d","payload":{"query":"{__typename}"}}`}},
		{"a bad one with an empty id", 4400, []string{hello, `{"type":"subscribe","id":"","payload":{"query":"\ud83d"}}`}},
		{"a bad ping", 4400, []string{hello, `{"type":"ping","payload":{"x":"\ud83d"}}`}},
		{"too large, its id after that", 1009, []string{hello, `{"type":"subscribe","payload":{"query":"` + strings.Repeat("x", 100_000) + `"},"id":"1"}`}},
		{"two inits", 4429, []string{hello, hello}},
		{"id in use", 4409, []string{hello, subscribe("1"), subscribe("1")}},
		{"the longest id in use", 4409, []string{hello, subscribe(strings.Repeat("é", 64)), subscribe(strings.Repeat("é", 64))}},
		{"an id that is too long", 4400, []string{hello, subscribe(strings.Repeat("x", 129))}},
		{"complete with one", 4400, []string{hello, `{"type":"complete","id":"` + strings.Repeat("x", 129) + `"}`}},
		{"too many JSON values", 4400, []string{hello, `{"type":"ping","payload":{"x":[` + strings.Repeat("0,", 20_000) + `0]}}`}},
		{"too many before init", 4400, []string{`{"type":"connection_init","payload":{"x":[` + strings.Repeat("0,", 2000) + `0]}}`}},
		{"too large", 1009, []string{hello, `{"type":"ping","payload":{"x":"` + strings.Repeat("x", 100_000) + `"}}`}},
		{"much too large", 1009, []string{hello, strings.Repeat("x", 4<<20)}},
		{"too large before init", 1009, []string{strings.Repeat(" ", 30_000)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := f.dial()
			p.t = t
			p.send(c.messages...)
			p.expectClose(c.code)
		})
	}
	t.Run("binary", func(t *testing.T) {
		t.Parallel()
		p := f.dial()
		if err := p.conn.WriteMessage(websocket.BinaryMessage, []byte(hello)); err != nil {
			t.Fatal(err)
		}
		p.expectClose(4400)
	})
	for _, protocols := range [][]string{{}, {"graphql-ws"}, {"GRAPHQL-TRANSPORT-WS"}} {
		t.Run(fmt.Sprint("subprotocols ", protocols), func(t *testing.T) {
			t.Parallel()
			f.dial(protocols...).expectClose(4406)
		})
	}
	t.Run("the older subprotocol beside", func(t *testing.T) {
		t.Parallel()
		p := f.dial("graphql-ws", "graphql-transport-ws")
		if got := p.conn.Subprotocol(); got != "graphql-transport-ws" {
			t.Errorf("chose %q", got)
		}
	})
}

func TestInitTimeout(t *testing.T) {
	t.Parallel()
	waiting := make(chan struct{})
	f := serve(t, &api{}, transport.Config{
		InitTimeout: 50 * time.Millisecond,
		Init: func(ctx context.Context, _ *http.Request, _ map[string]any) (context.Context, error) {
			close(waiting)
			<-ctx.Done() // a database that does not answer
			return nil, ctx.Err()
		},
	})
	f.dial().expectClose(4408)
	p := f.dial()
	p.send(`{"type":"connection_init"}`)
	p.expectClose(4408)
	receive(t, "Init was asked", waiting)
}

func TestFewAreNotLetIn(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{MaxUnacknowledged: 2})
	first := f.dial()
	second := f.dial()
	url := "ws" + strings.TrimPrefix(f.server.URL, "http")
	_, resp, err := dialer.Dial(url, nil)
	if err == nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" {
		t.Fatalf("one too many: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	first.send(`{"type":"connection_init"}`)
	first.expect(`{"type":"connection_ack"}`)
	_ = second.conn.Close()
	eventually(t, "both places are free", func() bool {
		one, _, err := dialer.Dial(url, nil)
		if err != nil {
			return false
		}
		defer one.Close()
		two, _, err := dialer.Dial(url, nil)
		if err != nil {
			return false
		}
		_ = two.Close()
		return true
	})
}

// Sockets that never say whose they are leave places for those of other addresses.
func TestOneAddressCannotKeepOthersFromBeingLetIn(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{MaxUnacknowledged: 8})
	url := "ws" + strings.TrimPrefix(f.server.URL, "http")
	dial := func(from string) (*websocket.Conn, *http.Response, error) {
		return dialer.Dial(url, http.Header{addressHeader: {from}})
	}
	open := func(from string) *websocket.Conn {
		t.Helper()
		conn, _, err := dial(from)
		if err != nil {
			t.Fatalf("from %s: %v", from, err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	// Two of the 8 places are an address's; a client of IPv6 has a /64.
	first := open("2001:db8::1")
	open("2001:db8::2")
	_, resp, err := dial("2001:db8::3")
	if err == nil {
		t.Fatal("a third of one network is let in")
	}
	answer, readErr := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if readErr != nil || resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "1" || !strings.Contains(string(answer), "RATE_LIMITED") {
		t.Errorf("a third of one network: %v, %s", resp, answer)
	}
	open("2001:db8:0:1::1")
	open("192.0.2.1")

	// Who is let in gives the place back, and so does who leaves.
	admitted := &peer{t, first}
	admitted.send(`{"type":"connection_init"}`)
	admitted.expect(`{"type":"connection_ack"}`)
	_ = open("2001:db8::4").Close()
	eventually(t, "the place of one that left is free", func() bool {
		conn, _, err := dial("2001:db8::5")
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
}

// refusedError closes as it says.
type refusedError struct {
	code   int
	reason string
}

func (e refusedError) Error() string        { return e.reason }
func (e refusedError) Close() (int, string) { return e.code, e.reason }

func TestInit(t *testing.T) {
	t.Parallel()
	type userKey struct{}
	f := serve(t, &api{
		lock: func(ctx context.Context, _ string) (*object.Lock, error) {
			user, _ := ctx.Value(userKey{}).(string)
			return &object.Lock{Name: user}, nil
		},
	}, transport.Config{
		Init: func(ctx context.Context, r *http.Request, payload map[string]any) (context.Context, error) {
			if r.URL.Path != "/" {
				return nil, errors.New("not this path")
			}
			switch payload["user"] {
			case nil:
				return nil, errors.New("who are you")
			case "late":
				return nil, refusedError{4403, `{"code":"SIGNATURE_EXPIRED"}`}
			case "down":
				return nil, fmt.Errorf("init: %w", refusedError{1013, `{"code":"UNAVAILABLE"}`})
			case "panic":
				panic("in Init")
			}
			return context.WithValue(ctx, userKey{}, payload["user"]), nil
		},
	})
	t.Run("let in", func(t *testing.T) {
		t.Parallel()
		p := f.dial()
		p.send(`{"type":"connection_init","payload":{"user":"anna"}}`)
		p.expect(`{"type":"connection_ack"}`)
		p.subscribe("1", queryLock)
		p.expect(next("1", `{"data":{"lock":{"name":"anna"}}}`), complete("1"))
	})
	for _, c := range []struct {
		payload string
		code    int
		reason  string
	}{
		{`{}`, 4403, "Forbidden"},
		{`null`, 4403, "Forbidden"},
		{`{"user":"late"}`, 4403, `{"code":"SIGNATURE_EXPIRED"}`},
		{`{"user":"down"}`, 1013, `{"code":"UNAVAILABLE"}`},
		{`{"user":"panic"}`, 1011, "internal error"},
	} {
		t.Run(c.payload, func(t *testing.T) {
			t.Parallel()
			p := f.dial()
			p.send(`{"type":"connection_init","payload":` + c.payload + `}`)
			if reason := p.expectClose(c.code); reason != c.reason {
				t.Errorf("reason %q, want %q", reason, c.reason)
			}
		})
	}
}

func TestPingPong(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{})
	p := f.dial()
	p.send(`{"type":"ping"}`, `{"type":"pong"}`, `{"type":"pong","payload":{"a":1}}`, `{"type":"ping","payload":{"a":9007199254740993}}`)
	p.expect(`{"type":"pong"}`, `{"type":"pong","payload":{"a":9007199254740993}}`)
	p.send(`{"type":"connection_init"}`, `{"type":"ping"}`)
	p.expect(`{"type":"connection_ack"}`, `{"type":"pong"}`)
}

func TestServerPings(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{KeepAlive: 20 * time.Millisecond, PongTimeout: 2 * time.Second})

	answering := f.open()
	pinged := make(chan struct{}, 1000)
	answering.conn.SetPingHandler(func(data string) error {
		pinged <- struct{}{}
		return answering.conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(waitLimit))
	})
	silent := f.open()
	silent.conn.SetPingHandler(func(string) error { return nil })

	gone := make(chan error, 1)
	go func() {
		_, _, err := silent.conn.ReadMessage()
		gone <- err
	}()
	answers := make(chan string, 1)
	go func() {
		_, data, _ := answering.conn.ReadMessage()
		answers <- string(data)
	}()
	if err := receive(t, "the silent peer is cut off", gone); err == nil {
		t.Error("the silent peer got a message")
	}
	receive(t, "a ping", pinged)
	answering.subscribe("1", queryLock)
	if got := receive(t, "the answering peer is served", answers); got != next("1", lockIsA) {
		t.Errorf("got %s", got)
	}
	_ = answering.conn.Close()
}

func TestOperationsOverWebSocket(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{
		record: func(context.Context, string) (*object.Record, error) { return nil, codedError{code: "RATE_LIMITED"} },
		lockChanged: func(ctx context.Context, name string) (<-chan *object.Lock, error) {
			switch name {
			case "refused":
				return nil, codedError{"CURSOR_TOO_OLD", map[string]any{"floor": 7}}
			case "overtaken":
				return emit(ctx, codedError{"CURSOR_TOO_OLD", map[string]any{"floor": 8}}, "x"), nil
			case "finite":
				names := make(chan *object.Lock)
				close(names)
				return names, nil
			}
			return emit(ctx, nil, name), nil
		},
	}, transport.Config{})
	for _, c := range []struct {
		name, query string
		want        []string
	}{
		{"query", queryLock, []string{next("1", lockIsA), complete("1")}},
		{"mutation", setA, []string{next("1", `{"data":{"setRecord":{"status":"SUCCESS"}}}`), complete("1")}},
		{"failed field", `{ record(id: "a") { id } }`, []string{next("1", `{"errors":[{"message":"RATE_LIMITED","path":["record"],"locations":[{"line":1,"column":3}],"extensions":{"code":"RATE_LIMITED"}}],"data":{"record":null}}`), complete("1")}},
		{"refused by validation", `{ nothing }`, []string{`{"type":"error","id":"1","payload":[{"message":"Cannot query field \"nothing\" on type \"Query\".","locations":[{"line":1,"column":3}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}`}},
		{"refused before fields", `query Early { __typename }`, []string{`{"type":"error","id":"1","payload":[{"message":"sign","extensions":{"code":"UNAUTHENTICATED"}}]}`}},
		{"refused around the operation", `subscription Late { lockChanged(name: "a") { name } }`, []string{`{"type":"error","id":"1","payload":[{"message":"sign","extensions":{"code":"UNAUTHENTICATED"}}]}`}},
		{"number out of range", `{ changes(since: 99999999999999999999) { head } }`, []string{`{"type":"error","id":"1","payload":[{"message":"a number in the document is out of range","extensions":{"code":"BAD_USER_INPUT"}}]}`}},
		{"subscription that ends", `subscription { lockChanged(name: "finite") { name } }`, []string{complete("1")}},
		{"subscription that is refused", `subscription { lockChanged(name: "refused") { name } }`, []string{`{"type":"error","id":"1","payload":[{"message":"CURSOR_TOO_OLD","path":["lockChanged"],"locations":[{"line":1,"column":16}],"extensions":{"code":"CURSOR_TOO_OLD","floor":7}}]}`}},
		{"subscription that fails", `subscription { lockChanged(name: "overtaken") { name } }`, []string{next("1", `{"data":{"lockChanged":{"name":"x"}}}`), `{"type":"error","id":"1","payload":[{"message":"CURSOR_TOO_OLD","path":["lockChanged"],"extensions":{"code":"CURSOR_TOO_OLD","floor":8}}]}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := f.open()
			p.t = t
			for range 2 { // an id is free when its operation is over
				p.subscribe("1", c.query)
				p.expect(c.want...)
			}
		})
	}
}

func TestCompleteFromTheClient(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	f := serve(t, &api{lockChanged: func(ctx context.Context, name string) (<-chan *object.Lock, error) {
		if name != "a" {
			return emit(ctx, nil, name), nil
		}
		context.AfterFunc(ctx, func() { close(ended) })
		return emit(ctx, nil, name), nil
	}}, transport.Config{})
	p := f.open()
	p.send(complete("nobody"))
	p.subscribe("1", watchA)
	p.expect(next("1", changedToA))
	p.send(complete("1"))
	p.subscribe("1", `subscription { lockChanged(name: "b") { name } }`) // the id is free at once
	p.expect(next("1", `{"data":{"lockChanged":{"name":"b"}}}`))
	receive(t, "the first subscription ended", ended)
	p.send(`{"type":"ping"}`)
	p.expect(`{"type":"pong"}`) // and nothing of the first one came
}

func TestPipelinedOperationsInterleave(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	f := serve(t, &api{lock: func(_ context.Context, name string) (*object.Lock, error) {
		if name == "slow" {
			<-release
		}
		return &object.Lock{Name: name}, nil
	}}, transport.Config{MaxOperations: 51})
	p := f.open()
	p.subscribe("slow", `{ lock(name: "slow") { name } }`)
	for i := range 50 {
		p.subscribe(fmt.Sprint(i), queryLock)
	}
	seen := map[string]bool{}
	for range 100 {
		seen[p.read()] = true
	}
	for i := range 50 {
		if id := fmt.Sprint(i); !seen[next(id, lockIsA)] || !seen[complete(id)] {
			t.Errorf("operation %s was not answered", id)
		}
	}
	close(release)
	p.expect(next("slow", `{"data":{"lock":{"name":"slow"}}}`), complete("slow"))
}

func TestOperationsAreCapped(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{MaxOperations: 2})
	p := f.open()
	p.subscribe("1", watchA)
	p.expect(next("1", changedToA))
	p.subscribe("2", watchA)
	p.expect(next("2", changedToA))
	refused := `{"type":"error","id":"3","payload":[{"message":"too many operations on this connection","extensions":{"code":"RATE_LIMITED","retryAfterMs":1000}}]}`
	p.subscribe("3", watchA)
	p.expect(refused)
	p.subscribe("3", queryLock)
	p.expect(refused)
	p.send(complete("1"))
	// The place is free when the operation's resolver is done.
	eventually(t, "a place is free", func() bool {
		p.subscribe("3", queryLock)
		return p.read() == next("3", lockIsA)
	})
	p.expect(complete("3"))
	for range 20 { // a place is free before the client can know
		p.subscribe("4", queryLock)
		p.expect(next("4", lockIsA), complete("4"))
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{})
	feed := func(cursor string) string { return `{"data":{"recordChanged":{"cursor":"` + cursor + `"}}}` }
	const follow = `subscription { recordChanged(since: "5") { cursor } }`
	p := f.dial()
	p.send(`{"type":"connection_init","payload":{"resume":{"1":"42"}}}`)
	p.expect(`{"type":"connection_ack"}`)
	p.subscribe("2", follow)
	p.expect(next("2", feed("5")), complete("2"))
	p.subscribe("1", follow)
	p.expect(next("1", feed("42")), complete("1"))
	p.subscribe("1", follow) // only the first with that id
	p.expect(next("1", feed("5")), complete("1"))
}

func TestForeignOrigin(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{CheckOrigin: func(r *http.Request) bool {
		return r.Header.Get("Origin") == "https://app.example"
	}})
	url := strings.Replace(f.server.URL, "http", "ws", 1)
	for origin, status := range map[string]int{"https://app.example": 101, "https://evil.example": 403, "": 403} {
		conn, resp, err := dialer.Dial(url, http.Header{"Origin": {origin}})
		if resp == nil {
			t.Fatal(err)
		}
		if resp.StatusCode != status {
			t.Errorf("%q: got %d, want %d", origin, resp.StatusCode, status)
		}
		if status == 403 && resp.Header.Get("Content-Type") != mediaGraphQL {
			t.Errorf("Content-Type: %s", resp.Header.Get("Content-Type"))
		}
		if conn != nil {
			_ = conn.Close()
		}
	}
}

func TestBadHandshake(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{})
	r := f.request("", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "12")
	r.Method = http.MethodGet
	if got := f.do(r); got.status != 400 || got.code(t) != "BAD_USER_INPUT" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestRecheckEndsConnection(t *testing.T) {
	t.Parallel()
	revoked := make(chan struct{})
	f := serve(t, &api{}, transport.Config{
		RecheckInterval: 5 * time.Millisecond,
		Recheck: func(context.Context) error {
			select {
			case <-revoked:
				return refusedError{4403, `{"code":"FORBIDDEN"}`}
			default:
				return nil
			}
		},
	})
	p := f.open()
	p.subscribe("1", watchA)
	p.expect(next("1", changedToA))
	close(revoked)
	if reason := p.expectClose(4403); reason != `{"code":"FORBIDDEN"}` {
		t.Errorf("reason %q", reason)
	}
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{MaxAge: 50 * time.Millisecond})
	p := f.open()
	p.subscribe("1", watchA)
	p.expectClose(1012)
}

// TestMalformedInitLeavesNothing runs alone: it counts what is left.
func TestMalformedInitLeavesNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	f := serve(t, &api{}, transport.Config{})
	malformed := []string{`{"type":"connection_init","payload":1}`, `{"type":"connection_init"`, `{"type":"connection_init","payload":{"resume":1}}`, `{`}
	for i := range 200 {
		p := f.dial()
		p.send(malformed[i%len(malformed)])
		p.expectClose(4400)
		_ = p.conn.Close()
	}
	eventually(t, "all sockets are closed", func() bool { return f.sockets.open.Load() == 0 })
	f.server.Close()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}

// TestAbandonedSocketsLeaveNothing is for peers that go without a word.
func TestAbandonedSocketsLeaveNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	f := serve(t, &api{}, transport.Config{})
	for range 20 {
		p := f.open()
		p.subscribe("1", watchA)
		p.expect(next("1", changedToA))
		_ = p.conn.NetConn().Close()
	}
	eventually(t, "all sockets are closed", func() bool { return f.sockets.open.Load() == 0 })
	f.server.Close()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}
