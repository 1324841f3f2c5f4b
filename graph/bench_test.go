package graph_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"syncline/auth"
	"syncline/auth/signing"
	"syncline/feed"
	"syncline/graph"
	"syncline/graph/telemetry"
	"syncline/graph/transport"
	"syncline/internal/budget"
	"syncline/internal/clientaddr"
	"syncline/internal/crossorigin"
	"syncline/internal/ratelimit"
	"syncline/internal/testservers"
	"syncline/locks"
	"syncline/pubsub/inproc"
	"syncline/record"
	"syncline/storage/records"
)

// The benchmarks send signed requests through all that a request passes in the
// server. Where a store would only add its own time, there is one that only judges.

const writeRecord = `mutation Set($input: SetRecordInput!) { setRecord(input: $input) { status newRevision replayed } }`

const readPage = `query Page($since: Cursor) { changes(since: $since, first: 1000) {
	records { id data revision schemaVersion deleted clientId updatedAt } cursor hasMore head } }`

// forgetful lets a signature serve again and again.
type forgetful struct{}

func (forgetful) Remember(context.Context, signing.PublicKey, signing.Nonce, time.Time) error {
	return nil
}

// judgeOnly accepts every write of one owner.
type judgeOnly struct {
	record.Store
	mu   sync.Mutex
	head record.Revision
}

func (s *judgeOnly) Write(_ context.Context, _ record.Owner, request record.Request) (record.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	verdict, err := record.Judge(record.State{Account: record.Account{Head: s.head}}, request, time.Now())
	s.head = verdict.Account.Head
	return verdict.Result, err
}

func (s *judgeOnly) Account(context.Context, record.Owner) (record.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return record.Account{Head: s.head}, nil
}

// whole is the handler of a server, and what it serves.
type whole struct {
	http.Handler
	records *record.Service
	key     signing.PrivateKey
}

func newWhole(b testing.TB, store record.Store) *whole {
	b.Helper()
	key, err := signing.GenerateKey()
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	bus := inproc.New()
	records := record.NewService(store, bus, log)
	memory := budget.NewMemory(1 << 30)
	verifier := auth.NewVerifier(auth.Authorities{}, forgetful{}, auth.Options{Now: func() time.Time { return signedAt }, Budget: memory.Input})
	requests := telemetry.New(log, uncounted{})
	origins := crossorigin.New(crossorigin.GraphQL, []string{"*"}, nil, slog.New(slog.DiscardHandler))
	gate := ratelimit.New(ratelimit.Limits{
		Cost: 1e9, BytesIn: 1e9, BytesOut: 1e9, Connects: 1e9, Connections: 1e9, Subscriptions: 1e9, AddressFactor: 4,
	}, ratelimit.Options{Log: log})
	transports := transport.New(transport.Config{
		Input: memory.Input, Output: memory.Output, Pace: gate.Pace,
		Init: func(ctx context.Context, upgrade *http.Request, payload map[string]any) (context.Context, error) {
			p, err := verifier.VerifyInit(ctx, upgrade, payload)
			if err == nil {
				err = gate.Connected(ctx, p)
			}
			return auth.NewContext(ctx, p), err
		},
		Around:      requests.Operation,
		CheckOrigin: origins.AllowsSocket,
	})
	api := graph.NewServer(graph.Config{
		Records: records,
		Feed:    feed.New(records, bus, time.Hour, log),
		Locks:   locks.NewService(nil, bus, time.Hour, log),
		Log:     log,
		Limiter: gate, Introspection: true,
	})
	transports.Install(api)
	b.Cleanup(func() { _ = transports.Shutdown(context.Background()) })
	var proxies clientaddr.Proxies
	return &whole{proxies.Middleware(requests.Middleware(origins.Handler(gate.Middleware(verifier.Middleware(api))))), records, key}
}

var signedAt = time.Unix(1_800_000_000, 0)

// request is a signed POST to be sent once.
func (w *whole) request(b testing.TB, query string, variables any) (body []byte, send func() *http.Request) {
	b.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "http://localhost/graphql", bytes.NewReader(body))
	m, err := signing.RequestMessage(r, body)
	if err != nil {
		b.Fatal(err)
	}
	h, err := m.Sign(w.key, signedAt, signing.Nonce{1})
	if err != nil {
		b.Fatal(err)
	}
	header := http.Header{
		"Content-Type":               {"application/json"},
		"Accept":                     {"application/graphql-response+json"},
		signing.HeaderContentDigest:  {m.ContentDigest},
		signing.HeaderSignatureInput: {h.SignatureInput},
		signing.HeaderSignature:      {h.Signature},
	}
	return body, func() *http.Request {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/graphql", bytes.NewReader(body))
		r.Header = header
		return r
	}
}

// sink counts what is answered.
type sink struct {
	header http.Header
	status int
	bytes  int
}

func (s *sink) Header() http.Header                { return s.header }
func (s *sink) WriteHeader(status int)             { s.status = status }
func (s *sink) Write(p []byte) (int, error)        { s.bytes += len(p); return len(p), nil }
func (s *sink) SetReadDeadline(_ time.Time) error  { return nil }
func (s *sink) SetWriteDeadline(_ time.Time) error { return nil }

func (w *whole) serve(b testing.TB, r *http.Request) int {
	s := sink{header: make(http.Header), status: http.StatusOK}
	w.ServeHTTP(&s, r)
	if s.status != http.StatusOK {
		b.Fatal("status ", s.status)
	}
	return s.bytes
}

