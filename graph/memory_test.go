package graph_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncline/auth"
	"syncline/internal/budget"
	"syncline/pubsub/inproc"
	"syncline/record"
	"syncline/storage/records"
)

const wholePage = `{changes(first: 1000) {records {data} cursor hasMore}}`

// unread asks for something and reads nothing. Its kernel takes little for it.
func unread(t *testing.T, a *api, owner, query string, header ...string) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	body := fmt.Sprintf(`{"query": %q}`, query)
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\n%s\r\nContent-Type: application/json\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s", strings.Join(append(header, "Cache-Control: no-cache"), "\r\n"), ownerHeader, owner, len(body), body)
	return c
}

// eventually waits for a condition that nothing signals.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(waitLimit)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %v: %s", waitLimit, what)
		}
	}
}

// Answers that nobody reads hold no more than the budget, and not for long when
// somebody else needs it.
func TestUnreadAnswersGiveWay(t *testing.T) {
	t.Parallel()
	pool := budget.New(32 << 20)
	a := newAPI(t, options{output: pool})
	largeRecords(t, a.as("hostile"), 64)
	a.as("honest").set(t, "a", "x", 0)
	var connections []net.Conn
	for range 12 {
		connections = append(connections, unread(t, a, "hostile", wholePage))
	}
	eventually(t, "answers are held", func() bool { return pool.Used() > 4<<20 && pool.Waiting() > 0 })
	for range 5 {
		a.as("honest").ok(t, wholePage, nil).at("changes", "records", 0).is("eA==", "data")
		if pool.Used() > pool.Size() {
			t.Errorf("%d of %d bytes are used", pool.Used(), pool.Size())
		}
	}
	for _, c := range connections {
		_ = c.Close()
	}
	eventually(t, "all is given back", func() bool { return pool.Used() == 0 })
}

// Whoever is known to have little to read needs little memory for a page, and does
// not wait for those who ask for much.
func TestPagesOfSmallOwnersNeedLittle(t *testing.T) {
	t.Parallel()
	pool := budget.New(16 << 20)
	a := newAPI(t, options{output: pool})
	alice := a.as("alice")
	for i := range 20 {
		alice.set(t, fmt.Sprint(i), strings.Repeat("x", 700), 0)
	}
	alice.ok(t, wholePage, nil)
	large, err := pool.Acquire(t.Context(), 10<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer large.Release()
	alice.ok(t, `{p: changes(first: 1000) {records {a: data b: data id}}}`, nil).is("19", "p", "records", 19, "id")
	if pool.Refused() > 0 {
		t.Error("the page was refused for lack of memory")
	}
}

// What another instance wrote since an owner was read here is neither left out nor
// more than was lent for.
func TestOwnersThatGrewElsewhere(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	alice := a.as("alice")
	alice.set(t, "small", "x", 0)
	alice.ok(t, wholePage, nil)
	elsewhere := record.NewService(records.New(a.db, a.db.NewEngine()), inproc.New(), slog.New(slog.DiscardHandler))
	principal, _ := auth.FromContext(signed(t.Context(), "alice"))
	const added = 8
	for i := range added {
		write := record.Request{Kind: record.KindSet, Writes: []record.Write{{ID: fmt.Sprint("large", i), Data: make([]byte, record.MaxDataBytes)}}}
		if _, err := elsewhere.Write(t.Context(), record.Owner(principal.Key), write); err != nil {
			t.Fatal(err)
		}
	}
	first := alice.ok(t, wholePage, nil)
	first.is("true", "changes", "hasMore")
	rest := alice.ok(t, `query($c: Cursor) {changes(since: $c, first: 1000) {records {id data} hasMore}}`, vars{"c": first.at("changes", "cursor").text()})
	rest.is("false", "changes", "hasMore")
	if got := dataIn(first.v) + dataIn(rest.v); got != 1+added*record.MaxDataBytes {
		t.Errorf("%d bytes came", got)
	}
}

// A request's own memory is given back before its answer is sent, which may last.
func TestUnreadAnswersHoldNothingOfTheirRequest(t *testing.T) {
	t.Parallel()
	for name, accept := range map[string]string{"POST": "application/json", "event stream": "text/event-stream"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			input, output := budget.New(32<<20), budget.New(32<<20)
			a := newAPI(t, options{output: output, middleware: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					grant, err := input.Acquire(r.Context(), 1000)
					if err != nil {
						t.Error(err)
						return
					}
					defer grant.Release()
					next.ServeHTTP(w, r.WithContext(budget.NewContext(r.Context(), grant)))
				})
			}})
			largeRecords(t, a.as("alice"), 64)
			c := unread(t, a, "alice", wholePage, "Accept: "+accept)
			eventually(t, "only the answer is held", func() bool { return output.Used() > 4<<20 && input.Used() == 0 })
			_ = c.Close()
		})
	}
}

// A socket's next operation is not executed until its client has taken what was
// answered before.
func TestUnreadAnswersOfASocketWait(t *testing.T) {
	t.Parallel()
	pool := budget.New(256 << 20)
	a := newAPI(t, options{output: pool})
	largeRecords(t, a.as("alice"), 64)
	s := dialSocket(t, a)
	const operations = 20
	for i := range operations {
		s.send(fmt.Sprintf(`{"type": "subscribe", "id": "%d", "payload": {"query": %q}}`, i, wholePage))
	}
	most, looks := int64(0), 0
	eventually(t, "answers are held for a while", func() bool {
		most = max(most, pool.Used())
		if pool.Used() > 4<<20 {
			looks++
		}
		return looks > 200
	})
	if most > 16<<20 {
		t.Errorf("%d bytes were held for one socket", most)
	}
	s.read(2 * operations) // a next and a complete for each
	eventually(t, "all is given back", func() bool { return pool.Used() == 0 })
}

