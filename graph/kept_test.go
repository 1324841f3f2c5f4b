package graph_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// What a client sends once must not stay for as long as its subscription does,
// and what it was sent must not either. Not parallel, because it measures the
// process.
func TestSubscriptionsKeepNothingLarge(t *testing.T) {
	const plain = `subscription {recordChanged {kind cursor record ` + recordFields + `}}`
	const named = `subscription S {recordChanged {kind cursor record ` + recordFields + `}}`
	const since = `subscription ($c: Cursor) {recordChanged(since: $c) {kind cursor record ` + recordFields + `}}`
	padding := strings.Repeat("a", 500_000)
	for name, test := range map[string]struct{ query, beside string }{
		"after a large event":           {plain, ""},
		"after it, under aliases":       {`subscription {recordChanged {record {` + aliases(6, "data") + `}}}`, ""},
		"extensions of many objects":    {plain, `"extensions": {"a": [` + strings.Repeat("{},", 19_000) + `{}]}`},
		"extensions of one long text":   {plain, `"extensions": {"a": "` + padding + `"}`},
		"an operation name beside much": {named, `"operationName": "S", "extensions": {"a": "` + padding + `"}`},
		"a variable beside much":        {since, `"variables": {"c": "0", "a": "` + padding + `"}`},
		"what nobody asked for":         {plain, `"a": "` + padding + `"`},
		"space":                         {plain, `"a": 0` + strings.Repeat(" ", 500_000)},
	} {
		payload := fmt.Sprintf(`{"query": %q`, test.query)
		if test.beside != "" {
			payload += ", " + test.beside
		}
		t.Run(name, func(t *testing.T) { keepsNothingLarge(t, payload+"}") })
	}
}

func keepsNothingLarge(t *testing.T, payload string) {
	const subscriptions, most = 20, 60 << 10
	for name, subscribe := range map[string]func(*testing.T, *api, string) func(events int){
		"WebSocket":    overSocket,
		"event stream": overStreams,
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, options{})
			read := subscribe(t, a, payload)
			read(0)
			before := inUse()
			read(subscriptions) // that they are live
			data := base64.StdEncoding.EncodeToString(make([]byte, 64<<10))
			a.as("alice").ok(t, setRecord, vars{"input": vars{"id": "a", "data": data}})
			read(subscriptions)
			a.as("alice").ok(t, `mutation {deleteRecord(input: {id: "a", revision: 1}) {status}}`, nil)
			read(subscriptions) // so that nothing of the large event is under way
			if after := inUse(); after > before+subscriptions*most {
				t.Errorf("%d bytes stay of each of %d subscriptions, at most %d", (after-before)/subscriptions, subscriptions, most)
			}
			runtime.KeepAlive(read)
		})
	}
}

// overSocket subscribes on one socket, when its events are first asked for.
func overSocket(t *testing.T, a *api, payload string) (read func(events int)) {
	s := dialSocket(t, a)
	subscribed := false
	return func(events int) {
		if !subscribed && events > 0 {
			subscribed = true
			for i := range events {
				s.send(fmt.Sprintf(`{"type": "subscribe", "id": "%d", "payload": %s}`, i, payload))
			}
		}
		s.read(events)
	}
}

// overStreams opens a stream for each subscription, when its events are first
// asked for. They are written by hand: a client of net/http keeps what it sent.
func overStreams(t *testing.T, a *api, payload string) (read func(events int)) {
	var streams []*bufio.Reader
	return func(events int) {
		for len(streams) < events {
			c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(a.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n"+
				ownerHeader+": alice\r\nContent-Length: %d\r\n\r\n%s", len(payload), payload)
			streams = append(streams, bufio.NewReader(c))
		}
		for _, s := range streams[:events] {
			for line := ""; !strings.HasPrefix(line, "data: "); {
				var err error
				if line, err = s.ReadString('\n'); err != nil || strings.Contains(line, `"errors"`) {
					t.Fatal(clip(line), err)
				}
			}
		}
	}
}

type socket struct {
	t  *testing.T
	ws *websocket.Conn
}

func dialSocket(t *testing.T, a *api) socket {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
	ws, resp, err := dialer.Dial("ws"+strings.TrimPrefix(a.url, "http"), nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	t.Cleanup(func() { _ = ws.Close() })
	s := socket{t, ws}
	s.send(`{"type": "connection_init", "payload": {"owner": "alice"}}`)
	s.read(1)
	return s
}

func (s socket) send(text string) {
	s.t.Helper()
	if err := s.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

func (s socket) read(messages int) {
	s.t.Helper()
	for range messages {
		_, text, err := s.ws.ReadMessage()
		if err != nil || strings.Contains(string(text), `"errors"`) || strings.Contains(string(text), `"error"`) {
			s.t.Fatalf("%s, %v", clip(string(text)), err)
		}
	}
}
