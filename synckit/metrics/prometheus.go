package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"syncline/synckit"
)

// Prometheus counts for Prometheus.
type Prometheus struct {
	durations *prometheus.HistogramVec
	events    *prometheus.CounterVec
	errors    *prometheus.CounterVec
	conflicts prometheus.Counter
}

var _ synckit.MetricsCollector = (*Prometheus)(nil)

// NewPrometheus registers
//
//	synckit_sync_duration_seconds{operation}      histogram
//	synckit_events_total{direction}               counter: "pushed" and "pulled"
//	synckit_errors_total{operation,code}          counter
//	synckit_conflicts_resolved_total              counter
//
// It fails if they are registered already: managers that share a registry share
// one Prometheus, or wrap the registerer with labels of their own.
func NewPrometheus(registerer prometheus.Registerer) (*Prometheus, error) {
	p := &Prometheus{
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "synckit_sync_duration_seconds", Help: "How long syncs, pushes and pulls took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9), // 1 ms to 65 s
		}, []string{"operation"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "synckit_events_total", Help: "Events that the peer or this node stored.",
		}, []string{"direction"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "synckit_errors_total", Help: "Errors of syncs, pushes and pulls, by code.",
		}, []string{"operation", "code"}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "synckit_conflicts_resolved_total", Help: "Conflicts that the resolver decided.",
		}),
	}
	registered := []prometheus.Collector{}
	for _, c := range []prometheus.Collector{p.durations, p.events, p.errors, p.conflicts} {
		if err := registerer.Register(c); err != nil {
			for _, r := range registered {
				registerer.Unregister(r)
			}
			return nil, err
		}
		registered = append(registered, c)
	}
	return p, nil
}

// RecordSyncDuration implements synckit.MetricsCollector.
func (p *Prometheus) RecordSyncDuration(operation string, duration time.Duration) {
	p.durations.WithLabelValues(operation).Observe(duration.Seconds())
}

// RecordSyncEvents implements synckit.MetricsCollector.
func (p *Prometheus) RecordSyncEvents(pushed, pulled int) {
	p.events.WithLabelValues("pushed").Add(float64(pushed))
	p.events.WithLabelValues("pulled").Add(float64(pulled))
}

// RecordSyncErrors implements synckit.MetricsCollector.
func (p *Prometheus) RecordSyncErrors(operation, code string) {
	p.errors.WithLabelValues(operation, code).Inc()
}

// RecordConflicts implements synckit.MetricsCollector.
func (p *Prometheus) RecordConflicts(resolved int) { p.conflicts.Add(float64(resolved)) }
