package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/internal/testservers"
)

// What stops the start is said in one line, without a stack or a usage text.
func TestRefusedStarts(t *testing.T) {
	t.Parallel()
	running := testservers.StartSyncline(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ variable, want string }{
		"bad value":          {"FEED_POLL_INTERVAL=often", "FEED_POLL_INTERVAL: "},
		"bad authority":      {"PUBLIC_AUTHORITIES=https://api.example/", "PUBLIC_AUTHORITIES: "},
		"bad certificate":    {"CA_CERT=x", "syncline: CA_CERT: not "},
		"database in use":    {"SQLITE_DIR_PATH=" + running.Dir, "another process has it open"},
		"not a directory":    {"SQLITE_DIR_PATH=" + file, "SQLITE_DIR_PATH: "},
		"port in use":        {"LISTEN_ADDRESS=" + running.Address, "address already in use"},
		"no database URL":    {"DATABASE_URL=hidden", "DATABASE_URL: the PostgreSQL address is not valid"},
		"PostgreSQL is away": {"DATABASE_URL=postgres://u:hidden@127.0.0.1:1/x", "DATABASE_URL: cannot open the PostgreSQL database"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, stderr, err := testservers.Run(t, []string{"SQLITE_DIR_PATH=" + t.TempDir(), "LOG_LEVEL=error", test.variable})
			if err == nil {
				t.Fatal("it started")
			}
			if !strings.HasPrefix(stderr, "syncline: ") || !strings.Contains(stderr, test.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("it says %q; want one line with %q", stderr, test.want)
			}
			if strings.Contains(stderr, "hidden") {
				t.Error("it shows the password")
			}
		})
	}
}

// What the commands do is tested where they are; here, that the program has them.
func TestCommands(t *testing.T) {
	t.Parallel()
	env := []string{"SQLITE_DIR_PATH=" + t.TempDir()}
	for _, test := range []struct{ line, want string }{
		{"version", "syncline "},
		{"help", "Usage: syncline"},
		{"migrate --create", "up to date: "},
		{"new-epoch", "a new epoch began; revisions go on above "},
	} {
		stdout, stderr, err := testservers.Run(t, env, strings.Fields(test.line)...)
		if err != nil || !strings.HasPrefix(stdout, test.want) {
			t.Errorf("%s: %v, %q %q", test.line, err, stdout, stderr)
		}
	}
}

