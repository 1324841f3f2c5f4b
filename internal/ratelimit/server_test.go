package ratelimit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/internal/testservers"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// server is a real one, whose metrics tell what was refused.
type server struct {
	*testservers.Syncline
	metrics string
}

func start(t *testing.T, env ...string) server {
	t.Helper()
	metrics := testservers.FreeAddress(t)
	return server{testservers.StartSyncline(t, append([]string{"RATE_LIMITS=on", "METRICS_LISTEN_ADDRESS=" + metrics}, env...)...), metrics}
}

// refusals are the lines of the metric.
func (s server) refusals(t *testing.T) (lines []string) {
	t.Helper()
	res, err := http.Get("http://" + s.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "syncline_rate_limited_total{") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// from is a transport of connections from an address of this machine.
func from(address string) *http.Transport {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 8}
}

func newKey(t testing.TB) signing.PrivateKey {
	t.Helper()
	key, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// answer is what came of a request.
type answer struct {
	status int
	header http.Header
	code   string
	after  time.Duration // retryAfterMs
}

// send makes one signed request, and does not retry.
func send(t *testing.T, s server, key signing.PrivateKey, via http.RoundTripper, document string, header ...string) answer {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": document})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if err := signing.SignRequest(req, body, key, time.Now(), signing.NewNonce()); err != nil {
		t.Fatal(err)
	}
	res, err := via.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var told struct{ Errors []coded }
	if err := json.NewDecoder(res.Body).Decode(&told); err != nil {
		t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header}
	if len(told.Errors) > 0 {
		a.code, a.after = told.Errors[0].Extensions.Code, told.Errors[0].after()
	}
	return a
}

type coded struct {
	Extensions struct {
		Code         string
		RetryAfterMs int64
	}
}

func (c coded) after() time.Duration {
	return time.Duration(c.Extensions.RetryAfterMs) * time.Millisecond
}

func write(i int) string {
	return fmt.Sprintf(`mutation { setRecord(input: {id: "%d", data: "aGVsbG8="}) { status newRevision } }`, i)
}

// Clients learn what holds from limits: null is no limit.
func TestLimitsTellRates(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ env, want string }{
		{"RATE_SUBSCRIPTIONS=0", `{"cost":50000,"bytesIn":4194304,"bytesOut":16777216,"connects":5,"connections":250,"subscriptions":null}`},
		{"RATE_LIMITS=off", `null`},
	} {
		s := start(t, test.env)
		const query = `{"query":"{ limits { rates { cost bytesIn bytesOut connects connections subscriptions } } }"}`
		res, err := http.Post(s.URL(), "application/json", strings.NewReader(query))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if want := `{"data":{"limits":{"rates":` + test.want + `}}}`; err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", test.env, got, err, want)
		}
	}
}