// A slow follower holds its event, not what was read ahead for it, and gets all
// in the end.
func TestSlowFollowersHoldLittle(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, *api) (read func() string){
		"WebSocket": func(t *testing.T, a *api) func() string {
			s := dialSocket(t, a)
			s.send(`{"type": "subscribe", "id": "1", "payload": {"query": "subscription {recordChanged(since: \"0\") {kind record {id data}}}"}}`)
			return func() string {
				_, text, err := s.ws.ReadMessage()
				if err != nil {
					t.Fatal(err)
				}
				return string(text)
			}
		},
		"event stream": func(t *testing.T, a *api) func() string {
			c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(a.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			body := `{"query": "subscription {recordChanged(since: \"0\") {kind record {id data}}}"}`
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n%s: alice\r\nContent-Length: %d\r\n\r\n%s", ownerHeader, len(body), body)
			r := bufio.NewReader(c)
			return func() string {
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					if data, ok := strings.CutPrefix(line, "data: "); ok {
						return data
					}
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := budget.New(32 << 20)
			a := newAPI(t, options{output: pool})
			const records = 200 // more than a kernel takes for a client that does not read
			largeRecords(t, a.as("alice"), records)
			read := open(t, a)
			eventually(t, "the event that waits counts", func() bool { return pool.Used() > 64<<10 })
			if pool.Used() > 256<<10 {
				t.Errorf("a follower holds %d bytes", pool.Used())
			}
			for i := range records {
				if text := read(); !strings.Contains(text, fmt.Sprintf(`"id":"%d"`, i)) {
					t.Fatalf("event %d is %s", i, clip(text))
				}
			}
			if text := read(); !strings.Contains(text, "CAUGHT_UP") {
				t.Fatalf("the last event is %s", clip(text))
			}
			eventually(t, "all is given back", func() bool { return pool.Used() == 0 })
		})
	}
}

// Without memory for it, an operation is refused, and its socket goes on.
func TestOperationsWithoutMemory(t *testing.T) {
	t.Parallel()
	input, output := budget.New(16<<20), budget.New(16<<20)
	a := newAPI(t, options{input: input, output: output})
	s := dialSocket(t, a)
	refused := func(id, padding string) {
		t.Helper()
		s.send(`{"id": "` + id + `", "type": "subscribe", "payload": {"query": "{viewer {id}}", "extensions": {"x": "` + padding + `"}}}`)
		_, text, err := s.ws.ReadMessage()
		for _, want := range []string{`"type":"error"`, `"id":"` + id + `"`, `"code":"UNAVAILABLE"`, `"outcome":"NOT_APPLIED"`, `"retryAfterMs":1000`} {
			if err != nil || !strings.Contains(string(text), want) {
				t.Fatalf("%s, %v, want %s", text, err, want)
			}
		}
	}
	free := fill(t, output)
	refused("answer", "")
	if got := a.as("alice").do(t, viewer, nil); got.status != http.StatusServiceUnavailable || got.refusal(t).code != "UNAVAILABLE" {
		t.Errorf("over HTTP: %d %s", got.status, got.body)
	}
	free()
	free = fill(t, input)
	refused("small", "")
	refused("larger", strings.Repeat("x", 5<<10))
	refused("large", strings.Repeat("x", 500<<10))
	free()
	s.send(`{"id": "1", "type": "subscribe", "payload": {"query": "{viewer {id}}"}}`)
	s.read(2)
	eventually(t, "all is given back", func() bool { return input.Used() == 0 && output.Used() == 0 })
}

// Writes that select little of what they may read hold little, however many there
// are in a document: they run one after the other.
func TestManyWritesOfOneDocumentHoldLittle(t *testing.T) {
	t.Parallel()
	pool := budget.New(32 << 20)
	a := newAPI(t, options{output: pool})
	takeLarge(t, pool)
	var document strings.Builder
	for i := range 50 {
		fmt.Fprintf(&document, `a%d: setRecord(input: {id: "%d", data: ""}) {status} `, i, i)
	}
	a.as("alice").ok(t, "mutation {"+document.String()+"}", nil).is("SUCCESS", "a49", "status")
}

// takeLarge takes all that there is for large grants, and tells how much that is.
func takeLarge(t *testing.T, p *budget.Pool) int64 {
	t.Helper()
	for range 6 {
		if _, err := p.Acquire(t.Context(), p.Size()/8); err != nil {
			t.Fatal(err)
		}
	}
	return p.Used()
}

// What is left of a message for which there is no memory holds none.
func TestSkippedMessagesHoldNothing(t *testing.T) {
	t.Parallel()
	input := budget.New(32 << 20)
	a := newAPI(t, options{input: input})
	s := dialSocket(t, a)
	before := takeLarge(t, input)
	refused := input.Refused()
	const size, sent = 1 << 20, 200 << 10
	frame := binary.BigEndian.AppendUint64([]byte{0x81, 0x80 | 127}, size)
	frame = append(frame, make([]byte, 4+sent)...) // masked by zeros
	if _, err := s.ws.NetConn().Write(frame); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message is refused", func() bool { return input.Refused() > refused })
	eventually(t, "nothing is held for it", func() bool { return input.Used() == before })
}

// fill takes all of a pool, for owners that hold nothing else.
func fill(t *testing.T, p *budget.Pool) (free func()) {
	t.Helper()
	var grants []*budget.Grant
	for p.Used() < p.Size() {
		g, err := p.Acquire(t.Context(), min(p.Size()/64, p.Size()-p.Used()))
		if err != nil {
			t.Fatal(err)
		}
		grants = append(grants, g)
	}
	return func() {
		for _, g := range grants {
			g.Release()
		}
	}
}
