package rulefile

import (
	"bytes"
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"syncline/synckit"
	"syncline/synckit/resolve"
)

// WatchOptions say how a file is watched.
type WatchOptions struct {
	Options
	// Interval is how often the file is looked at; 0: 2 s. It is read, for neither its time
	// nor its size tells of each change on every file system.
	Interval time.Duration
	// Changed is called after each change: err is nil if the new rules hold from now on,
	// else why the ones before still do. nil: nobody is told.
	Changed func(err error)
}

// Watched resolves conflicts by a file's rules as they are at the moment.
type Watched struct{ rules atomic.Pointer[resolve.Rules] }

var (
	_ synckit.StoreResolver      = (*Watched)(nil)
	_ synckit.ExplainingResolver = (*Watched)(nil)
)

// Watch reads a file's rules, and reads them again whenever the file changes, until ctx ends.
// A change holds once two looks running have found the same, for a file may be seen half
// written; one that is replaced by a rename never is. A file that cannot be used, or that is
// gone, changes nothing: the rules before hold on. Nodes whose files differ can decide
// differently; one of the decisions then counts, the same on all.
func Watch(ctx context.Context, name string, options WatchOptions) (*Watched, error) {
	text, err := read(name)
	if err != nil {
		return nil, wrong(err)
	}
	rules, err := Parse(text, options.Options)
	if err != nil {
		return nil, err
	}
	w := &Watched{}
	w.rules.Store(rules)
	go w.watch(ctx, name, text, options)
	return w, nil
}

func (w *Watched) watch(ctx context.Context, name string, known []byte, options WatchOptions) {
	ticker := time.NewTicker(cmp.Or(options.Interval, 2*time.Second))
	defer ticker.Stop()
	readable := true
	var seen []byte // what the last look found, if that was new; nil: it was not
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		text, err := read(name)
		if err == nil && bytes.Equal(text, known) && readable || err != nil && !readable {
			seen = nil
			continue
		}
		if err == nil && (seen == nil || !bytes.Equal(text, seen)) { // it may be half written
			seen = append([]byte{}, text...) // never nil
			continue
		}
		seen = nil
		if readable = err == nil; readable {
			known = text
			var rules *resolve.Rules
			if rules, err = Parse(text, options.Options); err == nil {
				w.rules.Store(rules)
			}
		} else {
			err = wrong(err)
		}
		if options.Changed != nil {
			options.Changed(err)
		}
	}
}

// Resolve implements synckit.ConflictResolver.
func (w *Watched) Resolve(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	return w.rules.Load().Resolve(ctx, local, remote)
}

// Explain implements synckit.ExplainingResolver.
func (w *Watched) Explain(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, synckit.Reason, error) {
	return w.rules.Load().Explain(ctx, local, remote)
}

// ForStore implements synckit.StoreResolver, for its rules' resolvers.
func (w *Watched) ForStore(store synckit.EventStore) synckit.ConflictResolver {
	return watchedFor{w, store}
}

// watchedFor resolves by the rules as they are at the moment, with a store to look at.
type watchedFor struct {
	watched *Watched
	store   synckit.EventStore
}

// Resolve implements synckit.ConflictResolver.
func (w watchedFor) Resolve(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	kept, _, err := w.Explain(ctx, local, remote)
	return kept, err
}

// Explain implements synckit.ExplainingResolver.
func (w watchedFor) Explain(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, synckit.Reason, error) {
	return synckit.ResolveExplained(ctx, w.watched.rules.Load().ForStore(w.store), local, remote)
}
