package version_test

import (
	"context"
	stderrors "errors"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
)

// failing stores an event or not, and then says that it failed.
type failing struct {
	synckit.Log
	err    error
	stores bool
}

func (f *failing) Commit(ctx context.Context, c synckit.Commit) (synckit.Committed, error) {
	if f.err == nil || f.stores {
		done, err := f.Log.Commit(ctx, c)
		return done, stderrors.Join(err, f.err)
	}
	return synckit.Committed{}, f.err
}

func (f *failing) Store(ctx context.Context, e synckit.Event, v synckit.Version) error {
	_, err := f.Commit(ctx, synckit.Commit{Append: []synckit.Entry{{EventWithVersion: synckit.EventWithVersion{Event: e, Version: v}}}})
	return err
}

func TestAVersionIsNeverUsedTwice(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	final := errors.New(errors.EventIDReused, "store", nil)
	passing := errors.New(errors.StorageFailed, "store", nil)
	for name, c := range map[string]struct {
		ctx    context.Context
		err    error
		stores bool
		want   string
	}{
		"refused for good":        {t.Context(), final, false, `a1={"A":1} a3={"A":2}`},
		"cancelled before":        {cancelled, nil, false, `a1={"A":1} a3={"A":2}`},
		"not stored, but unclear": {t.Context(), passing, false, `a1={"A":1} a3={"A":3}`},
		"stored, but unclear":     {t.Context(), passing, true, `a1={"A":1} a2={"A":2} a3={"A":3}`},
	} {
		for _, kind := range []string{"log", "store"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				base := &failing{Log: memory.New()}
				var below synckit.EventStore = base
				if kind == "store" {
					below = plain{base}
				}
				s := versioned(t, below, "A")
				store(t, s, "a1")
				base.err, base.stores = c.err, c.stores
				if err := s.Store(c.ctx, note("a2"), nil); err == nil {
					t.Fatal("no error")
				}
				base.err = nil
				store(t, s, "a3")
				assertVersions(t, s, c.want)
			})
		}
	}
}

// TestWhatFailedIsNotClaimedToBeKnown keeps conflicts from being missed: an event
// must not claim to know remote ones that were not stored.
func TestWhatFailedIsNotClaimedToBeKnown(t *testing.T) {
	t.Parallel()
	base := &failing{Log: memory.New(), err: errors.New(errors.StorageFailed, "commit", nil)}
	s := versioned(t, base, "A").(synckit.Log)
	remote := synckit.Entry{EventWithVersion: synckit.EventWithVersion{Event: note("b1"), Version: clock(t, `{"B":1}`)}, Origin: "b"}
	if _, err := s.Commit(t.Context(), synckit.Commit{Append: []synckit.Entry{remote}}); err == nil {
		t.Fatal("no error")
	}
	base.err = nil
	store(t, s, "a1")
	assertVersions(t, s, `a1={"A":1}`)
}
