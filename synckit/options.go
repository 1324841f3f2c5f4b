package synckit

import (
	"fmt"
	"log/slog"
	"time"

	"syncline/synckit/errors"
)

const (
	defaultBatchSize     = 100
	defaultSyncInterval  = 30 * time.Second
	defaultTimeout       = 30 * time.Second
	defaultMaxRetryDelay = 5 * time.Minute
	defaultMaxEventBytes = 1 << 20
	defaultPeer          = "default"

	maxBatchSize = 10_000
)

// check tells what contradicts itself or is out of range.
func (o SyncOptions) check() error {
	switch {
	case o.PushOnly && o.PullOnly:
		return badOptions("PushOnly and PullOnly exclude each other")
	case o.BatchSize < 0 || o.BatchSize > maxBatchSize:
		return badOptions(fmt.Sprintf("BatchSize is 1 to %d, or 0 for %d", maxBatchSize, defaultBatchSize))
	case o.MaxEventBytes < 0:
		return badOptions("MaxEventBytes is above 0, or 0 for 1 MiB")
	case o.SyncInterval < 0 || o.Timeout < 0 || o.MaxRetryDelay < 0:
		return badOptions("SyncInterval, Timeout and MaxRetryDelay are above 0, or 0 for their defaults")
	case len(o.Peer) > maxNameBytes:
		return badOptions(fmt.Sprintf("Peer has up to %d bytes", maxNameBytes))
	}
	return nil
}

func badOptions(text string) error {
	return errors.New(errors.InvalidOptions, "new manager", fmt.Errorf("%s", text))
}

// withDefaults fills in what was left out.
func (o SyncOptions) withDefaults(transport Transport) SyncOptions {
	fill(&o.BatchSize, defaultBatchSize)
	fill(&o.SyncInterval, defaultSyncInterval)
	fill(&o.Timeout, defaultTimeout)
	fill(&o.MaxRetryDelay, defaultMaxRetryDelay)
	fill(&o.MaxEventBytes, defaultMaxEventBytes)
	if named, ok := transport.(NamedTransport); ok {
		fill(&o.Peer, named.Peer())
	}
	fill(&o.Peer, defaultPeer)
	fill(&o.Release, thisRelease())
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	return o
}

func fill[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

type noMetrics struct{}

func (noMetrics) RecordSyncDuration(string, time.Duration) {}
func (noMetrics) RecordSyncEvents(int, int)                {}
func (noMetrics) RecordSyncErrors(string, string)          {}
func (noMetrics) RecordConflicts(int)                      {}
