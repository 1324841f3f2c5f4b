package transport

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// FuzzParseMessage: what is taken for a message of the protocol has what the
// socket relies on: a kind that it knows, an id within bounds, a payload.
func FuzzParseMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"connection_init"}`, `{"type":"connection_init","payload":{"signature":"","resume":{"a":"b"}}}`,
		`{"type":"ping","payload":{"a":[1]}}`, `{"type":"pong","payload":null}`, `{"type":"complete","id":"1"}`,
		`{"type":"subscribe","id":"1","payload":{"query":"{a}"}}`, `{"type":"subscribe","id":"","payload":{}}`,
		`{"type":"subscribe","id":1,"payload":{}}`, `{"type":"subscribe","id":"1","payload":[]}`, `{"type":"next"}`, `{"type":1}`, `{}`, `[]`,
	} {
		f.Add(websocket.TextMessage, []byte(seed))
	}
	f.Add(websocket.BinaryMessage, []byte(`{"type":"ping"}`))
	kinds := []string{"connection_init", "ping", "pong", "subscribe", "complete"}
	f.Fuzz(func(t *testing.T, frame int, data []byte) {
		m, err := parseMessage(frame, data, 100, nil)
		if err != nil {
			return
		}
		if frame != websocket.TextMessage || !slices.Contains(kinds, m.kind) {
			t.Errorf("frame %d of kind %q is taken", frame, m.kind)
		}
		if hasID := m.kind == "subscribe" || m.kind == "complete"; hasID && (m.id == "" || len(m.id) > maxID) {
			t.Errorf("%q has an id of %d bytes", m.kind, len(m.id))
		}
		if m.kind == "subscribe" && m.refused == nil && m.object() == nil {
			t.Error("an operation has no payload")
		}
	})
}

// FuzzResume: what is kept of connection_init is bounded, whatever it was.
func FuzzResume(f *testing.F) {
	for _, seed := range []string{`{}`, `{"resume":null}`, `{"resume":{"a":"AdJ0VUS1_VdvAg"}}`, `{"resume":{"a":1}}`, `{"resume":[]}`, `{"resume":{"":"","b":""}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		payload, err := decodeObject(data, 1000)
		if err != nil {
			return
		}
		cursors, err := resumeCursors(payload)
		if err != nil {
			return
		}
		for id, cursor := range cursors {
			if len(id) > maxID || len(cursor) > maxCursor {
				t.Errorf("an id of %d bytes is kept with a cursor of %d", len(id), len(cursor))
			}
		}
	})
}

// FuzzQueryString: what a GET asks for is what its query string says, once.
func FuzzQueryString(f *testing.F) {
	for _, seed := range []string{
		"query=%7Ba%7D", "query={a}&operationName=A&variables=%7B%22a%22%3A1%7D", "query={a}&query={b}", "variables={}", "query=%ff",
		"query={a}&extensions=null", "query={a}&variables=[", "query={a};b", "%", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		params, err := readQuery(&http.Request{URL: &url.URL{RawQuery: query}})
		if err != nil {
			if err.status != http.StatusBadRequest {
				t.Errorf("refused with %d", err.status)
			}
			return
		}
		values, parseErr := url.ParseQuery(query)
		if parseErr != nil || len(values["query"]) != 1 || values.Get("query") != params.Query || values.Get("operationName") != params.OperationName {
			t.Errorf("%q is read as %q and %q", query, params.Query, params.OperationName)
		}
		if !utf8.ValidString(params.Query) {
			t.Errorf("%q is not text", params.Query)
		}
	})
}

// FuzzNegotiate: an Accept header chooses one of two forms.
func FuzzNegotiate(f *testing.F) {
	for _, seed := range []string{
		"", "*/*", "application/json", "application/graphql-response+json, application/json;q=0.9", "application/json;q=NaN",
		"application/json;q=-1", "text/html;;,,", "application/json;q=1e999",
	} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		if got := negotiate([]string{first, second}); got != mediaJSON && got != mediaGraphQL {
			t.Errorf("%q", got)
		}
	})
}