// A real app meets none of the limits: twenty devices behind one address, half of
// them of one owner, come at once, load a history, send what they wrote
// offline, follow and write on; then the server restarts, and all come again.
func TestHonestDevicesMeetNoLimit(t *testing.T) {
	t.Parallel()
	s := start(t)
	shared := newKey(t)
	history := newClient(t, s, shared)
	for batch := range 10 { // 1000 records
		var writes []client.Write
		for i := range 100 {
			writes = append(writes, client.Write{ID: fmt.Sprintf("h-%d-%d", batch, i), Data: bytes.Repeat([]byte("x"), 1000)})
		}
		if _, err := history.Write(t.Context(), writes); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var devices, followers sync.WaitGroup
	caughtUp := make(chan struct{}, 1000)
	for number := range 20 {
		key := shared
		if number%2 == 1 {
			key = newKey(t)
		}
		for range 3 { // windows
			follower := newClient(t, s, key)
			followers.Go(func() {
				for event, err := range follower.Follow(ctx, client.Beginning) {
					if err != nil {
						return
					}
					if event.Kind == client.CaughtUp {
						caughtUp <- struct{}{}
					}
				}
			})
		}
		devices.Go(func() { live(t, newClient(t, s, key), number) })
	}
	await := func(what string) {
		t.Helper()
		for i := range 60 {
			select {
			case <-caughtUp:
			case <-time.After(5 * time.Minute): // all of one key catch up at about the same time
				t.Fatalf("%s: only %d of 60 feeds are live", what, i)
			}
		}
	}
	await("at first")
	devices.Wait()
	if lines := s.refusals(t); len(lines) > 0 {
		t.Errorf("refused: %s", lines)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	s.Start()
	await("after a restart")
	if lines := s.refusals(t); len(lines) > 0 {
		t.Errorf("refused after a restart: %s", lines)
	}
	cancel()
	followers.Wait()
}

func newClient(t *testing.T, s server, key signing.PrivateKey) *client.Client {
	t.Helper()
	c, err := client.New(s.URL(), key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// live is a device's first day.
func live(t *testing.T, c *client.Client, number int) {
	for _, err := range c.All(t.Context(), client.Beginning) {
		if err != nil {
			t.Error(err)
			return
		}
	}
	for i := range 200 { // written offline, sent one by one
		if _, err := c.Set(t.Context(), fmt.Sprintf("d-%d-%d", number, i), []byte("offline"), 0); err != nil {
			t.Error(err)
			return
		}
	}
	if err := withLock(t.Context(), c); err != nil {
		t.Error(err)
	}
}

func withLock(ctx context.Context, c *client.Client) error {
	lease, err := c.AcquireLock(ctx, "import")
	if err != nil {
		return err
	}
	return lease.Release(ctx)
}

// Over a limit, a request is refused with what a browser's page needs to know,
// before any work; preflights and other addresses are not concerned.
func TestOverALimit(t *testing.T) {
	t.Parallel()
	s := start(t, "RATE_COST=10", "RATE_ADDRESS_FACTOR=4", "ALLOWED_ORIGINS=https://app.example", "LOG_LEVEL=info")
	abuser, honest := from("127.0.0.7"), from("127.0.0.8")
	key := newKey(t)
	var refused answer
	for i := range 200 {
		if refused = send(t, s, key, abuser, write(i), "Origin", "https://app.example", "X-Request-Id", "abuse"); refused.status != http.StatusOK {
			break
		}
	}
	if refused.status != http.StatusTooManyRequests || refused.code != "RATE_LIMITED" || refused.after <= 0 {
		t.Fatalf("%+v", refused)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":   "https://app.example",
		"Access-Control-Expose-Headers": "Retry-After",
		"Cache-Control":                 "no-store",
		"Content-Type":                  "application/graphql-response+json",
		"Retry-After":                   fmt.Sprint(int64((refused.after + time.Second - 1) / time.Second)),
	} {
		if got := refused.header.Get(name); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for range 200 { // keys are free, the address is one
		if refused = send(t, s, newKey(t), abuser, write(0)); refused.status == http.StatusTooManyRequests {
			break
		}
	}
	if refused.code != "RATE_LIMITED" {
		t.Errorf("many keys at one address: %+v", refused)
	}
	preflight, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	preflight.Header.Set("Origin", "https://app.example")
	preflight.Header.Set("Access-Control-Request-Method", "POST")
	res, err := abuser.RoundTrip(preflight)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNoContent || res.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("a preflight: %d %v", res.StatusCode, res.Header)
	}
	if a := send(t, s, newKey(t), honest, write(0)); a.status != http.StatusOK {
		t.Errorf("at another address: %+v", a)
	}
	if lines := s.refusals(t); !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, `limit="cost",of="owner"`) }) ||
		!slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, `limit="cost",of="address"`) }) {
		t.Errorf("metrics: %s", lines)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.Log(), "outcome=RATE_LIMITED") || !strings.Contains(s.Log(), "address=127.0.0.7") {
		t.Errorf("the log does not tell:\n%s", s.Log())
	}
}

// socket is a WebSocket, and what the server says on it.
type socket struct{ *websocket.Conn }

// dial opens a WebSocket. The status is that of a refused upgrade.
func dial(t *testing.T, s server, via *http.Transport) (socket, int) {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}, NetDialContext: via.DialContext}
	conn, res, err := dialer.DialContext(t.Context(), "ws://"+s.Address+"/graphql", nil)
	if errors.Is(err, websocket.ErrBadHandshake) {
		return socket{}, res.StatusCode
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	return socket{conn}, 0
}

// initialise answers why the server closed the socket; nil if it acknowledged it.
func (c socket) initialise(t *testing.T, key signing.PrivateKey) *websocket.CloseError {
	t.Helper()
	u, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "ws://"+c.RemoteAddr().String()+"/graphql", nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signing.SignWebSocket(u.URL, key, time.Now(), signing.NewNonce())
	if err != nil {
		t.Fatal(err)
	}
	c.send(t, map[string]any{"type": "connection_init", "payload": map[string]any{"signature-input": signed.SignatureInput, "signature": signed.Signature}})
	_, _, err = c.ReadMessage()
	var closed *websocket.CloseError
	if err != nil && !errors.As(err, &closed) {
		t.Fatal(err)
	}
	return closed
}

