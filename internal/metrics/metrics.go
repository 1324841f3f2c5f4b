// Package metrics tells operators what the server does, in Prometheus' format,
// and serves profiles. Both belong on a port that the public does not reach.
package metrics

import (
	"database/sql"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// Metrics are the server's figures. They are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	page     http.Handler // at /; may be nil
	refusals *prometheus.CounterVec
}

// New has the figures of the Go runtime and the process, and none of requests yet.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "syncline_operation_duration_seconds",
			Help:    "Time from request to answer of queries and mutations, and life of subscriptions, by root field and outcome (ok, or the error's code; of calls of Breez data-sync's clients also HELD, ended and canceled).",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60, 3600},
		}, []string{"field", "outcome"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "syncline_refusals_total",
			Help: "What did not end well, by what it was (request, operation of a connection, initialisation of a WebSocket, call of Breez data-sync's clients) and by the error's code (refused: there was none).",
		}, []string{"what", "code"}),
	}
	for _, what := range []string{"request", "operation", "initialisation", "call"} {
		m.refusals.WithLabelValues(what, "INTERNAL") // shown from the start: an increase is seen only of what was there before
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests,
		m.refusals,
	)
	return m
}

// Observe counts an operation under one of its root fields.
func (m *Metrics) Observe(field, outcome string, took time.Duration) {
	m.requests.WithLabelValues(field, outcome).Observe(took.Seconds())
}

// Refused counts what did not end well, by the code that it ended with.
func (m *Metrics) Refused(what, code string) { m.refusals.WithLabelValues(what, code).Inc() }

// Gauge shows a figure that is read when it is asked for.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Counter shows how often the function that it answers was called, for each of
// the values of the labels. These must be few: none that clients choose.
func (m *Metrics) Counter(name, help string, whose, which string) (count func(whose, which string)) {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{whose, which})
	m.registry.MustRegister(counter)
	return func(whose, which string) { counter.WithLabelValues(whose, which).Inc() }
}

// Gather reads all figures as they are now.
func (m *Metrics) Gather() ([]*dto.MetricFamily, error) { return m.registry.Gather() }

// ShowAtRoot has Handler serve a page at /. It is called before Handler.
func (m *Metrics) ShowAtRoot(page http.Handler) { m.page = page }

// Gauges shows figures that are read when they are asked for, by one label, whose
// values are few.
func (m *Metrics) Gauges(name, help, label string, read func() map[string]float64) {
	m.registry.MustRegister(gauges{prometheus.NewDesc(name, help, []string{label}, nil), read})
}

type gauges struct {
	desc *prometheus.Desc
	read func() map[string]float64
}

// Describe implements prometheus.Collector.
func (g gauges) Describe(to chan<- *prometheus.Desc) { to <- g.desc }

// Collect implements prometheus.Collector.
func (g gauges) Collect(to chan<- prometheus.Metric) {
	for value, figure := range g.read() {
		to <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, figure, value)
	}
}

// Count shows how often the function that it answers was called.
func (m *Metrics) Count(name, help string) (count func()) {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.registry.MustRegister(c)
	return c.Inc
}

// Total shows what the function that it answers added up, by one label, of which all
// values are shown from the start.
func (m *Metrics) Total(name, help, label string, values ...string) (add func(value string, n int)) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	for _, value := range values {
		total.WithLabelValues(value)
	}
	m.registry.MustRegister(total)
	return func(value string, n int) { total.WithLabelValues(value).Add(float64(n)) }
}

// Histogram shows how what the function that it answers was told is distributed.
func (m *Metrics) Histogram(name, help string, buckets ...float64) (observe func(float64)) {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h.Observe
}

// Pool shows the connections of a database, as go_sql_...{db_name="name"}, which is what
// Prometheus's own collector of database/sql calls them.
func (m *Metrics) Pool(name string, stats func() sql.DBStats) {
	show := func(kind prometheus.ValueType, figure, help string, value func(sql.DBStats) float64) {
		options := prometheus.Opts{Name: "go_sql_" + figure, Help: help, ConstLabels: prometheus.Labels{"db_name": name}}
		now := func() float64 { return value(stats()) }
		if kind == prometheus.CounterValue {
			m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts(options), now))
		} else {
			m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts(options), now))
		}
	}
	show(prometheus.GaugeValue, "max_open_connections", "Most connections that the pool opens.", func(s sql.DBStats) float64 { return float64(s.MaxOpenConnections) })
	show(prometheus.GaugeValue, "open_connections", "Connections that are open, in use and idle.", func(s sql.DBStats) float64 { return float64(s.OpenConnections) })
	show(prometheus.GaugeValue, "in_use_connections", "Connections in use.", func(s sql.DBStats) float64 { return float64(s.InUse) })
	show(prometheus.GaugeValue, "idle_connections", "Connections that are idle.", func(s sql.DBStats) float64 { return float64(s.Idle) })
	show(prometheus.CounterValue, "wait_count_total", "How often a connection was waited for.", func(s sql.DBStats) float64 { return float64(s.WaitCount) })
	show(prometheus.CounterValue, "wait_duration_seconds_total", "How long connections were waited for.", func(s sql.DBStats) float64 { return s.WaitDuration.Seconds() })
	show(prometheus.CounterValue, "max_idle_closed_total", "Connections that were closed because too many were idle.", func(s sql.DBStats) float64 { return float64(s.MaxIdleClosed) })
	show(prometheus.CounterValue, "max_idle_time_closed_total", "Connections that were closed because they were idle for long.", func(s sql.DBStats) float64 { return float64(s.MaxIdleTimeClosed) })
	show(prometheus.CounterValue, "max_lifetime_closed_total", "Connections that were closed because they were old.", func(s sql.DBStats) float64 { return float64(s.MaxLifetimeClosed) })
}

// Build shows which program runs, as a figure that is always 1.
func (m *Metrics) Build(version, database string) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "syncline_build_info", Help: "1: the program's version, and the kind of its database.",
		ConstLabels: prometheus.Labels{"version": version, "database": database, "go": runtime.Version()},
	}, func() float64 { return 1 }))
}

// Handler serves /metrics and /debug/pprof/ to who asks for them by an IP
// address, by localhost or by one of hosts, which are names without a port. Under
// any other name a web page might ask, whose own name was made to lead here (DNS
// rebinding).
func (m *Metrics) Handler(hosts ...string) http.Handler {
	mux := http.NewServeMux()
	if m.page != nil {
		mux.Handle("GET /{$}", m.page)
	}
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !knownHost(r.Host, hosts) {
			http.Error(w, "the server does not know this name as its own: ask by its address, or add the name to METRICS_HOSTS", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// knownHost judges a Host header, with or without its port.
func knownHost(header string, hosts []string) bool {
	name := header
	if host, _, err := net.SplitHostPort(header); err == nil {
		name = host
	}
	if net.ParseIP(strings.Trim(name, "[]")) != nil {
		return true
	}
	known := func(host string) bool { return host != "" && strings.EqualFold(host, name) }
	return known("localhost") || slices.ContainsFunc(hosts, known)
}
