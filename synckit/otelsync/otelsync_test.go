package otelsync_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"syncline/synckit"
	"syncline/synckit/otelsync"
	"syncline/synckit/resolve"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

// ledger is a provider of meters that keeps sums, by metric and attributes. The SDK's is not
// here, for a server would then require it.
type ledger struct {
	metricnoop.MeterProvider
	refuse string // the metric that cannot be made
	mu     sync.Mutex
	sums   map[string]float64
}

func (l *ledger) Meter(name string, _ ...metric.MeterOption) metric.Meter {
	return meter{ledger: l}
}

type meter struct {
	metricnoop.Meter
	ledger *ledger
}

func (m meter) Int64Counter(name string, _ ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	if m.ledger.refuse == name {
		return nil, stderrors.New("refused")
	}
	return counter{name: name, ledger: m.ledger}, nil
}

func (m meter) Float64Histogram(name string, _ ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	if m.ledger.refuse == name {
		return nil, stderrors.New("refused")
	}
	return histogram{name: name, ledger: m.ledger}, nil
}

type counter struct {
	metricnoop.Int64Counter
	name   string
	ledger *ledger
}

func (c counter) Add(_ context.Context, n int64, options ...metric.AddOption) {
	set := metric.NewAddConfig(options).Attributes()
	c.ledger.add(c.name, &set, float64(n))
}

type histogram struct {
	metricnoop.Float64Histogram
	name   string
	ledger *ledger
}

// Record counts what was recorded, if it is a time that a test can take.
func (h histogram) Record(_ context.Context, seconds float64, options ...metric.RecordOption) {
	set := metric.NewRecordConfig(options).Attributes()
	if 0 < seconds && seconds < 600 {
		h.ledger.add(h.name, &set, 1)
	}
}

func (l *ledger) add(name string, set *attribute.Set, n float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sums == nil {
		l.sums = map[string]float64{}
	}
	l.sums[name+"{"+set.Encoded(attribute.DefaultEncoder())+"}"] += n
}

func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for name, sum := range l.sums {
		lines = append(lines, fmt.Sprint(name, " ", sum))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// syncs has two nodes in conflict, one of which is observed, and then a peer that is gone.
func syncs(t *testing.T, observer synckit.Observer) {
	t.Helper()
	hub, mine, other := memory.New(), memory.New(), memory.New()
	cancelled, cancel := context.WithCancel(t.Context())
	first := synckit.NewSyncManager(other, memtransport.New("hub", hub), nil)
	second := synckit.NewSyncManager(mine, memtransport.New("hub", hub), &synckit.SyncOptions{
		ConflictResolver: resolve.LastWriteWins{}, Observer: observer, MaxEventBytes: 500,
		Filter: func(e synckit.Event) bool {
			if e.ID() == "late" {
				cancel()
			}
			return true
		},
	})
	t.Cleanup(func() { first.Close(); second.Close() })
	for _, e := range []struct {
		in   synckit.EventStore
		id   string
		data any
	}{{other, "o1", 1}, {mine, "m1", 1}, {mine, "m2", 2}, {mine, "large", strings.Repeat("x", 600)}} {
		if err := e.in.Store(t.Context(), synckit.NewEvent(e.id, "Changed", "secret-note", e.data, nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range []synckit.SyncManager{first, second} {
		if _, err := m.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	hub.Close()
	if _, err := second.Pull(t.Context()); err == nil {
		t.Fatal("a closed hub answers")
	}
	if err := mine.Store(t.Context(), synckit.NewEvent("late", "Changed", "secret-note", nil, nil), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Push(cancelled); err == nil {
		t.Fatal("a push that nobody waits for succeeds")
	}
}

func TestSpansOfASync(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	observer, err := otelsync.New(tracers, metricnoop.MeterProvider{})
	if err != nil {
		t.Fatal(err)
	}
	syncs(t, observer)
	byID, drawn := map[string]string{}, []string{}
	for _, s := range recorder.Ended() {
		byID[s.SpanContext().SpanID().String()] = s.Name()
	}
	for _, s := range recorder.Ended() {
		set := attribute.NewSet(s.Attributes()...)
		line := fmt.Sprintf("%s in %q {%s}", s.Name(), byID[s.Parent().SpanID().String()], set.Encoded(attribute.DefaultEncoder()))
		if s.Status().Code == codes.Error {
			line += " failed: " + s.Status().Description
		}
		if strings.Contains(line, "secret") || strings.Contains(line, "hub") {
			t.Errorf("a span names what is the user's: %s", line)
		}
		drawn = append(drawn, line)
	}
	const want = `synckit.decide in "synckit.pull" {synckit.conflicts=1,synckit.local=3,synckit.remote=1}
synckit.pull in "synckit.sync" {synckit.conflicts=1,synckit.pulled=1}
synckit.push in "synckit.sync" {synckit.errors=1,synckit.pushed=3,synckit.reviews=1}
synckit.sync in "" {synckit.conflicts=1,synckit.errors=1,synckit.operation=sync,synckit.pulled=1,synckit.pushed=3,synckit.reviews=1}
synckit.pull in "synckit.sync" {error.type=CLOSED} failed: CLOSED
synckit.sync in "" {error.type=CLOSED,synckit.operation=pull} failed: CLOSED
synckit.push in "synckit.sync" {error.type=CANCELED} failed: CANCELED
synckit.sync in "" {error.type=CANCELED,synckit.operation=push} failed: CANCELED`
	if got := strings.Join(drawn, "\n"); got != want {
		t.Errorf("spans:\n%s\nwant:\n%s", got, want)
	}
}

func TestMetricsOfASync(t *testing.T) {
	t.Parallel()
	var meters ledger
	observer, err := otelsync.New(sdktrace.NewTracerProvider(), &meters)
	if err != nil {
		t.Fatal(err)
	}
	syncs(t, observer)
	const want = `synckit.conflicts{} 1
synckit.events{synckit.direction=pull} 1
synckit.events{synckit.direction=push} 3
synckit.failures{error.type=CLOSED,synckit.operation=pull} 1
synckit.failures{error.type=TOO_LARGE,synckit.operation=sync} 1
synckit.reviews{} 1
synckit.sync.duration{synckit.operation=pull} 1
synckit.sync.duration{synckit.operation=push} 1
synckit.sync.duration{synckit.operation=sync} 1`
	if got := meters.String(); got != want {
		t.Errorf("metrics:\n%s\nwant:\n%s", got, want)
	}
}

func TestAMetricThatCannotBeMade(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"synckit.events", "synckit.sync.duration"} {
		_, err := otelsync.New(sdktrace.NewTracerProvider(), &ledger{refuse: name})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a refusal of %s: %v", name, err)
		}
	}
}
