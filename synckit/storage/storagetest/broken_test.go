package storagetest_test

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/storage/storagetest"
	"syncline/synckit/version"
)

// brokenEnv names the fault that TestABrokenStore has.
const brokenEnv = "SYNCKIT_STORAGETEST_BROKEN"

// broken is a log with one fault. Each field that is set stands in for a method.
type broken struct {
	synckit.Log
	store  func(ctx context.Context, log synckit.Log, e synckit.Event, v synckit.Version) error
	load   func(events []synckit.EventWithVersion) []synckit.EventWithVersion
	since  func(v synckit.Version) synckit.Version
	read   func(entries []synckit.Entry) []synckit.Entry
	commit func(ctx context.Context, log synckit.Log, c synckit.Commit) (synckit.Committed, error)
	fail   func(err error) error
	review func(reviews []synckit.Review) []synckit.Review
	wake   func() <-chan struct{}
	cursor func(value string) string
	drop   func(ctx context.Context, log synckit.Dropper, aggregate string, ids []string) error
}

func (b *broken) Drop(ctx context.Context, aggregate string, ids []string) error {
	dropper := b.Log.(synckit.Dropper)
	if b.drop != nil {
		return b.drop(ctx, dropper, aggregate, ids)
	}
	return dropper.Drop(ctx, aggregate, ids)
}

func (b *broken) Store(ctx context.Context, e synckit.Event, v synckit.Version) error {
	if b.store != nil {
		return b.store(ctx, b.Log, e, v)
	}
	return b.failed(b.Log.Store(ctx, e, v))
}

func (b *broken) failed(err error) error {
	if b.fail != nil {
		return b.fail(err)
	}
	return err
}

func (b *broken) Load(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	if b.since != nil {
		since = b.since(since)
	}
	events, err := b.Log.Load(ctx, since)
	if b.load != nil {
		events = b.load(events)
	}
	return events, b.failed(err)
}

func (b *broken) Read(ctx context.Context, after synckit.Position, limit int) ([]synckit.Entry, error) {
	entries, err := b.Log.Read(ctx, after, limit)
	if b.read != nil {
		entries = b.read(entries)
	}
	return entries, err
}

func (b *broken) Commit(ctx context.Context, c synckit.Commit) (synckit.Committed, error) {
	if b.commit != nil {
		return b.commit(ctx, b.Log, c)
	}
	return b.Log.Commit(ctx, c)
}

func (b *broken) Reviews(ctx context.Context, after string, limit int) ([]synckit.Review, error) {
	reviews, err := b.Log.Reviews(ctx, after, limit)
	if b.review != nil {
		reviews = b.review(reviews)
	}
	return reviews, err
}

func (b *broken) Cursor(ctx context.Context, peer string, direction synckit.Direction) (string, error) {
	value, err := b.Log.Cursor(ctx, peer, direction)
	if b.cursor != nil {
		value = b.cursor(value)
	}
	return value, err
}

func (b *broken) Changed() <-chan struct{} {
	if b.wake != nil {
		return b.wake()
	}
	return b.Log.Changed()
}

func eventsCommit(e synckit.Event, v synckit.Version, origin string) synckit.Commit {
	return synckit.Commit{Append: []synckit.Entry{{EventWithVersion: synckit.EventWithVersion{Event: e, Version: v}, Origin: origin}}}
}

// tornCommit does the parts of a commit one after the other, so that what comes
// before a failure stays.
func tornCommit(ctx context.Context, log synckit.Log, c synckit.Commit) (done synckit.Committed, err error) {
	for _, e := range c.Append {
		part, err := log.Commit(ctx, synckit.Commit{Append: []synckit.Entry{e}, Unchanged: c.Unchanged})
		if err != nil {
			return done, err
		}
		done.Appended, done.Latest = append(done.Appended, part.Appended...), part.Latest
	}
	c.Append = nil
	rest, err := log.Commit(ctx, c)
	done.Latest = rest.Latest
	return done, err
}

