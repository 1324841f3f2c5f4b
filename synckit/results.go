package synckit

import (
	"log/slog"
	"sync"

	"syncline/synckit/errors"
)

// results tells handlers of results, in order, without holding up the next sync.
type results struct {
	mu         sync.Mutex
	handlers   []func(*SyncResult)
	waiting    []*SyncResult
	delivering bool
}

func (r *results) subscribe(handler func(*SyncResult)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handlers = append(r.handlers, handler)
}

func (r *results) add(result *SyncResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, result)
}

// deliver calls the handlers for all that waits. While another call does so, it
// leaves the rest to that one.
func (r *results) deliver(logger *slog.Logger) {
	for {
		result, handlers := r.next()
		if result == nil {
			return
		}
		for _, handle := range handlers {
			err := guard("handle result", errors.Internal, func() error { handle(result); return nil })
			if err != nil {
				logger.Error("a handler of sync results failed", "error", err)
			}
		}
		r.mu.Lock()
		r.delivering = false
		r.mu.Unlock()
	}
}

func (r *results) next() (*SyncResult, []func(*SyncResult)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.delivering || len(r.waiting) == 0 {
		return nil, nil
	}
	result := r.waiting[0]
	r.waiting, r.delivering = r.waiting[1:], true
	return result, r.handlers
}
