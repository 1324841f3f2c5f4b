package tracing_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"syncline/internal/testservers"
	"syncline/internal/tracing"
)

func TestMain(m *testing.M) {
	testservers.WithoutOTel()
	os.Exit(m.Run())
}

// While the collector takes nothing, no more spans are kept than the queue and one batch hold, and nobody who draws one
// waits. What a collector cannot take just now, it is sent again.
func TestWhatWaitsIsBounded(t *testing.T) {
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "64")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
	asked, release := make(chan struct{}, 100), make(chan struct{})
	var refused atomic.Bool
	var taken atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-release
		if !refused.Swap(true) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var batch tracepb.TracesData
		if body, err := io.ReadAll(r.Body); err != nil || proto.Unmarshal(body, &batch) != nil {
			t.Error("unreadable")
		}
		for _, of := range batch.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				taken.Add(int64(len(scope.Spans)))
			}
		}
	}))
	defer collector.Close()
	tracer, err := tracing.New(t.Context(), tracing.Config{URL: collector.URL, Service: "test"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	draw := func() { tracer.End(tracer.Begin(context.Background(), "request", "", false), "ok", nil) }
	for range 16 {
		draw()
	}
	<-asked // a batch is under way
	for range 10_000 {
		draw()
	}
	close(release)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := tracer.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if n := taken.Load(); n < 64 || n > 64+2*16 {
		t.Errorf("%d spans arrived; a queue of 64 and a batch of 16 under way", n)
	}
}

// No span of a trace that is not recorded is drawn, and none without a trace.
func TestWhatIsNotRecorded(t *testing.T) {
	var asked atomic.Bool
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	defer collector.Close()
	tracer, err := tracing.New(t.Context(), tracing.Config{URL: collector.URL, Sampler: tracing.Sampler{Name: "parentbased_always_off"}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx := tracer.Begin(t.Context(), "request", "00-11111111111111111111111111111111-aaaaaaaaaaaaaaaa-00", false)
	for _, ctx := range []context.Context{ctx, t.Context()} {
		tracer.Past(ctx, "verification", time.Now(), time.Now(), "ok")
		if id := tracer.ID(ctx); id != "" {
			t.Errorf("the log would name the trace %s", id)
		}
	}
	tracer.End(ctx, "ok", nil)
	if err := tracer.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if asked.Load() {
		t.Error("something was exported")
	}
}