// faults are what a store may do wrong, with the check that finds it.
var faults = map[string]struct {
	store func(log synckit.Log) *broken
	found string
}{
	"stores again": {func(log synckit.Log) *broken {
		return &broken{Log: log, store: func(ctx context.Context, log synckit.Log, e synckit.Event, v synckit.Version) error {
			err := log.Store(ctx, e, v)
			if errors.CodeOf(err) == errors.EventIDReused {
				return nil
			}
			return err
		}}
	}, "an ID is not used for another event"},
	"refuses what it has": {func(log synckit.Log) *broken {
		return &broken{Log: log, store: func(ctx context.Context, log synckit.Log, e synckit.Event, v synckit.Version) error {
			done, err := log.Commit(ctx, eventsCommit(e, v, ""))
			if err == nil && len(done.Appended) == 0 {
				return errors.New(errors.EventIDReused, "store", nil)
			}
			return err
		}}
	}, "the same event again changes nothing"},
	"newest first": {func(log synckit.Log) *broken {
		return &broken{Log: log, load: func(events []synckit.EventWithVersion) []synckit.EventWithVersion {
			if len(events) > 1 {
				events[0], events[len(events)-1] = events[len(events)-1], events[0]
			}
			return events
		}}
	}, "events come back in order"},
	"loads all": {func(log synckit.Log) *broken {
		return &broken{Log: log, since: func(synckit.Version) synckit.Version { return nil }}
	}, "load after a version"},
	"cannot load after clocks": {func(log synckit.Log) *broken {
		return &broken{Log: log, since: func(v synckit.Version) synckit.Version {
			if _, ok := v.(version.VectorClock); ok {
				return nil
			}
			return v
		}}
	}, "load after a causal version"},
	"drops versions": {func(log synckit.Log) *broken {
		return &broken{Log: log, store: func(ctx context.Context, log synckit.Log, e synckit.Event, _ synckit.Version) error {
			return log.Store(ctx, e, nil)
		}}
	}, "causal versions are kept"},
	"hides codes": {func(log synckit.Log) *broken {
		return &broken{Log: log, fail: func(err error) error {
			if errors.CodeOf(err) == errors.Closed {
				return context.Canceled
			}
			return err
		}}
	}, "a closed store says so"},
	"goes on after the end": {func(log synckit.Log) *broken {
		return &broken{Log: log, store: func(ctx context.Context, log synckit.Log, e synckit.Event, v synckit.Version) error {
			return log.Store(context.WithoutCancel(ctx), e, v)
		}}
	}, "a context that has ended"},
	"takes origins for its own": {func(log synckit.Log) *broken {
		return &broken{Log: log, read: func(entries []synckit.Entry) []synckit.Entry {
			for i := range entries {
				entries[i].Origin = ""
			}
			return entries
		}}
	}, "log: a known event with an origin confirms"},
	"never confirms": {func(log synckit.Log) *broken {
		return &broken{Log: log, read: func(entries []synckit.Entry) []synckit.Entry {
			for i := range entries {
				entries[i].Confirmed = entries[i].Origin != ""
			}
			return entries
		}}
	}, "log: a known event with an origin confirms"},
	"commits in parts": {func(log synckit.Log) *broken {
		return &broken{Log: log, commit: tornCommit}
	}, "log: a commit is all or nothing"},
	"forgets what a commit relies on": {func(log synckit.Log) *broken {
		return &broken{Log: log, commit: func(ctx context.Context, log synckit.Log, c synckit.Commit) (synckit.Committed, error) {
			c.Unchanged = nil
			return log.Commit(ctx, c)
		}}
	}, "log: a commit relies on aggregates"},
	"decides twice": {func(log synckit.Log) *broken {
		return &broken{Log: log, commit: func(ctx context.Context, log synckit.Log, c synckit.Commit) (synckit.Committed, error) {
			done, err := log.Commit(ctx, c)
			if errors.CodeOf(err) == errors.NotFound {
				c.EndReviews = nil
				return log.Commit(ctx, c)
			}
			return done, err
		}}
	}, "log: one of many ends a review"},
	"forgets versions of reviews": {func(log synckit.Log) *broken {
		return &broken{Log: log, review: func(reviews []synckit.Review) []synckit.Review {
			for i := range reviews {
				for j := range reviews[i].Remote {
					reviews[i].Remote[j].Version = nil
				}
			}
			return reviews
		}}
	}, "log: reviews"},
	"never wakes": {func(log synckit.Log) *broken {
		return &broken{Log: log, wake: func() <-chan struct{} { return make(chan struct{}) }}
	}, "log: changes wake"},
	"forgets cursors": {func(log synckit.Log) *broken {
		return &broken{Log: log, cursor: func(string) string { return "" }}
	}, "log: cursors"},
	"keeps cursors of two directions alone": {func(log synckit.Log) *broken {
		return &broken{Log: log, commit: func(ctx context.Context, log synckit.Log, c synckit.Commit) (synckit.Committed, error) {
			c.Cursors = slices.DeleteFunc(slices.Clone(c.Cursors), func(c synckit.Cursor) bool {
				return c.Direction != synckit.Pushing && c.Direction != synckit.Pulling
			})
			return log.Commit(ctx, c)
		}}
	}, "log: what belongs to decisions"},
	"drops nothing": {func(log synckit.Log) *broken {
		return &broken{Log: log, drop: func(context.Context, synckit.Dropper, string, []string) error { return nil }}
	}, "log: dropped entries"},
	"drops from all aggregates": {func(log synckit.Log) *broken {
		return &broken{Log: log, drop: func(ctx context.Context, to synckit.Dropper, _ string, ids []string) error {
			return cmp.Or(to.Drop(ctx, "x", ids), to.Drop(ctx, "y", ids))
		}}
	}, "log: dropped entries"},
	"keeps clocks of elsewhere": {func(log synckit.Log) *broken {
		return &broken{Log: log, store: func(ctx context.Context, log synckit.Log, e synckit.Event, v synckit.Version) error {
			_, err := log.Commit(ctx, eventsCommit(e, v, ""))
			return err
		}}
	}, "log: clocks are above what is known"},
	"gives no clocks": {func(log synckit.Log) *broken {
		return &broken{Log: log, store: func(ctx context.Context, log synckit.Log, e synckit.Event, v synckit.Version) error {
			_, err := log.Commit(ctx, eventsCommit(e, v, "somebody"))
			return err
		}}
	}, "log: clocks are above what is known"},
}

// TestABrokenStore is run by TestEachFaultIsFound, where it must fail.
func TestABrokenStore(t *testing.T) {
	fault, ok := faults[os.Getenv(brokenEnv)]
	if !ok {
		return // nothing is broken
	}
	storagetest.Run(t, func(*testing.T) synckit.EventStore { return fault.store(memory.New()) })
}

// TestEachFaultIsFound also tells that the check for a fault passes without it:
// the conformance tests of all stores run it.
func TestEachFaultIsFound(t *testing.T) {
	t.Parallel()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := strings.ReplaceAll(fault.found, " ", "_")
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestABrokenStore$/^"+check+"$")
			cmd.Env = append(os.Environ(), brokenEnv+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestABrokenStore/"+check) {
				t.Errorf("%q did not find it: %v\n%s", fault.found, err, out)
			}
		})
	}
}
