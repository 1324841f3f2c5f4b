// Package health tells orchestrators and load balancers how a server is.
package health

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// checkTimeout bounds the probes, so that one that hangs counts as failed.
const checkTimeout = 2 * time.Second

// Check is a dependency of the server.
type Check struct {
	Name  string
	Probe func(context.Context) error // nil: it answers
	// Degrades: without it the server still serves, in part or more slowly. It
	// stays ready then, since its siblings would have to leave too.
	Degrades bool
	// Failing is what the answer says of it when the probe fails; "down" if empty. An
	// error that has a State says that instead.
	Failing string
}

// failing is what the answer says of a check that failed.
func (c Check) failing(err error) string {
	if e, ok := errors.AsType[interface {
		error
		State() string
	}](err); ok {
		return e.State()
	}
	return cmp.Or(c.Failing, "down")
}

// Health answers whether the server is alive, and ready for requests. It is
// safe for concurrent use.
type Health struct {
	checks   []Check
	draining atomic.Bool
}

// New is ready as long as every check succeeds, save those that degrade.
func New(checks ...Check) *Health { return &Health{checks: checks} }

// Drain makes the server not ready for good: it is about to stop.
func (h *Health) Drain() { h.draining.Store(true) }

// Live answers 200 while the process serves at all.
func (h *Health) Live(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, report{Status: "live"})
}

// Ready answers 200 if the server can serve, else 503, and names what is down
// in either case. It turns 200 again by itself.
func (h *Health) Ready(w http.ResponseWriter, r *http.Request) {
	code, answer := http.StatusOK, report{}
	answer.Status, answer.Checks = h.State(r.Context())
	if answer.Status == draining || answer.Status == notReady {
		code = http.StatusServiceUnavailable
	}
	write(w, code, answer)
}

const (
	draining = "draining"
	notReady = "not ready"
)

// State is what Ready says: ready, degraded, not ready or draining, and of each part
// "ok" or what it is instead. While the server drains no part is asked.
func (h *Health) State(ctx context.Context) (status string, checks map[string]string) {
	if h.draining.Load() {
		return draining, nil
	}
	status, checks = "ready", map[string]string{}
	failures := h.probe(ctx)
	for i, c := range h.checks {
		checks[c.Name] = "ok"
		if failures[i] == nil {
			continue
		}
		checks[c.Name] = c.failing(failures[i])
		switch {
		case !c.Degrades:
			status = notReady
		case status == "ready":
			status = "degraded"
		}
	}
	return status, checks
}

// Failing asks all and tells of each by its name whether it fails.
func (h *Health) Failing(ctx context.Context) map[string]bool {
	failing := make(map[string]bool, len(h.checks))
	for i, err := range h.probe(ctx) {
		failing[h.checks[i].Name] = err != nil
	}
	return failing
}

// probe asks all at once: whoever wants to know has a timeout of its own.
func (h *Health) probe(ctx context.Context) []error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	failures := make([]error, len(h.checks))
	var asked sync.WaitGroup
	for i, c := range h.checks {
		asked.Go(func() { failures[i] = c.Probe(ctx) })
	}
	asked.Wait()
	return failures
}

type report struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks,omitempty"`
}

func write(w http.ResponseWriter, status int, answer report) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}