// After a restore, clients hear which of their revisions the server never had.
func TestNewEpoch(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	c := newClient(t, server.URL(), newKey(t))
	if _, err := c.Set(t.Context(), "a", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	before, err := c.Viewer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := testservers.Run(t, []string{"SQLITE_DIR_PATH=" + server.Dir}, "new-epoch"); err != nil {
		t.Fatal(err, stderr)
	}
	server.Start()
	_, err = c.Changes(t.Context(), before.Cursor, 10)
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Code != client.ErrEpochMismatch || refused.RestoredHead != 1 {
		t.Errorf("the old cursor: %v; want EPOCH_MISMATCH with head 1", err)
	}
	written, err := c.Set(t.Context(), "b", nil, 0)
	if err != nil || written.Revision < 1<<50 {
		t.Errorf("the next revision is %d (%v); want one above the base", written.Revision, err)
	}
}

func TestPlainPaths(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, "METRICS_LISTEN_ADDRESS="+testservers.FreeAddress(t))
	for _, test := range []struct {
		method, path string
		status       int
		want         string
	}{
		{http.MethodGet, "/", 200, "<title>Syncline"},
		{http.MethodGet, "/schema.graphql", 200, "type Mutation"},
		{http.MethodGet, "/livez", 200, `"live"`},
		{http.MethodGet, "/readyz", 200, `"database":"ok"`},
		{http.MethodGet, "/metrics", 404, ""},
		{http.MethodGet, "/elsewhere", 404, ""},
		{http.MethodPost, "/", 405, ""},
		{http.MethodPut, "/graphql", 405, "BAD_USER_INPUT"},
	} {
		status, body := fetch(t, test.method, "http://"+server.Address+test.path)
		if status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s %s: %d %.100q; want %d and %q", test.method, test.path, status, body, test.status, test.want)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	address := testservers.FreeAddress(t)
	server := testservers.StartSyncline(t, "METRICS_LISTEN_ADDRESS="+address, "GOGC=", "GOMEMLIMIT=4GiB")
	if _, err := newClient(t, server.URL(), newKey(t)).Viewer(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, body := fetch(t, http.MethodGet, "http://"+address+"/metrics")
	if !strings.Contains(body, `syncline_operation_duration_seconds_count{field="viewer",outcome="ok"} 1`) {
		t.Error("the query of viewer is not counted")
	}
	if !strings.Contains(body, "go_gc_gogc_percent 400\n") {
		t.Error("a small heap is collected as often as a large one")
	}
}

// The operator's page is where the figures are, and shows no whole key.
func TestOperatorPage(t *testing.T) {
	t.Parallel()
	address, key := testservers.FreeAddress(t), newKey(t)
	server := testservers.StartSyncline(t, "METRICS_LISTEN_ADDRESS="+address)
	if _, err := newClient(t, server.URL(), key).Set(t.Context(), "a", make([]byte, 2048), 0); err != nil {
		t.Fatal(err)
	}
	status, body := fetch(t, http.MethodGet, "http://"+address+"/")
	for _, want := range []string{"<title>ready · Syncline", "<td>setRecord<td>ok", "writes_waiting", "<code>" + key.Public().String()[:12] + `</code><td class="n">2.0 KiB`} {
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("HTTP %d, no %q in\n%s", status, want, body)
		}
	}
	if strings.Contains(body, key.Public().String()) {
		t.Error("it shows an owner's key")
	}
	for method, path := range map[string]string{http.MethodPost: "/", http.MethodGet: "/elsewhere"} {
		if status, _ := fetch(t, method, "http://"+address+path); status == http.StatusOK {
			t.Errorf("%s %s: HTTP %d", method, path, status)
		}
	}
}

func fetch(t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// One line a request: who, what, how it ended. Never a signature, an argument or data.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, "LOG_LEVEL=info", "LOG_FORMAT=json")
	key := newKey(t)
	c := newClient(t, server.URL(), key)
	if _, err := c.Set(t.Context(), "private-id", []byte("private-data"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Set(t.Context(), strings.Repeat("x", 65), nil, 0); err == nil {
		t.Fatal("an id of 65 bytes was accepted")
	}
	newDevice(server.URL(), key).callUnsigned(t, `{"query":"{ viewer { id } }"}`)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	var outcomes []string
	for line := range strings.Lines(server.Log()) {
		var entry struct{ Msg, ID, Owner, Fields, Outcome, TookMs any }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if entry.Msg != "request" {
			continue
		}
		if entry.ID == nil || entry.TookMs == nil {
			t.Errorf("a line without id or duration: %s", line)
		}
		if took, ok := entry.TookMs.(float64); !ok || took <= 0 {
			t.Errorf("the duration is %v, not a number of milliseconds", entry.TookMs)
		}
		owner, _ := entry.Owner.(string)
		if entry.Fields == "setRecord" && (len(owner) < 8 || len(owner) > 16 || !strings.HasPrefix(key.Public().String(), owner)) {
			t.Errorf("the owner is shown as %q", owner)
		}
		fields, _ := entry.Fields.(string)
		outcome, _ := entry.Outcome.(string)
		outcomes = append(outcomes, fields+" "+outcome)
	}
	if got, want := strings.Join(outcomes, "; "), "setRecord ok; setRecord BAD_USER_INPUT; viewer UNAUTHENTICATED"; got != want {
		t.Errorf("outcomes %q, want %q", got, want)
	}
	for _, secret := range []string{"private-id", "private-data", "cHJpdmF0ZS1kYXRh", "sig=", key.Public().String()} {
		if strings.Contains(server.Log(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}

// A polite stop lets writes in flight finish, tells sockets to come back
// elsewhere, and ends with code 0 in the time that it is given.
func TestDrain(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, "SHUTDOWN_TIMEOUT=1m")
	key := newKey(t)
	socket := openSocket(t, server, key)

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	acknowledged := make([]int64, 4)
	for i := range acknowledged {
		d := newDevice(server.URL(), key)
		wg.Go(func() { acknowledged[i] = d.writeUntilRefused(ctx, i) })
	}
	for written := int64(0); written < 20; { // writes are under way
		v, err := newClient(t, server.URL(), key).Viewer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		written = int64(v.Head)
	}
	began := time.Now()
	if err := server.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for {
		_, _, err := socket.ReadMessage()
		if err == nil {
			continue
		}
		if !websocket.IsCloseError(err, websocket.CloseServiceRestart) {
			t.Errorf("the socket ended with %v, want 1012", err)
		}
		break
	}
	if err := server.Wait(); err != nil {
		t.Errorf("the server ended with %v\n%s", err, server.Log())
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	cancel()
	wg.Wait()

	server.Start()
	v, err := newClient(t, server.URL(), key).Viewer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, n := range acknowledged {
		total += n
	}
	// A write may be applied though its answer was lost with its connection;
	// none may be lost that was acknowledged.
	if int64(v.Head) < total || int64(v.Head) > total+int64(len(acknowledged)) {
		t.Errorf("%d writes were acknowledged, the head is %d", total, v.Head)
	}
}

// writeUntilRefused creates records until the server is gone.
func (d *device) writeUntilRefused(ctx context.Context, writer int) (acknowledged int64) {
	for i := 0; ; i++ {
		var out struct{ SetRecord outcome }
		input := map[string]any{"id": string(rune('a'+writer)) + "-" + time.Duration(i).String(), "data": []byte("x")}
		err := d.call(ctx, `mutation($input: SetRecordInput!) { setRecord(input: $input) { status newRevision } }`,
			map[string]any{"input": input}, &out)
		if err != nil || out.SetRecord.Status != "SUCCESS" {
			return acknowledged
		}
		acknowledged++
	}
}

// openSocket opens an acknowledged WebSocket with a live subscription.
func openSocket(t *testing.T, server *testservers.Syncline, key signing.PrivateKey) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
	conn, _, err := dialer.DialContext(t.Context(), "ws://"+server.Address+"/graphql", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	u, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "ws://"+server.Address+"/graphql", nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signing.SignWebSocket(u.URL, key, time.Now(), signing.NewNonce())
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range []any{
		map[string]any{"type": "connection_init", "payload": map[string]any{"signature-input": signed.SignatureInput, "signature": signed.Signature}},
		map[string]any{"id": "1", "type": "subscribe", "payload": map[string]any{"query": "subscription { recordChanged { kind cursor } }"}},
	} {
		if err := conn.WriteJSON(message); err != nil {
			t.Fatal(err)
		}
	}
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(message), "CAUGHT_UP") {
			return conn
		}
	}
}

// callUnsigned sends a body without a signature.
func (d *device) callUnsigned(t *testing.T, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := d.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
}
