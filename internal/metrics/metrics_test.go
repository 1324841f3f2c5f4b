package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"syncline/internal/metrics"
)

func TestHandler(t *testing.T) {
	m := metrics.New()
	m.Gauge("syncline_live_feeds", "Feeds followed now.", func() float64 { return 3 })
	m.Observe("setRecord", "ok", 2*time.Millisecond)
	m.Observe("setRecord", "FENCED", time.Millisecond)

	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`syncline_operation_duration_seconds_count{field="setRecord",outcome="ok"} 1`,
		`syncline_operation_duration_seconds_count{field="setRecord",outcome="FENCED"} 1`,
		"syncline_live_feeds 3",
		"go_goroutines ",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no line %q", want)
		}
	}

	w = httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/pprof/", nil))
	if w.Code != http.StatusOK {
		t.Errorf("profiles: %d", w.Code)
	}
}
