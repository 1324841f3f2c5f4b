package synckittest_test

import (
	"context"
	stderrors "errors"
	"testing"
	"testing/synctest"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/synckittest"
)

func event(id, aggregate string) synckit.Event {
	return synckit.NewEvent(id, "Changed", aggregate, id, nil)
}

// The documentation's test, with an event to push.
func TestMySync(t *testing.T) {
	t.Parallel()
	store := &synckittest.MockEventStore{}
	transport := &synckittest.MockTransport{}
	resolver := &synckittest.MockConflictResolver{}
	sm := synckit.NewSyncManager(store, transport, &synckit.SyncOptions{ConflictResolver: resolver})
	if err := store.Store(t.Context(), event("e1", "x"), nil); err != nil {
		t.Fatal(err)
	}
	result, err := sm.Sync(t.Context())
	if err != nil || result.EventsPushed != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	if pushes := transport.Calls("Push"); len(pushes) != 1 || pushes[0].Events[0].Event.ID() != "e1" {
		t.Errorf("pushes: %+v", pushes)
	}
	if len(resolver.Calls()) != 0 || len(transport.Peer()) != 1 {
		t.Errorf("resolver: %+v, peer: %+v", resolver.Calls(), transport.Peer())
	}
}

func TestConflictsReachTheResolver(t *testing.T) {
	t.Parallel()
	store, transport, resolver := &synckittest.MockEventStore{}, &synckittest.MockTransport{}, &synckittest.MockConflictResolver{}
	sm := synckit.NewSyncManager(store, transport, &synckit.SyncOptions{ConflictResolver: resolver})
	if err := transport.Publish(event("theirs", "x")); err != nil {
		t.Fatal(err)
	}
	if err := store.Store(t.Context(), event("mine", "x"), nil); err != nil {
		t.Fatal(err)
	}
	result, err := sm.Sync(t.Context())
	if err != nil || result.ConflictsResolved != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	if calls := resolver.Calls("Resolve"); len(calls) != 1 || len(calls[0].Events) != 2 || calls[0].Events[0].Event.ID() != "mine" {
		t.Errorf("calls: %+v", calls)
	}
	resolver.ResolveFunc = func(context.Context, []synckit.EventWithVersion, []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
		return nil, synckit.ErrReview
	}
	if _, err := resolver.Resolve(t.Context(), nil, nil); !stderrors.Is(err, synckit.ErrReview) {
		t.Error(err)
	}
}

func TestSubscriptionsHearOfWhatIsPublished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, transport := &synckittest.MockEventStore{}, &synckittest.MockTransport{}
		sm := synckit.NewSyncManager(store, transport, nil)
		if err := sm.StartAutoSync(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		began := time.Now()
		if err := transport.Publish(event("e1", "x"), event("e2", "x")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := len(store.Events()); got != 2 || time.Since(began) != 0 {
			t.Errorf("%d events after %s", got, time.Since(began))
		}
		if err := sm.Close(); err != nil {
			t.Fatal(err)
		}
		if err := transport.Publish(event("e3", "x")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestIDsAreHeeded(t *testing.T) {
	t.Parallel()
	store, transport := &synckittest.MockEventStore{}, &synckittest.MockTransport{}
	other := synckit.NewEvent("e1", "Changed", "y", nil, nil)
	for _, e := range []synckit.Event{event("e1", "x"), event("e1", "x")} {
		if err := store.Store(t.Context(), e, nil); err != nil {
			t.Error(err)
		}
	}
	if err := store.Store(t.Context(), other, nil); errors.CodeOf(err) != errors.EventIDReused {
		t.Error(err)
	}
	if err := store.Store(t.Context(), event("", "x"), nil); errors.CodeOf(err) != errors.InvalidEvent {
		t.Error(err)
	}
	if err := transport.Publish(event("e1", "x"), other); errors.CodeOf(err) != errors.EventIDReused {
		t.Error(err)
	}
	var partly *synckit.PushError
	err := transport.Push(t.Context(), []synckit.EventWithVersion{{Event: event("e2", "x")}, {Event: other}})
	if !stderrors.As(err, &partly) || len(partly.Stored) != 1 || len(partly.Refused) != 1 {
		t.Error(err)
	}
	found, err := store.LoadByAggregate(t.Context(), "x", nil)
	if err != nil || len(found) != 1 {
		t.Error(found, err)
	}
	if latest, err := store.LatestVersion(t.Context()); err != nil || latest.String() != "1" {
		t.Error(latest, err)
	}
}

var errMock = stderrors.New("as told")

func TestFunctionsReplaceMethods(t *testing.T) {
	t.Parallel()
	store := &synckittest.MockEventStore{
		StoreFunc: func(context.Context, synckit.Event, synckit.Version) error { return errMock },
		LoadFunc:  func(context.Context, synckit.Version) ([]synckit.EventWithVersion, error) { return nil, errMock },
		LoadByAggregateFunc: func(context.Context, string, synckit.Version) ([]synckit.EventWithVersion, error) {
			return nil, errMock
		},
		LatestVersionFunc: func(context.Context) (synckit.Version, error) { return nil, errMock },
		CloseFunc:         func() error { return errMock },
	}
	transport := &synckittest.MockTransport{
		PushFunc:      func(context.Context, []synckit.EventWithVersion) error { return errMock },
		PullFunc:      func(context.Context, synckit.Version) ([]synckit.EventWithVersion, error) { return nil, errMock },
		SubscribeFunc: func(context.Context, func([]synckit.EventWithVersion) error) error { return errMock },
		CloseFunc:     func() error { return errMock },
	}
	ctx := t.Context()
	for method, call := range map[string]func() error{
		"Store":           func() error { return store.Store(ctx, event("e", "x"), nil) },
		"Load":            func() error { _, err := store.Load(ctx, nil); return err },
		"LoadByAggregate": func() error { _, err := store.LoadByAggregate(ctx, "x", nil); return err },
		"LatestVersion":   func() error { _, err := store.LatestVersion(ctx); return err },
		"Close":           store.Close,
	} {
		if err := call(); !stderrors.Is(err, errMock) || len(store.Calls(method)) != 1 {
			t.Errorf("%s: %v, calls %+v", method, err, store.Calls(method))
		}
	}
	for method, call := range map[string]func() error{
		"Push":      func() error { return transport.Push(ctx, nil) },
		"Pull":      func() error { _, err := transport.Pull(ctx, nil); return err },
		"Subscribe": func() error { return transport.Subscribe(ctx, nil) },
		"Close":     transport.Close,
	} {
		if err := call(); !stderrors.Is(err, errMock) || len(transport.Calls(method)) != 1 {
			t.Errorf("%s: %v, calls %+v", method, err, transport.Calls(method))
		}
	}
	closable := []interface{ Close() error }{&synckittest.MockEventStore{}, &synckittest.MockTransport{}}
	for _, c := range closable {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
