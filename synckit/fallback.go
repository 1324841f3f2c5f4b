package synckit

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"syncline/synckit/errors"
)

// logOf gives the log that a store is, or one in memory on top of it.
func logOf(store EventStore) Log {
	if log, ok := store.(Log); ok {
		return log
	}
	return &fallbackLog{EventStore: store, index: map[string]int{}, clocks: map[string]uint64{}, cursors: map[Cursor]string{}, reviews: map[string]Review{}}
}

// fallbackLog makes a Log of a store that knows only EventStore. What the store
// cannot keep, cursors, origins, confirmations and reviews, is in memory and
// begins anew with the manager; so is the order of events. IDs keep that from
// doing harm: what was pulled or pushed before changes nothing.
type fallbackLog struct {
	EventStore

	mu      sync.Mutex
	entries []Entry           // position p is entries[p-1]
	index   map[string]int    // by ID
	clocks  map[string]uint64 // by aggregate: the highest
	loaded  Version           // of the last event loaded
	cursors map[Cursor]string
	reviews map[string]Review
}

// refresh loads what the app has stored meanwhile. Called with the lock held.
func (l *fallbackLog) refresh(ctx context.Context) error {
	since := l.loaded
	if since == nil {
		since = beginning{}
	}
	events, err := l.Load(ctx, since)
	if err != nil {
		return err
	}
	for _, e := range events {
		if e.Event == nil {
			continue
		}
		if e.Version != nil {
			l.loaded = e.Version
		}
		if _, known := l.index[e.Event.ID()]; !known {
			l.add(Entry{EventWithVersion: e})
		}
	}
	return nil
}

// add notes an event. One without a clock that was written here gets one, as a
// log would have given it; but one that cannot be encoded stays as it is, and is
// met when its turn to be pushed comes.
func (l *fallbackLog) add(e Entry) {
	if e.Origin == "" && ClockOf(e.Event) == 0 {
		if clocked, err := withClock(e.Event, l.clocks[e.Event.AggregateID()]+1); err == nil {
			e.Event = clocked
		}
	}
	aggregate := e.Event.AggregateID()
	l.clocks[aggregate] = max(l.clocks[aggregate], ClockOf(e.Event))
	e.Position = Position(len(l.entries) + 1)
	e.Confirmed = e.Origin != ""
	l.index[e.Event.ID()] = len(l.entries)
	l.entries = append(l.entries, e)
}

func withClock(e Event, clock uint64) (Event, error) {
	encoded, err := Encode(e)
	if err != nil {
		return nil, err
	}
	return encoded.WithClock(clock).Decode()
}

// Read implements Log.
func (l *fallbackLog) Read(ctx context.Context, after Position, limit int) ([]Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refresh(ctx); err != nil {
		return nil, err
	}
	rest := l.entries[min(int(after), len(l.entries)):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

// Aggregate implements Log.
func (l *fallbackLog) Aggregate(ctx context.Context, aggregateID string) ([]Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refresh(ctx); err != nil {
		return nil, err
	}
	var entries []Entry
	for _, e := range l.entries {
		if e.Event.AggregateID() == aggregateID {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// Cursor implements Log.
func (l *fallbackLog) Cursor(_ context.Context, peer string, direction Direction) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cursors[Cursor{Peer: peer, Direction: direction}], nil
}

// Commit implements Log, but that events stored before one that the store
// refuses stay. It does not see what the app writes meanwhile, so Unchanged is
// not looked at.
func (l *fallbackLog) Commit(ctx context.Context, c Commit) (Committed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range c.EndReviews {
		if _, ok := l.reviews[id]; !ok {
			return Committed{}, errors.New(errors.NotFound, "commit", nil, errors.Metadata{"review": id})
		}
	}
	if err := l.refresh(ctx); err != nil {
		return Committed{}, err
	}
	appended, err := l.appendAll(ctx, c.Append)
	if err != nil {
		return Committed{}, err
	}
	for _, cursor := range c.Cursors {
		l.cursors[Cursor{Peer: cursor.Peer, Direction: cursor.Direction}] = cursor.Value
	}
	for _, id := range c.EndReviews {
		delete(l.reviews, id)
	}
	for _, r := range c.AddReviews {
		l.reviews[r.ID] = r
	}
	return Committed{Appended: appended, Latest: Position(len(l.entries))}, nil
}

func (l *fallbackLog) appendAll(ctx context.Context, entries []Entry) (appended []string, err error) {
	for _, e := range entries {
		id := e.Event.ID()
		if at, known := l.index[id]; known {
			if err := l.confirm(at, e); err != nil {
				return nil, err
			}
			continue
		}
		if err := l.Store(ctx, e.Event, l.versionFor(ctx, e)); err != nil {
			return nil, err
		}
		l.add(e)
		appended = append(appended, id)
	}
	return appended, nil
}

// versionFor is a version that every store can take: the event's own, else the
// store's newest.
func (l *fallbackLog) versionFor(ctx context.Context, e Entry) Version {
	if e.Version != nil {
		return e.Version
	}
	if latest, err := l.LatestVersion(ctx); err == nil && latest != nil {
		return latest
	}
	return beginning{}
}

// confirm notes that a known event came from a peer.
func (l *fallbackLog) confirm(at int, e Entry) error {
	known := &l.entries[at]
	had, err := Encode(known.Event)
	if err != nil {
		return err
	}
	got, err := Encode(e.Event)
	if err != nil {
		return err
	}
	if !had.Same(got) {
		return errors.New(errors.EventIDReused, "commit", nil, errors.Metadata{"event": got.ID})
	}
	if e.Origin != "" {
		known.Confirmed = true
		if got.Clock() > 0 {
			known.Event = e.Event
		}
	}
	return nil
}

// Reviews implements Log.
func (l *fallbackLog) Reviews(_ context.Context, after string, limit int) ([]Review, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	reviews := slices.SortedFunc(maps.Values(l.reviews), func(a, b Review) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	if at := slices.IndexFunc(reviews, func(r Review) bool { return r.ID == after }); at >= 0 {
		reviews = reviews[at+1:]
	}
	return reviews[:min(limit, len(reviews))], nil
}

// Ambiguous implements ForkFinder, if the store does.
func (l *fallbackLog) Ambiguous(seen []Version) func(own Version) bool {
	if finder, ok := l.EventStore.(ForkFinder); ok {
		return finder.Ambiguous(seen)
	}
	return func(Version) bool { return false }
}

// Changed implements Log: the store does not tell.
func (l *fallbackLog) Changed() <-chan struct{} { return nil }
