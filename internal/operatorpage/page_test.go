package operatorpage

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// shown is a page over figures of its own, at a time that the test decides.
type shown struct {
	*Page
	t      *testing.T
	now    time.Time
	asked  int
	owners error
	took   *prometheus.HistogramVec
}

func show(t *testing.T) *shown {
	t.Helper()
	registry := prometheus.NewRegistry()
	s := &shown{t: t, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), took: prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Name: operations, Buckets: []float64{.01, 1}}, []string{"field", "outcome"})}
	lag := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "syncline_lag_seconds", Buckets: []float64{.01, 1}})
	disk := prometheus.NewGauge(prometheus.GaugeOpts{Name: "syncline_disk_free_bytes", Help: "Free <disk>."})
	other := prometheus.NewGauge(prometheus.GaugeOpts{Name: "go_gc_gogc_percent"})
	registry.MustRegister(s.took, lag, disk, other)
	disk.Set(3 << 29)
	for range 99 {
		lag.Observe(.002)
	}
	lag.Observe(.5)
	s.Page = New(Source{
		Version: "1.2.3", Database: "sqlite3", Started: s.now.Add(-100 * time.Second), Figures: registry.Gather, Log: slog.New(slog.DiscardHandler),
		Health: func(context.Context) (string, map[string]string) {
			return "degraded", map[string]string{"database": "ok", "redis": "failing: <locks>"}
		},
		Owners: func(_ context.Context, most int) ([]Owner, error) {
			s.asked++
			return []Owner{{Prefix: "02abcdef0123", Records: 7, Bytes: 2048, Written: s.now.Add(-3 * time.Hour)}}, s.owners
		},
	})
	s.Page.now = func() time.Time { return s.now }
	return s
}

// get is the page without its tags' attributes and line ends.
func (s *shown) get() string {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		s.t.Errorf("HTTP %d, %v", w.Code, w.Header())
	}
	return w.Body.String()
}

func (s *shown) mustHave(texts ...string) {
	s.t.Helper()
	body := s.get()
	for _, text := range texts {
		if !strings.Contains(body, text) {
			s.t.Errorf("the page has no %q:\n%s", text, body)
		}
	}
	if strings.Contains(body, "<script") || strings.Contains(body, "<locks>") || strings.Contains(body, "gogc") {
		s.t.Errorf("the page has something that it must not have:\n%s", body)
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	s := show(t)
	for range 200 {
		s.took.WithLabelValues("setRecord", "ok").Observe(.004)
	}
	s.mustHave(`<strong class="fair">degraded`, "1.2.3 on sqlite3, started 2 min ago", `database <b class="good">ok`, `redis <b class="bad">failing: &lt;locks&gt;`,
		`<td>setRecord<td>ok<td class="n">2<td class="n">4ms<td class="n">200`, "100: half up to 10ms, 99 % up to 10ms",
		`disk_free_bytes</code><small class="wide">Free &lt;disk&gt;.</small><td class="n">1.5 GiB`,
		`<code>02abcdef0123</code><td class="n">2.0 KiB<td class="n">7<td class="n">3 h ago`)
}

// Rates are of what came since the page before, for each reader, and not of the last moment.
func TestRates(t *testing.T) {
	t.Parallel()
	s := show(t)
	s.get()
	s.now = s.now.Add(10 * time.Second)
	for range 50 {
		s.took.WithLabelValues("changes", "BAD_USER_INPUT").Observe(.02)
	}
	s.mustHave(`<td>changes<td class="fair">BAD_USER_INPUT<td class="n">5<td class="n">20ms<td class="n">50`, "of the last 10 s")
	s.now = s.now.Add(time.Second)
	s.mustHave(`BAD_USER_INPUT<td class="n">4.5<td`, "of the last 11 s")
	s.now = s.now.Add(time.Hour)
	s.mustHave(`BAD_USER_INPUT<td class="n">0<td class="n">20ms<td class="n">50`)
}

// Owners are asked for once a minute, and that they cannot be had is said.
func TestOwners(t *testing.T) {
	t.Parallel()
	s := show(t)
	s.get()
	s.get()
	if s.asked != 1 {
		t.Errorf("asked for owners %d times", s.asked)
	}
	s.now, s.owners = s.now.Add(ownersAge), errors.New("internal text")
	s.mustHave("They cannot be listed: the log says why.")
	if strings.Contains(s.get(), "internal text") {
		t.Error("the page shows internal text")
	}
}
