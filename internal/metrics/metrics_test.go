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
	m.Handler().ServeHTTP(w, request("127.0.0.1:9090", "/metrics"))
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
	m.Handler().ServeHTTP(w, request("127.0.0.1:9090", "/debug/pprof/"))
	if w.Code != http.StatusOK {
		t.Errorf("profiles: %d", w.Code)
	}
}

func request(host, path string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = host
	return r
}

// A page whose own name was made to lead to this address is told nothing.
func TestHost(t *testing.T) {
	handler := metrics.New().Handler("", "metrics.internal")
	for host, want := range map[string]int{
		"127.0.0.1:9090":             http.StatusOK,
		"10.1.2.3":                   http.StatusOK,
		"[::1]:9090":                 http.StatusOK,
		"[fd00::1]":                  http.StatusOK,
		"localhost:9090":             http.StatusOK,
		"LocalHost":                  http.StatusOK,
		"metrics.internal:9090":      http.StatusOK,
		"attacker.example:9090":      http.StatusMisdirectedRequest,
		"127.0.0.1.attacker.example": http.StatusMisdirectedRequest,
		"localhost.attacker.example": http.StatusMisdirectedRequest,
		"metrics.internal.attacker":  http.StatusMisdirectedRequest,
		"":                           http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/cmdline"} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, request(host, path))
			if w.Code != want {
				t.Errorf("%s asked for at %q: %d, want %d", path, host, w.Code, want)
			}
		}
	}
}
