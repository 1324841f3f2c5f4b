package synckit

import (
	"io"
	"log/slog"
	"time"
)

// SyncManagerBuilder puts a manager together and checks it.
type SyncManagerBuilder struct {
	store     EventStore
	transport Transport
	options   SyncOptions
	opened    []io.Closer // by options, for the manager to close
}

// NewSyncManagerBuilder begins a manager with the defaults of SyncOptions.
func NewSyncManagerBuilder() *SyncManagerBuilder { return &SyncManagerBuilder{} }

// Build gives the manager, or an error of code InvalidOptions that says what is
// missing, out of range or contradicts itself.
func (b *SyncManagerBuilder) Build() (*Manager, error) {
	options := b.options
	m := NewSyncManager(b.store, b.transport, &options)
	if m.bad != nil {
		return nil, m.bad
	}
	m.opened, b.opened = b.opened, nil
	return m, nil
}

func (b *SyncManagerBuilder) with(f func(*SyncOptions)) *SyncManagerBuilder {
	f(&b.options)
	return b
}

// WithStore sets the store. It is required.
func (b *SyncManagerBuilder) WithStore(store EventStore) *SyncManagerBuilder {
	b.store = store
	return b
}

// WithTransport sets the transport. It is required.
func (b *SyncManagerBuilder) WithTransport(transport Transport) *SyncManagerBuilder {
	b.transport = transport
	return b
}

// WithOptions sets all options at once.
func (b *SyncManagerBuilder) WithOptions(options SyncOptions) *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { *o = options })
}

// WithPushOnly is SyncOptions.PushOnly.
func (b *SyncManagerBuilder) WithPushOnly() *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.PushOnly = true })
}

// WithPullOnly is SyncOptions.PullOnly.
func (b *SyncManagerBuilder) WithPullOnly() *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.PullOnly = true })
}

// WithConflictResolver is SyncOptions.ConflictResolver.
func (b *SyncManagerBuilder) WithConflictResolver(resolver ConflictResolver) *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.ConflictResolver = resolver })
}

// WithFilter is SyncOptions.Filter.
func (b *SyncManagerBuilder) WithFilter(filter func(Event) bool) *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.Filter = filter })
}

// WithBatchSize is SyncOptions.BatchSize.
func (b *SyncManagerBuilder) WithBatchSize(events int) *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.BatchSize = events })
}

// WithSyncInterval is SyncOptions.SyncInterval.
func (b *SyncManagerBuilder) WithSyncInterval(interval time.Duration) *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.SyncInterval = interval })
}

// WithPeer is SyncOptions.Peer.
func (b *SyncManagerBuilder) WithPeer(name string) *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.Peer = name })
}

// WithTimeout is SyncOptions.Timeout.
func (b *SyncManagerBuilder) WithTimeout(timeout time.Duration) *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.Timeout = timeout })
}

// WithMaxRetryDelay is SyncOptions.MaxRetryDelay.
func (b *SyncManagerBuilder) WithMaxRetryDelay(delay time.Duration) *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.MaxRetryDelay = delay })
}

// WithMaxEventBytes is SyncOptions.MaxEventBytes.
func (b *SyncManagerBuilder) WithMaxEventBytes(bytes int) *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.MaxEventBytes = bytes })
}

// WithValidation is SyncOptions.Validate.
func (b *SyncManagerBuilder) WithValidation(validate func(Event) error) *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.Validate = validate })
}

// WithRelease is SyncOptions.Release.
func (b *SyncManagerBuilder) WithRelease(release string) *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.Release = release })
}

// WithMetrics is SyncOptions.Metrics.
func (b *SyncManagerBuilder) WithMetrics(metrics MetricsCollector) *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.Metrics = metrics })
}

// WithObserver is SyncOptions.Observer.
func (b *SyncManagerBuilder) WithObserver(observer Observer) *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.Observer = observer })
}

// WithLogger is SyncOptions.Logger.
func (b *SyncManagerBuilder) WithLogger(logger *slog.Logger) *SyncManagerBuilder {
	return b.with(func(o *SyncOptions) { o.Logger = logger })
}
