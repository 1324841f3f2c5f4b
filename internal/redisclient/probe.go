package redisclient

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Use is what a part of the server needs Redis for.
type Use struct {
	Name  string                      // in the plural
	Probe func(context.Context) error // nil: Redis does it
}

// Watch tells whether Redis does all that it is used for. Make one with NewWatch.
type Watch struct {
	client redis.UniversalClient
	uses   []Use
	log    *slog.Logger

	mu   sync.Mutex
	said string // state of which the log knows
}

// NewWatch is a watch over some uses.
func NewWatch(client redis.UniversalClient, log *slog.Logger, uses ...Use) *Watch {
	return &Watch{client: client, uses: uses, log: log}
}

// Failure is that Redis is away, or refuses what it is used for.
type Failure struct {
	Uses []string // that fail; none if Redis does not answer at all
	Err  error    // one of the reasons
}

// Error implements error.
func (f *Failure) Error() string { return f.State() + ": " + f.Err.Error() }

// Unwrap is the reason.
func (f *Failure) Unwrap() error { return f.Err }

// State says in short what fails, without what Redis said.
func (f *Failure) State() string {
	if len(f.Uses) == 0 {
		return "down"
	}
	return "failing: " + strings.Join(f.Uses, ", ")
}

// Probe tries everything, at once. The error is a *Failure. A change is logged.
func (w *Watch) Probe(ctx context.Context) error {
	errs := make([]error, len(w.uses))
	var tried sync.WaitGroup
	for i, use := range w.uses {
		tried.Go(func() { errs[i] = use.Probe(ctx) })
	}
	away := w.client.Ping(ctx).Err()
	tried.Wait()
	var failure *Failure
	if away != nil {
		failure = &Failure{Err: away}
	}
	for i, err := range errs {
		if err == nil || away != nil {
			continue
		}
		if failure == nil {
			failure = &Failure{Err: err}
		}
		failure.Uses = append(failure.Uses, w.uses[i].Name)
	}
	w.tell(ctx, failure)
	if failure == nil {
		return nil
	}
	return failure
}

func (w *Watch) tell(ctx context.Context, failure *Failure) {
	state := ""
	if failure != nil {
		state = failure.State()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if state == w.said {
		return
	}
	w.said = state
	if failure == nil {
		w.log.InfoContext(ctx, "Redis does all that it is used for")
		return
	}
	w.log.WarnContext(ctx, "Redis does not do what it is used for", "state", state, "error", failure.Err)
}
