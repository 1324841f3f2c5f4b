package graph_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

const recordChanged = "subscription($since: Cursor) {recordChanged(since: $since) {kind cursor record " + recordFields + "}}"

// events is a subscription over server-sent events.
type events struct {
	t    *testing.T
	ch   chan answer // closed after "complete", or when the stream breaks
	stop func()
}

func (c client) subscribe(t *testing.T, query string, variables vars, extensions vars) *events {
	t.Helper()
	resp := c.post(t, "text/event-stream", map[string]any{"query": query, "variables": variables, "extensions": extensions})
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d", resp.StatusCode)
	}
	e := &events{t: t, ch: make(chan answer), stop: func() { resp.Body.Close() }}
	t.Cleanup(e.stop)
	go e.read(bufio.NewScanner(resp.Body))
	return e
}

func (e *events) read(lines *bufio.Scanner) {
	defer close(e.ch)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var a answer
		dec := json.NewDecoder(strings.NewReader(data))
		dec.UseNumber()
		if err := dec.Decode(&a); err != nil {
			return
		}
		select {
		case e.ch <- a:
		case <-e.t.Context().Done():
			return
		}
	}
}

func (e *events) next() answer {
	e.t.Helper()
	select {
	case a, ok := <-e.ch:
		if !ok {
			e.t.Fatal("the stream has ended")
		}
		return a
	case <-time.After(waitLimit):
		e.t.Fatal("no event in time")
	}
	return answer{}
}

func (e *events) data(field string) tree {
	e.t.Helper()
	a := e.next()
	if len(a.Errors) > 0 {
		e.t.Fatalf("error %+v", a.Errors)
	}
	return tree{e.t, a.Data}.at(field)
}

// fails expects one error, and the end after it.
func (e *events) fails(code, field string) tree {
	e.t.Helper()
	a := e.next()
	if got, want := a.refusal(e.t), (refusal{0, code, field}); got != want {
		e.t.Fatalf("got %+v, want %+v", got, want)
	}
	if _, more := <-e.ch; more {
		e.t.Error("something came after the error")
	}
	return tree{e.t, a.Errors[0].Extensions}
}

func TestRecordChangedReplaysCatchesUpAndGoesOnLive(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	c := a.as("alice")
	c.set(t, "a", "1", 0)
	c.set(t, "b", "1", 0)
	c.delete(t, "a", 1)

	e := c.subscribe(t, recordChanged, vars{"since": "1"}, nil)
	b := e.data("recordChanged")
	b.is("CHANGED", "kind")
	b.is("b", "record", "id")
	gone := e.data("recordChanged")
	gone.is("a", "record", "id")
	gone.is("true", "record", "deleted")
	caughtUp := e.data("recordChanged")
	caughtUp.is("CAUGHT_UP", "kind")
	caughtUp.is("null", "record")

	a.as("bob").set(t, "not hers", "", 0)
	c.set(t, "c", "live", 0)
	live := e.data("recordChanged")
	live.is("c", "record", "id")
	live.is(b64("live"), "record", "data")
	live.is("4", "record", "revision")
	e.stop()

	c.set(t, "d", "while away", 0)
	e = c.subscribe(t, recordChanged, vars{"since": live.at("cursor").text()}, nil)
	e.data("recordChanged").is("d", "record", "id")
	e.data("recordChanged").is("CAUGHT_UP", "kind")
}

func TestRecordChangedFromNowOn(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	c.set(t, "old", "", 0)
	e := c.subscribe(t, recordChanged, nil, nil)
	e.data("recordChanged").is("CAUGHT_UP", "kind")
	c.set(t, "new", "", 0)
	e.data("recordChanged").is("new", "record", "id")
}

func TestRecordChangedFromTheBeginning(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	c.set(t, "a", "", 0)
	c.set(t, "b", "", 0)
	c.delete(t, "a", 1)
	e := c.subscribe(t, recordChanged, vars{"since": "0"}, nil)
	e.data("recordChanged").is("b", "record", "id") // without the tombstone
	e.data("recordChanged").is("CAUGHT_UP", "kind")
}

func TestResumeOverridesSince(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	c.set(t, "a", "", 0)
	c.set(t, "b", "", 0)
	e := c.subscribe(t, recordChanged, vars{"since": "0"}, vars{"resume": "1"})
	e.data("recordChanged").is("b", "record", "id")
	c.subscribe(t, recordChanged, nil, vars{"resume": "nonsense"}).fails("BAD_USER_INPUT", "resume")
}

// A client that selects no cursor, or calls it something else, resumes all the same.
func TestEachEventTellsItsCursorBesideTheData(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	c := a.as("alice")
	c.set(t, "a", "1", 0)
	const query = `subscription($since: Cursor) {feed: recordChanged(since: $since) {...on RecordChange {at: cursor kind cursor: __typename}}}`

	e := c.subscribe(t, query, vars{"since": "0"}, nil)
	for _, kind := range []string{"CHANGED", "CAUGHT_UP"} {
		event := e.next()
		tree{t, event.Data}.is(kind, "feed", "kind")
		tree{t, event.Extensions}.is(tree{t, event.Data}.at("feed", "at").text(), "cursor")
	}
	c.set(t, "b", "1", 0)
	before := e.next().Extensions["cursor"]
	e.stop()
	c.set(t, "c", "1", 0)
	e = c.subscribe(t, "subscription {recordChanged {record {id}}}", nil, vars{"resume": before})
	e.data("recordChanged").is("c", "record", "id")

	ws := dial(t, a, vars{"owner": "alice"})
	subscribe(t, ws, "feed", query, vars{"since": "2"})
	for range 2 {
		next := tree{t, readMessage(t, ws, "next").Payload}
		next.is(next.at("data", "feed", "at").text(), "extensions", "cursor")
	}
	subscribe(t, ws, "lock", `subscription {lockChanged(name: "doc") {locked}}`, nil)
	if lock, _ := readMessage(t, ws, "next").Payload.(vars); lock["data"] == nil || lock["extensions"] != nil {
		t.Errorf("a lock's event is %v", lock)
	}
}

