package convergence

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"syncline/synckit"
)

// The trials must find what is broken: these have faults, and each must be told
// of within a few trials.

func TestABrokenResolverIsFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		resolver resolverKind
		told     string
	}{
		"one id for different merges": {resolverKind{"broken", mergesUnderOneID}, "EVENT_ID_REUSED"},
		"drops all":                   {resolverKind{"broken", always(resolverFunc(dropAll))}, "nothing counts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mustBeFound(t, test.told, func(seed uint64) trial {
				return randomTrial(seed, "memory", []resolverKind{test.resolver})
			})
		})
	}
}

func TestATransportThatForgetsIsFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		transport func(synckit.PagedTransport) synckit.PagedTransport
		told      string
	}{
		"pushes": {func(t synckit.PagedTransport) synckit.PagedTransport {
			return &forgetful{PagedTransport: t, pushes: true}
		}, "is lost"},
		"pulls": {func(t synckit.PagedTransport) synckit.PagedTransport { return &forgetful{PagedTransport: t} }, "lacks"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mustBeFound(t, test.told, func(seed uint64) trial {
				trial := randomTrial(seed, "memory", resolverKinds[:2])
				trial.transport = test.transport
				return trial
			})
		})
	}
}

// A store whose Commit does not heed IDs applies events twice.
func TestEventsThatAreThereTwiceAreFound(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	e := synckit.EventWithVersion{Event: synckit.NewEvent("e", "Changed", "x", nil, nil)}
	w.index("a node", []synckit.EventWithVersion{e, e})
	if len(w.problems) != 1 || !strings.Contains(w.problems[0], "twice") {
		t.Error(w.problems)
	}
}

func TestEffectsBeforeTheirCausesAreFound(t *testing.T) {
	t.Parallel()
	event := func(id string, clock int) synckit.EventWithVersion {
		return synckit.EventWithVersion{Event: synckit.NewEvent(id, "Changed", "x", nil, map[string]any{synckit.ClockKey: clock})}
	}
	w := &world{t: t, knew: map[string][]string{"effect": {"cause"}}}
	log := []synckit.EventWithVersion{event("effect", 1), event("cause", 2)}
	w.checkCauses("a node", log)
	w.checkStates(log)
	if len(w.problems) != 2 {
		t.Error(w.problems)
	}
}

// mustBeFound tries until something is told of, which must not take long.
func mustBeFound(t *testing.T, told string, next func(seed uint64) trial) {
	t.Helper()
	const trials = 100 // most need one or two
	seed := seedOf(t)
	for i := range uint64(trials) {
		if text := strings.Join(run(t, next(seed+i)), "\n"); strings.Contains(text, told) {
			return
		}
	}
	t.Errorf("nothing told of in %d trials from SYNCLINE_SEED=%d on", trials, seed)
}

type resolverFunc func(local, remote []synckit.EventWithVersion) []synckit.EventWithVersion

func (f resolverFunc) Resolve(_ context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	return f(local, remote), nil
}

func dropAll(_, _ []synckit.EventWithVersion) []synckit.EventWithVersion { return nil }

// mergesUnderOneID makes merges whose content differs by node though their ID
// does not.
func mergesUnderOneID(synckit.EventStore) synckit.ConflictResolver {
	node := rand.Int()
	return resolverFunc(func(local, _ []synckit.EventWithVersion) []synckit.EventWithVersion {
		aggregate := local[0].Event.AggregateID()
		return []synckit.EventWithVersion{{Event: synckit.NewEvent("merge of "+aggregate, "Merged", aggregate, fmt.Sprint(node), nil)}}
	})
}

// forgetful acknowledges what it does not store, or skips events of pages.
type forgetful struct {
	synckit.PagedTransport
	pushes bool
	calls  int
}

func (f *forgetful) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	f.calls++
	if f.pushes && f.calls%3 == 0 {
		return nil
	}
	return f.PagedTransport.Push(ctx, events)
}

func (f *forgetful) PullPage(ctx context.Context, since string, limit int) (synckit.Page, error) {
	page, err := f.PagedTransport.PullPage(ctx, since, limit)
	if !f.pushes && len(page.Events) > 1 {
		page.Events = page.Events[1:]
	}
	return page, err
}
