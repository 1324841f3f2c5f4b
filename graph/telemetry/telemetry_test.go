package telemetry_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"syncline/auth/signing"
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

// An operator finds out who sent what: the address that a trusted proxy tells.
// LOG_ADDRESSES=false keeps addresses out of the log.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]bool{"LOG_ADDRESSES=true": true, "LOG_ADDRESSES=false": false} {
		server := testservers.StartSyncline(t, "LOG_LEVEL=info", "TRUSTED_PROXIES=127.0.0.0/8", setting)
		send(t, server.URL(), "direct", http.MethodPost, "application/json", `{"query":"{limits {maxBatch}}"}`)
		send(t, server.URL(), "forwarded", http.MethodPost, "application/json", `{"query":"{limits {maxBatch}}"}`, "X-Forwarded-For", "203.0.113.9, 198.51.100.1")
		initialise(t, server.URL(), "socket")
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
		for id, address := range map[string]string{"direct": "127.0.0.1", "forwarded": "198.51.100.1", "socket": "127.0.0.1"} {
			for line := range strings.Lines(server.Log()) {
				if strings.Contains(line, "id="+id+" ") && strings.Contains(line, " address="+address) != want {
					t.Errorf("with %s: %s", setting, line)
				}
			}
		}
		if !want && strings.Contains(server.Log(), "198.51.100.1") {
			t.Errorf("an address is in the log:\n%s", server.Log())
		}
	}
}

func send(t *testing.T, url, id, method, contentType, body string, header ...string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Request-Id", id)
	r.Header.Set("Content-Type", contentType)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
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

// What is refused is counted by its code, also if it never became an operation, and each root field by its own outcome. Programs read durations in JSON.
func TestCounts(t *testing.T) {
	t.Parallel()
	figures := testservers.FreeAddress(t)
	server := testservers.StartSyncline(t, "LOG_LEVEL=info", "LOG_FORMAT=json", "METRICS_LISTEN_ADDRESS="+figures)
	send(t, server.URL(), "unsigned", http.MethodPost, "application/json", `{"query":"{viewer {id}}"}`)
	send(t, server.URL(), "signature", http.MethodPost, "application/json", `{"query":"{limits {maxBatch}}"}`, "Signature", "sig=:AA==:")
	send(t, server.URL(), "no-json", http.MethodPost, "application/json", `{`)
	key, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	two := []byte(`{"query":"mutation {a: setRecord(input: {id: \"\", data: \"\"}) {status} eraseAccount(input: {owner: \"` + key.Public().String() + `\"}) {erasedRecords}}"}`)
	signed, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL(), nil)
	if err == nil {
		err = signing.SignRequest(signed, two, key, time.Now(), signing.NewNonce())
	}
	if err != nil {
		t.Fatal(err)
	}
	headers := []string{"Content-Digest", signed.Header.Get("Content-Digest"), "Signature-Input", signed.Header.Get("Signature-Input"), "Signature", signed.Header.Get("Signature")}
	for _, id := range []string{"two", "replayed"} {
		send(t, server.URL(), id, http.MethodPost, "application/json", string(two), headers...)
	}
	initialise(t, server.URL(), "socket")
	for _, want := range []string{
		`syncline_operation_duration_seconds_count{field="viewer",outcome="UNAUTHENTICATED"} 1`,
		`syncline_refusals_total{code="UNAUTHENTICATED",what="request"} 2`,
		`syncline_operation_duration_seconds_count{field="setRecord",outcome="BAD_USER_INPUT"} 1`, // and not its sibling's outcome
		`syncline_operation_duration_seconds_count{field="eraseAccount",outcome="ok"} 1`,
		`syncline_refusals_total{code="BAD_USER_INPUT",what="request"} 1`,
		`syncline_refusals_total{code="NONCE_REUSED",what="request"} 1`,
		`syncline_refusals_total{code="refused",what="request"} 1`,
		`syncline_refusals_total{code="UNAUTHENTICATED",what="initialisation"} 1`,
	} {
		testservers.Await(t, want, func(context.Context) bool { // a request is counted after its answer
			return strings.Contains(read(t.Context(), t, "http://"+figures+"/metrics"), want+"\n")
		})
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(server.Log()) {
		if strings.Contains(line, `"id":"unsigned"`) && !regexp.MustCompile(`"tookMs":[0-9.]+[,}]`).MatchString(line) {
			t.Error("no duration with its unit: ", line)
		}
	}
}

func read(ctx context.Context, t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
