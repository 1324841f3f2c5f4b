package accesslog_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"syncline/internal/testservers"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// Each request has a line that tells what became of it.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, "LOG_LEVEL=info")
	for _, r := range []struct{ id, method, contentType, body string }{
		{"fine", http.MethodPost, "application/json", `{"query":"{limits {maxBatch}}"}`},
		{"unsigned", http.MethodPost, "application/json", `{"query":"{viewer {id}}"}`},
		{"other-type", http.MethodPost, "text/plain", `{"query":"{limits {maxBatch}}"}`},
		{"other-method", http.MethodPut, "application/json", `{}`},
		{"no-json", http.MethodPost, "application/json", `{`},
	} {
		send(t, server.URL(), r.id, r.method, r.contentType, r.body)
	}
	initialise(t, server.URL(), "socket")
	if err := server.Stop(); err != nil { // its log is complete
		t.Fatal(err)
	}
	log := server.Log()
	for _, want := range []string{
		`msg=request id=fine method=POST status=200 fields=limits outcome=ok took=`,
		`msg=request id=unsigned method=POST status=401 fields=viewer outcome=UNAUTHENTICATED took=`,
		`msg=request id=other-type method=POST status=415 outcome=refused took=`,
		`msg=request id=other-method method=PUT status=405 outcome=refused took=`,
		`msg=request id=no-json method=POST status=400 outcome=refused took=`,
		`msg=initialisation id=socket outcome=UNAUTHENTICATED took=`,
	} {
		if n := strings.Count(log, want); n != 1 {
			t.Errorf("%d lines with %s in\n%s", n, want, log)
		}
	}
}

func send(t *testing.T, url, id, method, contentType, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Request-Id", id)
	r.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}

// initialise opens a WebSocket without signature, and waits for its end.
func initialise(t *testing.T, url, id string) {
	t.Helper()
	d := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
	ws, res, err := d.DialContext(t.Context(), "ws"+strings.TrimPrefix(url, "http"), http.Header{"X-Request-Id": {id}})
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	defer func() { _ = ws.Close() }()
	if err := ws.WriteJSON(map[string]string{"type": "connection_init"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 4403) {
		t.Errorf("%v, want close code 4403", err)
	}
}
