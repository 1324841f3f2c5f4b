package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"syncline/auth/signing"
	"syncline/internal/testservers"
)

// drawn is a span as a collector gets it.
type drawn struct {
	*tracepb.Span
	instance string
}

// collector receives traces by OTLP.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	raw   bytes.Buffer
	spans []drawn
	asked []*http.Request
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var batch tracepb.TracesData
		if err == nil {
			err = proto.Unmarshal(body, &batch)
		}
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw.Write(body)
		c.asked = append(c.asked, r)
		for _, of := range batch.ResourceSpans {
			instance := ""
			for _, a := range of.Resource.Attributes {
				if a.Key == "service.instance.id" {
					instance = a.Value.GetStringValue()
				}
			}
			for _, scope := range of.ScopeSpans {
				for _, span := range scope.Spans {
					c.spans = append(c.spans, drawn{span, instance})
				}
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// only is the one span of a name in a trace.
func (c *collector) only(t *testing.T, trace, name string) (found drawn) {
	t.Helper()
	n := 0
	for _, span := range c.spans {
		if span.Name == name && hex.EncodeToString(span.TraceId) == trace {
			found = span
			n++
		}
	}
	if n != 1 {
		t.Fatalf("%d spans %s in trace %s", n, name, trace)
	}
	return found
}

func (s drawn) attribute(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// traced names a span of the client's with each request.
type traced struct{ parent string }

func (h traced) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("traceparent", h.parent)
	return http.DefaultTransport.RoundTrip(r)
}

// A write that is sent to one instance, and a subscription at another that hears of it, are spans of the trace that
// the writer named, each under the one that it came of. All of them come by the flush of the last moment.
// Nothing of what was written, and no key, is in them.
func TestTraces(t *testing.T) {
	t.Parallel()
	traces := startCollector(t)
	const writer, reader = "11111111111111111111111111111111", "22222222222222222222222222222222"
	const writerSpan, readerSpan = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"
	pair := startPair(t, "DATABASE_URL="+testservers.StartPostgres(t).NewURL(t), "REDIS_URL="+testservers.StartRedis(t).URL(), "FEED_POLL_INTERVAL=10m",
		"OTEL_EXPORTER_OTLP_ENDPOINT="+traces.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20secret", "OTEL_BSP_SCHEDULE_DELAY=3600000", "LOG_LEVEL=info",
		"SHUTDOWN_TIMEOUT=300s") // the flush has a tenth of it
	pair.awaitReadiness(t, 200, "ready", "redis", "ok") // else the hint may find nobody
	key := newKey(t)
	events := followTraced(t, pair.instances[1], key, "00-"+reader+"-"+readerSpan+"-01")
	device := newDevice(pair.instances[0].URL(), key)
	device.http.Transport = traced{"00-" + writer + "-" + writerSpan + "-01"}
	if err := device.set(t, "the-record", []byte("the data")); err != nil {
		t.Fatal(err)
	}
	told, heard := <-events
	if !heard {
		t.Fatal("the subscriber did not hear of the write")
	}
	for _, instance := range pair.instances {
		if err := instance.Stop(); err != nil {
			t.Fatal(err)
		}
	}

	request := traces.only(t, writer, "request")
	if hex.EncodeToString(request.ParentSpanId) != writerSpan {
		t.Errorf("the request's parent is %x", request.ParentSpanId)
	}
	hint := traces.only(t, writer, "hint")
	for name, parent := range map[string]drawn{"verification": request, "queue": request, "transaction": request, "hint": request, "delivery": hint} {
		if span := traces.only(t, writer, name); !bytes.Equal(span.ParentSpanId, parent.SpanId) || (span.instance == request.instance) == (name == "delivery") {
			t.Errorf("%s: under %x, of %s; want under %x", name, span.ParentSpanId, span.instance, parent.SpanId)
		} else if span.EndTimeUnixNano < span.StartTimeUnixNano {
			t.Errorf("%s ends before it begins", name)
		}
	}
	if want := "00-" + writer + "-" + hex.EncodeToString(hint.SpanId) + "-01"; told != want {
		t.Errorf("the subscriber was told of %q, want %q", told, want)
	}
	operation := traces.only(t, reader, "operation")
	if hex.EncodeToString(operation.ParentSpanId) != readerSpan || operation.attribute("syncline.fields") != "recordChanged" {
		t.Errorf("the subscription: %v", operation)
	}
	if links := traces.only(t, writer, "delivery").Links; len(links) != 1 || !bytes.Equal(links[0].SpanId, operation.SpanId) {
		t.Errorf("the delivery is linked to %v", links)
	}
	owner := key.Public().String()
	if got := request.attribute("syncline.owner"); got == "" || !strings.HasPrefix(owner, got) || len(got) > 12 || request.attribute("syncline.outcome") != "ok" {
		t.Errorf("the request: %v", request)
	}
	for _, secret := range []string{"the-record", "the data", base64.StdEncoding.EncodeToString([]byte("the data")), owner[:16], "sig=", "127.0.0.1"} {
		if bytes.Contains(traces.raw.Bytes(), []byte(secret)) {
			t.Errorf("the collector was told %q", secret)
		}
	}
	for _, r := range traces.asked {
		if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("asked by %s %s %v", r.Method, r.URL, r.Header)
		}
	}
	if log := pair.instances[0].Log(); !strings.Contains(log, "fields=setRecord trace="+writer) {
		t.Errorf("the line of the write does not name its trace:\n%s", log)
	}
}

// followTraced subscribes by a WebSocket, as part of a span, and answers when it hears of what comes. The channel
// tells of the first event which span it is said to belong to, and nothing if none comes within a minute.
func followTraced(t *testing.T, server *testservers.Syncline, key signing.PrivateKey, parent string) <-chan string {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
	ws, res, err := dialer.DialContext(t.Context(), "ws://"+server.Address+"/graphql", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	t.Cleanup(func() { _ = ws.Close() })
	if err := ws.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	upgrade, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signing.SignWebSocket(upgrade, key, time.Now(), signing.NewNonce())
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range []map[string]any{
		{"type": "connection_init", "payload": map[string]any{"signature-input": signed.SignatureInput, "signature": signed.Signature}},
		{"type": "subscribe", "id": "1", "payload": map[string]any{
			"query": "subscription { recordChanged { kind } }", "extensions": map[string]any{"traceparent": parent},
		}},
	} {
		if err := ws.WriteJSON(message); err != nil {
			t.Fatal(err)
		}
		var ack struct{ Type string }
		if err := ws.ReadJSON(&ack); err != nil { // the acknowledgement, and that it has caught up
			t.Fatal(err)
		}
	}
	events := make(chan string, 1)
	go func() {
		defer close(events)
		defer ws.Close() // a stop takes its time for those who are still there
		var event struct {
			Payload struct{ Extensions map[string]string }
		}
		if ws.ReadJSON(&event) == nil {
			events <- event.Payload.Extensions["traceparent"]
		}
	}()
	return events
}

// A collector that answers nothing, or that is not there, has no write fail and no stop wait for it.
func TestTracesThatNobodyTakes(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() // until then connections wait to be accepted
	for _, address := range []string{silent.Addr().String(), testservers.FreeAddress(t)} {
		server := testservers.StartSyncline(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+address, "OTEL_BSP_MAX_QUEUE_SIZE=32", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=8", "SHUTDOWN_TIMEOUT=20s") // the flush has a tenth of it
		device := newDevice(server.URL(), newKey(t))
		for range 20 {
			if err := device.set(t, newKey(t).Public().String()[:20], []byte("1")); err != nil {
				t.Error(err)
			}
		}
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(server.Log(), "traces are lost") {
			t.Errorf("nobody is told that traces are lost:\n%s", server.Log())
		}
	}
}

// A client's traceparent that cannot be read is none, and a sampler that takes nothing is followed.
func TestTracesOfStrangeParents(t *testing.T) {
	t.Parallel()
	traces := startCollector(t)
	server := testservers.StartSyncline(t, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="+traces.URL, "SHUTDOWN_TIMEOUT=300s")
	for _, parent := range []string{
		"", "00-", "ff-11111111111111111111111111111111-aaaaaaaaaaaaaaaa-01", "00-00000000000000000000000000000000-aaaaaaaaaaaaaaaa-01",
		strings.Repeat("0", 4000), "00-11111111111111111111111111111111-aaaaaaaaaaaaaaaa-00",
	} {
		device := newDevice(server.URL(), newKey(t))
		device.http.Transport = traced{parent}
		if err := device.set(t, "a", []byte("1")); err != nil {
			t.Errorf("%.60q: %v", parent, err)
		}
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	requests := 0
	for _, span := range traces.spans {
		if span.Name == "request" {
			requests++
			if len(span.ParentSpanId) > 0 {
				t.Errorf("under %x", span.ParentSpanId)
			}
		}
	}
	if requests != 5 { // the last client says that its trace is not recorded
		t.Errorf("%d requests were traced, want 5", requests)
	}
}