func input(size int) map[string]any {
	return map[string]any{"input": map[string]any{
		"id": "note-1", "data": base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("x"), size)),
		"schemaVersion": "1", "clientId": "bench", "mutationId": "7f0c0d6e-3d0b-4d0e-9f39-0a8a1c9f7c55",
	}}
}

// BenchmarkRequestSetRecord is a signed write of 1 KiB over HTTP, without
// net/http itself and without a database.
func BenchmarkRequestSetRecord(b *testing.B) {
	w := newWhole(b, &judgeOnly{})
	_, send := w.request(b, writeRecord, input(1<<10))
	b.ReportAllocs()
	for b.Loop() {
		w.serve(b, send())
	}
}

// mostAllocations are those of a signed write over HTTP, from the headers that net/http
// has read to the answer that it sends, without a database; there are 146.
const mostAllocations = 150

// What a write costs beside its key and its transaction is what it allocates.
func TestSignedWriteAllocatesLittle(t *testing.T) { // not parallel: others' allocations would be counted
	w := newWhole(t, &judgeOnly{})
	_, send := w.request(t, writeRecord, input(1<<10))
	w.serve(t, send()) // from now on the document is known
	const runs = 200
	var requests []*http.Request
	var sinks []*sink
	for range runs + 1 {
		requests, sinks = append(requests, send()), append(sinks, &sink{header: make(http.Header)})
	}
	all := testing.AllocsPerRun(runs, func() {
		w.ServeHTTP(sinks[0], requests[0])
		if sinks[0].status != http.StatusOK {
			t.Fatal("status ", sinks[0].status)
		}
		requests, sinks = requests[1:], sinks[1:]
	})
	if all > mostAllocations && !raceDetector { // which has pools forget, and allocates itself
		t.Errorf("%.0f allocations, want at most %d", all, mostAllocations)
	}
}

// BenchmarkRequestSetRecordWebSocket is the same write over open WebSockets,
// pipelined, client included.
func BenchmarkRequestSetRecordWebSocket(b *testing.B) {
	w := newWhole(b, &judgeOnly{})
	const sockets, pipeline = 64, 16
	server := httptest.NewServer(w)
	defer server.Close()
	payload, _ := json.Marshal(map[string]any{"query": writeRecord, "variables": input(1 << 10)})
	conns := make([]*websocket.Conn, sockets)
	for i := range conns {
		conns[i] = w.dial(b, server.URL)
		defer conns[i].Close()
	}
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for i, c := range conns {
		n := b.N/sockets + min(1, max(0, b.N%sockets-i))
		all.Go(func() { pipelined(b, c, payload, n, pipeline) })
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

// dial opens a signed connection.
func (w *whole) dial(b *testing.B, url string) *websocket.Conn {
	b.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}, ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10}
	c, res, err := dialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/graphql", nil)
	if err != nil {
		b.Fatal(err, res)
	}
	m, err := signing.WebSocketMessage(res.Request.URL)
	if err != nil {
		b.Fatal(err)
	}
	h, err := m.Sign(w.key, signedAt, signing.Nonce{1})
	if err != nil {
		b.Fatal(err)
	}
	_ = c.WriteJSON(map[string]any{"type": "connection_init", "payload": map[string]any{"signature-input": h.SignatureInput, "signature": h.Signature}})
	if _, ack, err := c.ReadMessage(); err != nil || !bytes.Contains(ack, []byte("connection_ack")) {
		b.Fatal(string(ack), err)
	}
	return c
}

// pipelined keeps some writes under way until n are answered.
func pipelined(b *testing.B, c *websocket.Conn, payload []byte, n, window int) {
	room := make(chan struct{}, window)
	go func() {
		for i := range n {
			room <- struct{}{}
			_ = c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"subscribe","id":"%d","payload":%s}`, i, payload))
		}
	}()
	for range n {
		_, next, err := c.ReadMessage()
		if err != nil || !bytes.Contains(next, []byte("SUCCESS")) {
			b.Error(string(next), err)
			return
		}
		if _, _, err := c.ReadMessage(); err != nil {
			b.Error(err)
			return
		}
		<-room
	}
}

// BenchmarkRequestPage is a page of 1000 records of 1 KiB out of SQLite, over
// HTTP without net/http itself.
func BenchmarkRequestPage(b *testing.B) {
	db := testservers.SQLite(b)
	benchmarkPage(b, records.New(db, db.NewEngine()))
}

// BenchmarkRequestPagePostgres is the same out of PostgreSQL.
func BenchmarkRequestPagePostgres(b *testing.B) {
	db := testservers.StartPostgres(b).Open(b)
	benchmarkPage(b, records.New(db, db.NewEngine()))
}

func benchmarkPage(b *testing.B, store record.Store) {
	w := newWhole(b, store)
	for batch := range 10 {
		request := record.Request{Kind: record.KindBatch}
		for i := range 100 {
			data := bytes.Repeat([]byte{byte(i)}, 1<<10)
			request.Writes = append(request.Writes, record.Write{ID: fmt.Sprintf("record-%d-%d", batch, i), Data: data, SchemaVersion: "1"})
		}
		if _, err := w.records.Write(b.Context(), record.Owner(w.key.Public()), request); err != nil {
			b.Fatal(err)
		}
	}
	_, send := w.request(b, readPage, nil)
	b.ReportAllocs()
	for b.Loop() {
		if size := w.serve(b, send()); size < 1000*1400 {
			b.Fatal(size)
		}
	}
}

// uncounted is metrics of nobody's.
type uncounted struct{}

func (uncounted) Observe(string, string, time.Duration) {}

func (uncounted) Refused(string, string) {}