func TestRecordChangedFailsAsChangesDoes(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	c := a.as("alice")
	c.set(t, "a", "", 0)
	cursor := c.viewer(t).at("cursor").text()
	c.subscribe(t, recordChanged, vars{"since": "9"}, nil).fails("EPOCH_MISMATCH", "").is("1", "restoredHead")
	c.subscribe(t, recordChanged, vars{"since": "nonsense"}, nil).fails("BAD_USER_INPUT", "since")
	c.subscribe(t, recordChanged, vars{"since": 1}, nil).fails("BAD_USER_INPUT", "since")

	c.set(t, "b", "", 0)
	if err := a.db.Write.Account.Update().SetFloor(2).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.subscribe(t, recordChanged, vars{"since": cursor}, nil).fails("CURSOR_TOO_OLD", "").is("2", "floor")
}

func TestALiveFeedEndsWithItsError(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	c := a.as("alice")
	c.set(t, "a", "", 0)
	e := c.subscribe(t, recordChanged, nil, nil)
	e.data("recordChanged").is("CAUGHT_UP", "kind")
	if _, err := a.db.NewEpoch(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	c.set(t, "b", "", 0)
	e.fails("EPOCH_MISMATCH", "").is("1", "restoredHead")
}

func TestLockChanged(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	c := a.as("alice")
	e := c.subscribe(t, `subscription {lockChanged(name: "doc") `+lockFields+`}`, nil, nil)
	e.data("lockChanged").is("false", "locked")

	c.lock(t, vars{"name": "doc", "instanceId": "a", "exclusive": false})
	e.data("lockChanged").is("a", "holders", 0, "instanceId")
	a.clock.Advance(time.Second)
	renewed := c.lock(t, vars{"name": "doc", "instanceId": "a", "exclusive": false}).at("expiresAt").text()
	e.data("lockChanged").is(renewed, "holders", 0, "expiresAt")
	a.clock.Advance(29 * time.Second)
	c.lock(t, vars{"name": "doc", "instanceId": "stranger", "acquire": false}) // has the lock read again: a second is left
	e.data("lockChanged").is("false", "locked")                                // it expired

	c.lock(t, vars{"name": "doc", "instanceId": "b"})
	e.data("lockChanged").is("true", "exclusive")
	c.lock(t, vars{"name": "doc", "instanceId": "b", "acquire": false})
	e.data("lockChanged").is("false", "locked")
	c.subscribe(t, `subscription {lockChanged(name: "") {name}}`, nil, nil).fails("BAD_USER_INPUT", "name")
}

func TestSubscriptionOverWebSocket(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	c := a.as("alice")
	c.set(t, "a", "", 0)
	ws := dial(t, a, vars{"owner": "alice", "resume": vars{"feed": "0"}})
	subscribe(t, ws, "feed", recordChanged, vars{"since": "1"})
	next := readMessage(t, ws, "next")
	tree{t, next.Payload}.is("a", "data", "recordChanged", "record", "id")
	tree{t, readMessage(t, ws, "next").Payload}.is("CAUGHT_UP", "data", "recordChanged", "kind")

	subscribe(t, ws, "bad", recordChanged, vars{"since": "99"})
	tree{t, readMessage(t, ws, "error").Payload}.is("EPOCH_MISMATCH", 0, "extensions", "code")
	subscribe(t, ws, "query", viewer, nil)
	tree{t, readMessage(t, ws, "next").Payload}.is(keyOf("alice"), "data", "viewer", "id")
}

func TestUnsignedWebSocketGetsNothing(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	ws := dial(t, a, nil)
	for id, query := range map[string]string{"1": recordChanged, "2": viewer, "3": `subscription {lockChanged(name: "doc") {name}}`} {
		subscribe(t, ws, id, query, nil)
		tree{t, readMessage(t, ws, "error").Payload}.is("UNAUTHENTICATED", 0, "extensions", "code")
	}
}

type message struct {
	ID      string `json:"id,omitempty"`
	Type    string `json:"type"`
	Payload any    `json:"payload,omitempty"`
}

func dial(t *testing.T, a *api, payload vars) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
	ws, resp, err := dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(a.url, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	t.Cleanup(func() { ws.Close() })
	if err := ws.WriteJSON(message{Type: "connection_init", Payload: payload}); err != nil {
		t.Fatal(err)
	}
	readMessage(t, ws, "connection_ack")
	return ws
}

func subscribe(t *testing.T, ws *websocket.Conn, id, query string, variables vars) {
	t.Helper()
	if err := ws.WriteJSON(message{ID: id, Type: "subscribe", Payload: vars{"query": query, "variables": variables}}); err != nil {
		t.Fatal(err)
	}
}

// readMessage waits for a message of a type; "complete" and pings are passed over.
func readMessage(t *testing.T, ws *websocket.Conn, kind string) message {
	t.Helper()
	if err := ws.SetReadDeadline(time.Now().Add(waitLimit)); err != nil {
		t.Fatal(err)
	}
	for {
		var m message
		if err := ws.ReadJSON(&m); err != nil {
			t.Fatal(err)
		}
		switch m.Type {
		case kind:
			return m
		case "complete", "ping":
		default:
			t.Fatalf("got %+v, want %s", m, kind)
		}
	}
}
