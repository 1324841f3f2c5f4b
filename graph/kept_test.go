package graph_test

import (
	"encoding/base64"
	"fmt"
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
	const subscriptions, most = 20, 60 << 10
	const plain = `subscription {recordChanged {kind cursor record ` + recordFields + `}}`
	for name, test := range map[string]struct{ query, extensions string }{
		"after a large event":      {plain, ""},
		"after it, under aliases":  {`subscription {recordChanged {record {` + aliases(6, "data") + `}}}`, ""},
		"after a large subscribe":  {plain, `{"a": [` + strings.Repeat("{},", 100_000) + `{}]}`},
		"after other large things": {plain, `{"a": "` + strings.Repeat("a", 500_000) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, options{})
			s := dialSocket(t, a)
			before := inUse()
			for i := range subscriptions {
				payload := fmt.Sprintf(`{"query": %q`, test.query)
				if test.extensions != "" {
					payload += `, "extensions": ` + test.extensions
				}
				s.send(fmt.Sprintf(`{"type": "subscribe", "id": "%d", "payload": %s}}`, i, payload))
			}
			s.read(subscriptions) // that they are live
			data := base64.StdEncoding.EncodeToString(make([]byte, 64<<10))
			a.as("alice").ok(t, setRecord, vars{"input": vars{"id": "a", "data": data}})
			s.read(subscriptions)
			a.as("alice").ok(t, `mutation {deleteRecord(input: {id: "a", revision: 1}) {status}}`, nil)
			s.read(subscriptions) // so that nothing of the large event is under way
			if after := inUse(); after > before+subscriptions*most {
				t.Errorf("%d bytes stay of each of %d subscriptions, at most %d", (after-before)/subscriptions, subscriptions, most)
			}
			runtime.KeepAlive(s)
		})
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