func (c socket) send(t *testing.T, message map[string]any) {
	t.Helper()
	if err := c.WriteJSON(message); err != nil {
		t.Fatal(err)
	}
}

// run executes a document, and answers the code of the error message if there is one.
func (c socket) run(t *testing.T, id, document string) string {
	t.Helper()
	c.send(t, map[string]any{"id": id, "type": "subscribe", "payload": map[string]string{"query": document}})
	for {
		var m struct {
			ID, Type string
			Payload  json.RawMessage
		}
		if err := c.ReadJSON(&m); err != nil {
			t.Fatal(err)
		}
		var errs []coded
		switch {
		case m.ID != id:
		case m.Type == "error":
			if err := json.Unmarshal(m.Payload, &errs); err != nil || len(errs) == 0 || errs[0].after() <= 0 {
				t.Fatalf("%v in %s", err, m.Payload)
			}
			return errs[0].Extensions.Code
		default:
			return ""
		}
	}
}

// On a WebSocket an operation over a limit is answered by an error message, and
// the socket goes on.
func TestOperationsOverALimit(t *testing.T) {
	t.Parallel()
	s := start(t, "RATE_COST=10", "RATE_SUBSCRIPTIONS=2", "RATE_ADDRESS_FACTOR=0")
	c, _ := dial(t, s, from("127.0.0.1"))
	if closed := c.initialise(t, newKey(t)); closed != nil {
		t.Fatal(closed)
	}
	const feed = `subscription { recordChanged { kind cursor } }`
	for id, want := range map[string]string{"a": "", "b": ""} {
		if code := c.run(t, id, feed); code != want {
			t.Errorf("subscription %s: %s", id, code)
		}
	}
	if code := c.run(t, "c", feed); code != "RATE_LIMITED" {
		t.Errorf("a third subscription: %q", code)
	}
	c.send(t, map[string]any{"id": "a", "type": "complete"})
	testservers.Await(t, "a place is free again", func(context.Context) bool { return c.run(t, "d", feed) == "" })
	limited := false
	for i := 0; i < 200 && !limited; i++ {
		limited = c.run(t, fmt.Sprint("w", i), write(i)) == "RATE_LIMITED"
	}
	if !limited {
		t.Error("writes without end are served")
	}
}

// Connections at a time, of an owner by the close code that the protocol has for
// it, and of an address before the upgrade.
func TestConnectionsAtATime(t *testing.T) {
	t.Parallel()
	s := start(t, "RATE_CONNECTIONS=2", "RATE_ADDRESS_FACTOR=2", "LOG_LEVEL=info")
	home, key := from("127.0.0.1"), newKey(t)
	var open []socket
	for range 2 {
		c, _ := dial(t, s, home)
		if closed := c.initialise(t, key); closed != nil {
			t.Fatal(closed)
		}
		open = append(open, c)
	}
	third, _ := dial(t, s, from("127.0.0.2"))
	if closed := third.initialise(t, key); closed == nil || closed.Code != 4429 || closed.Text != `{"code":"RATE_LIMITED","retryAfterMs":5000}` {
		t.Errorf("a third connection of an owner: %v", closed)
	}
	for range 2 {
		c, status := dial(t, s, home)
		if status != 0 {
			t.Fatalf("HTTP %d", status)
		}
		if closed := c.initialise(t, newKey(t)); closed != nil {
			t.Error(closed)
		}
	}
	if _, status := dial(t, s, home); status != http.StatusTooManyRequests {
		t.Errorf("a fifth connection of an address: HTTP %d", status)
	}
	for _, c := range open {
		c.Close()
	}
	testservers.Await(t, "places are free again", func(context.Context) bool {
		c, status := dial(t, s, home)
		return status == 0 && c.initialise(t, key) == nil
	})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	var told bool
	for line := range strings.Lines(s.Log()) {
		told = told || strings.Contains(line, "msg=initialisation") && strings.Contains(line, "outcome=RATE_LIMITED") && strings.Contains(line, "address=127.0.0.2")
	}
	if !told {
		t.Errorf("the log does not tell who was refused:\n%s", s.Log())
	}
}

