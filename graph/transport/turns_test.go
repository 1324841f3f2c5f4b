package transport_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"

	"syncline/graph/transport"
)

// Large requests wait for each other. However one ends, the next is read: over HTTP, as an
// event stream and on a WebSocket.
func TestLargeRequestsGiveTheirTurnBack(t *testing.T) {
	t.Parallel()
	f := serve(t, &api{}, transport.Config{})
	padding := strings.Repeat(" ", 20_000)
	good := `{"query":"{ lock(name: \"a\") { name } }"` + padding + `}`
	for name, bad := range map[string]string{
		"not JSON":               `{"query":` + padding,
		"too many values":        `{"query":"{ lock }","variables":{"a":[` + strings.Repeat("0,", 30_000) + `0]}}`,
		"no document":            `{"query":7` + padding + `}`,
		"a document with errors": `{"query":"{ nothing }"` + padding + `}`,
		"a number out of range":  `{"query":"mutation { setRecord(input: {id: \"a\", data: \"\", revision: ` + strings.Repeat("9", 20_000) + `}) { status } }"}`,
		"a long document":        `{"query":"{ nothing` + strings.Repeat(" ", 5000) + ` }"}`,
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 * runtime.GOMAXPROCS(0) { // more than there are turns
				for _, accept := range []string{"", "text/event-stream"} {
					if got := f.do(f.request(bad, "Accept", accept)); got.status != http.StatusBadRequest && got.status != http.StatusOK {
						t.Errorf("got %d %s", got.status, got.body)
					}
				}
				p := f.open()
				p.send(`{"id":"a","type":"subscribe","payload":` + bad + `}`)
				_, _ = p.next() // an error, or the connection's end
				_ = p.conn.Close()
			}
			if got := f.do(f.request(good)); got.body != `{"data":{"lock":{"name":"a"}}}` {
				t.Errorf("then got %d %s", got.status, got.body)
			}
			p := f.open()
			p.send(`{"id":"a","type":"subscribe","payload":` + good + `}`)
			p.expect(`{"type":"next","id":"a","payload":{"data":{"lock":{"name":"a"}}}}`, `{"type":"complete","id":"a"}`)
		})
	}
}
