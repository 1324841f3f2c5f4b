package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"syncline/synckit"
	"syncline/synckit/metrics"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

// syncOnce pushes two events, fails to push one, then closes the hub and fails.
func syncOnce(t *testing.T, collector synckit.MetricsCollector) {
	t.Helper()
	hub, store := memory.New(), memory.New()
	m := synckit.NewSyncManager(store, memtransport.New("hub", hub), &synckit.SyncOptions{
		Metrics: collector, MaxEventBytes: 500,
	})
	for id, data := range map[string]any{"a": 1, "b": 2, "large": strings.Repeat("x", 600)} {
		if err := store.Store(t.Context(), synckit.NewEvent(id, "Changed", id, data, nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := hub.Store(t.Context(), synckit.NewEvent("h", "Changed", "h", nil, nil), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	hub.Close()
	if _, err := m.Pull(t.Context()); err == nil {
		t.Fatal("a closed hub answers")
	}
	collector.RecordConflicts(3)
}

func TestCollector(t *testing.T) {
	t.Parallel()
	var c metrics.Collector
	if average := c.Snapshot().Operations["sync"].Average(); average != 0 {
		t.Errorf("average before the first: %v", average)
	}
	syncOnce(t, &c)
	s := c.Snapshot()
	if s.EventsPushed != 2 || s.EventsPulled != 1 || s.ConflictsResolved != 3 {
		t.Errorf("%+v", s)
	}
	if s.Errors[metrics.Failure{Operation: "sync", Code: "TOO_LARGE"}] != 1 || s.Errors[metrics.Failure{Operation: "pull", Code: "CLOSED"}] != 1 {
		t.Errorf("errors: %v", s.Errors)
	}
	if o := s.Operations["sync"]; o.Count != 1 || o.Average() != o.Longest || o.Total != o.Longest {
		t.Errorf("sync: %+v", o)
	}
	c.RecordSyncDuration("sync", time.Hour)
	if s.Operations["sync"].Longest == time.Hour {
		t.Error("a snapshot changed")
	}
	c.Reset()
	if c.Snapshot().EventsPushed != 0 {
		t.Error("Reset keeps counts")
	}
}

func TestPrometheus(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	p, err := metrics.NewPrometheus(registry)
	if err != nil {
		t.Fatal(err)
	}
	syncOnce(t, p)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		"synckit_conflicts_resolved_total 3",
		`synckit_errors_total{code="CLOSED",operation="pull"} 1`,
		`synckit_errors_total{code="TOO_LARGE",operation="sync"} 1`,
		`synckit_events_total{direction="pulled"} 1`,
		`synckit_events_total{direction="pushed"} 2`,
		`synckit_sync_duration_seconds_count{operation="pull"} 1`,
		`synckit_sync_duration_seconds_count{operation="sync"} 1`,
	} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("no line %s in\n%s", line, w.Body)
		}
	}
	if _, err := metrics.NewPrometheus(registry); err == nil {
		t.Error("registered twice")
	}
}