// Bytes of WebSockets count, both ways.
func TestBytesOfWebSockets(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ limit, document string }{
		{"RATE_BYTES_IN=1KiB", `{ limits { maxBatch } } #` + strings.Repeat("x", 10_000)},
		{"RATE_BYTES_OUT=1KiB", `{ __schema { types { name description fields { name description } } } }`},
	} {
		s := start(t, test.limit, "RATE_ADDRESS_FACTOR=0")
		c, _ := dial(t, s, from("127.0.0.1"))
		if closed := c.initialise(t, newKey(t)); closed != nil {
			t.Fatal(closed)
		}
		limited := false
		for i := 0; i < 50 && !limited; i++ {
			limited = c.run(t, fmt.Sprint(i), test.document) == "RATE_LIMITED"
		}
		if !limited {
			t.Errorf("%s: served without end", test.limit)
		}
	}
}

// Events of a subscription count, and come later rather than not at all.
func TestEventsAreHeldBack(t *testing.T) {
	t.Parallel()
	const events = 26 // of 80 KB each: 5 seconds more than what a minute allows
	s := start(t, "RATE_BYTES_OUT=32KiB", "RATE_ADDRESS_FACTOR=0")
	key, data := newKey(t), strings.Repeat("aGVs", 20_000)
	for i := range events {
		document := fmt.Sprintf(`mutation { setRecord(input: {id: "%d", data: "%s"}) { status } }`, i, data)
		if a := send(t, s, key, http.DefaultTransport, document); a.status != http.StatusOK {
			t.Fatalf("%+v", a)
		}
	}
	follower := newClient(t, s, key)
	began, heard := time.Now(), 0
	for event, err := range follower.Follow(t.Context(), client.Beginning) {
		if err != nil {
			t.Fatal(err)
		}
		if event.Kind == client.CaughtUp {
			break
		}
		heard++
	}
	if took := time.Since(began); heard != events || took < 3*time.Second {
		t.Errorf("%d of %d events within %v", heard, events, took)
	}
}

// Keys are free. Who has an account is not concerned by how many new ones come.
func TestNewOwnersOfAnAddress(t *testing.T) {
	t.Parallel()
	s := start(t, "RATE_NEW_OWNERS=3")
	home := from("127.0.0.1")
	old := newKey(t)
	for i := range 3 {
		key := newKey(t)
		if i == 0 {
			key = old
		}
		if a := send(t, s, key, home, write(1)); a.status != http.StatusOK {
			t.Fatalf("%+v", a)
		}
	}
	if a := send(t, s, newKey(t), home, write(1)); a.code != "RATE_LIMITED" || a.after < 10*time.Minute {
		t.Errorf("a fourth new owner: %+v", a)
	}
	if a := send(t, s, newKey(t), home, `{ viewer { head } }`); a.status != http.StatusOK {
		t.Errorf("one who only reads: %+v", a)
	}
	s.Kill()
	s.Start() // which forgets who is known, but not who has an account
	for i := range 3 {
		if a := send(t, s, newKey(t), home, write(1)); a.status != http.StatusOK {
			t.Errorf("after a restart, new owner %d: %+v", i, a)
		}
	}
	if a := send(t, s, old, home, write(2)); a.status != http.StatusOK {
		t.Errorf("an owner who has an account: %+v", a)
	}
}

// The Go client waits as long as it is told, and its writes all arrive.
func TestTheClientWaits(t *testing.T) {
	t.Parallel()
	s := start(t, "RATE_COST=100")
	c := newClient(t, s, newKey(t))
	for i := 0; len(s.refusals(t)) == 0; i++ {
		if i == 1000 {
			t.Fatal("a thousand writes met no limit")
		}
		if _, err := c.Set(t.Context(), fmt.Sprint(i), []byte("x"), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// What a trusted proxy tells counts; what a client tells does not.
func TestForwardedAddresses(t *testing.T) {
	t.Parallel()
	s := start(t, "RATE_COST=1", "RATE_ADDRESS_FACTOR=4", "TRUSTED_PROXIES=127.0.0.9", "LOG_LEVEL=warn")
	for via, want := range map[string]bool{"127.0.0.9": true, "127.0.0.10": false} {
		path, served := from(via), map[int]int{}
		for i := range 100 {
			a := send(t, s, newKey(t), path, write(i), "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
			served[a.status]++
		}
		if all := served[http.StatusOK] == 100; all != want {
			t.Errorf("through %s, a hundred addresses: %v", via, served)
		}
	}
	const hint = "name it in TRUSTED_PROXIES"
	testservers.Await(t, "the log hints at a proxy that nobody named", func(context.Context) bool {
		return strings.Count(s.Log(), hint) == 1 && strings.Contains(s.Log(), "address=127.0.0.10")
	})
}
