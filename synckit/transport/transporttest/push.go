package transporttest

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/version"
)

func readsInOrder(t *testing.T, peer Peer) {
	transport, events := connect(t, peer), newEvents(7)
	push(t, transport, events[:3]...)
	push(t, transport, events[3:]...)
	expect(t, readAll(t, transport), events)
	pulled, err := transport.Pull(testContext(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, pulled, events)
}

func pushesNothing(t *testing.T, peer Peer) {
	transport := connect(t, peer)
	push(t, transport)
	if got := readAll(t, transport); len(got) != 0 {
		t.Errorf("got %v", ids(got))
	}
}

func pushesAgain(t *testing.T, peer Peer) {
	transport, events := connect(t, peer), newEvents(4)
	push(t, transport, events[:3]...)
	push(t, transport, events[:3]...)
	push(t, connect(t, peer), events[1:]...)
	expect(t, readAll(t, transport), events)
}

func racesOnOneEvent(t *testing.T, peer Peer) {
	events := newEvents(3)
	var racing sync.WaitGroup
	for range 4 {
		transport := connect(t, peer)
		racing.Go(func() {
			if err := transport.Push(testContext(t), events); err != nil {
				t.Errorf("Push: %v", err)
			}
		})
	}
	racing.Wait()
	expect(t, readAll(t, connect(t, peer)), events)
}

// outcomeOf pushes events of which not all can be stored.
func outcomeOf(t *testing.T, transport synckit.Transport, events []synckit.EventWithVersion) *synckit.PushError {
	t.Helper()
	err := transport.Push(testContext(t), events)
	outcome, ok := stderrors.AsType[*synckit.PushError](err)
	if !ok {
		t.Fatalf("got %v, want a *synckit.PushError", err)
	}
	return outcome
}

func refusesReusedIDs(t *testing.T, peer Peer) {
	transport, events := connect(t, peer), newEvents(3)
	push(t, transport, events[1])
	other := newEvent(events[1].Event.ID(), "something else")
	outcome := outcomeOf(t, transport, []synckit.EventWithVersion{events[0], other, events[2]})
	expectRefused(t, outcome, other.Event.ID(), errors.EventIDReused)
	if want := ids([]synckit.EventWithVersion{events[0], events[2]}); !equalSets(outcome.Stored, want) || outcome.Err != nil {
		t.Errorf("stored %v, rest %v; want %v stored", outcome.Stored, outcome.Err, want)
	}
	expect(t, readAll(t, transport), []synckit.EventWithVersion{events[1], events[0], events[2]})
}

func expectRefused(t *testing.T, outcome *synckit.PushError, id string, code errors.Code) {
	t.Helper()
	if got := errors.CodeOf(outcome.Refused[id]); got != code {
		t.Errorf("event %q: refused with %v, want %s", id, outcome.Refused[id], code)
	}
}

func equalSets(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func refusesInvalidEvents(t *testing.T, peer Peer) {
	transport, events := connect(t, peer), newEvents(2)
	invalid := []synckit.EventWithVersion{
		newEvent(strings.Repeat("x", 256), 1),
		newEvent("not UTF-8: \xff", 1),
		newEvent("not JSON: a channel", make(chan int)),
		newEvent("not JSON: cut off", json.RawMessage(`{"a":`)),
	}
	outcome := outcomeOf(t, transport, slices.Concat(events[:1], invalid, events[1:]))
	for _, e := range invalid {
		expectRefused(t, outcome, e.Event.ID(), errors.InvalidEvent)
	}
	if !equalSets(outcome.Stored, ids(events)) || outcome.Err != nil || len(outcome.Refused) != len(invalid) {
		t.Errorf("%+v", outcome)
	}
	expect(t, readAll(t, transport), events)
}

func carriesHostileEvents(t *testing.T, peer Peer) {
	transport := connect(t, peer)
	var events []synckit.EventWithVersion
	for _, id := range []string{
		" ", "A", "a", "é", "e\u0301", "💾", `"quoted"`, "\x00", "line\nbreak", "tab\t", "../../etc", "a/b", "%2e", "*", "a.b.>",
		"<b>&amp;", "\u2028", "'; DROP TABLE events; --", strings.Repeat("l", 255), strings.Repeat("l", 254) + "m",
	} {
		events = append(events, newEvent(id, id))
	}
	for name, data := range map[string]string{
		"html": `"<script>&</script>"`, "separators": "\"\u2028\u2029\"", "escaped": `"\u003c\u0000"`, "null": `null`,
		"number": `123456789012345678901234567890.10`, "exponent": `1E400`, "keys": `{"b":1,"a":2,"b":3}`, "deep": strings.Repeat("[", 500) + strings.Repeat("]", 500),
	} {
		events = append(events, newEvent(name, json.RawMessage(data)))
	}
	events = append(events, synckit.EventWithVersion{Event: synckit.NewEvent("metadata", "", "", nil, map[string]any{
		"number": json.Number("12345678901234567890.5"), "<": "\u2028<", "nested": map[string]any{"z": nil, "a": []any{1.5, true}},
	})})
	push(t, transport, events...)
	expect(t, readAll(t, transport), events)
}

func carriesVersions(t *testing.T, peer Peer) {
	transport, events := connect(t, peer), newEvents(3)
	clock := map[string]uint64{"A": 1, "é<&>": version.MaxCounter, `"` + "\u2028": 3}
	exact, err := version.NewVectorClock(clock)
	if err != nil {
		t.Fatal(err)
	}
	further, err := exact.Increment("B")
	if err != nil {
		t.Fatal(err)
	}
	events[0].Version, events[1].Version = exact, further
	push(t, transport, events...)
	got := readAll(t, transport)
	expect(t, got, events)
	for i, want := range []synckit.CausalVersion{exact, further} {
		v, ok := got[i].Version.(synckit.CausalVersion)
		if !ok || v.Order(want) != synckit.Equal || v.String() != want.String() {
			t.Errorf("got version %v, want %v", got[i].Version, want)
		}
	}
}

func pushesLargeBatches(t *testing.T, peer Peer) {
	transport, events := connect(t, peer), newEvents(1100)
	filler := strings.Repeat("x", 2<<10)
	for i, e := range events {
		events[i] = newEvent(e.Event.ID(), filler)
	}
	push(t, transport, events...)
	expect(t, readAll(t, transport), events)
	pulled, err := transport.Pull(testContext(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, pulled, events)
}

// pushesLargeEvents takes events that arrive or are refused, one by one.
func pushesLargeEvents(t *testing.T, peer Peer) {
	transport, events := connect(t, peer), newEvents(4)
	for i, size := range []int{1 << 10, 60 << 10, 700 << 10, 1 << 10} {
		events[i] = newEvent(events[i].Event.ID(), strings.Repeat("x", size))
	}
	err := transport.Push(testContext(t), events)
	stored := events
	if outcome, ok := stderrors.AsType[*synckit.PushError](err); ok {
		stored = slices.DeleteFunc(slices.Clone(events), func(e synckit.EventWithVersion) bool { return outcome.Refused[e.Event.ID()] != nil })
		if !equalSets(outcome.Stored, ids(stored)) || outcome.Err != nil || len(stored) < 2 {
			t.Errorf("%v", outcome)
		}
		for id := range outcome.Refused {
			expectRefused(t, outcome, id, errors.TooLarge)
		}
	} else if err != nil {
		t.Fatal(err)
	}
	expect(t, readAll(t, transport), stored)
}

func pushesLater(t *testing.T, peer Peer) {
	transport, events := connect(t, peer), newEvents(2)
	push(t, transport, events[0])
	peer.Stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := transport.Push(ctx, events)
	if err == nil || !errors.IsRetryable(err) {
		t.Errorf("got %v, want an error that passes", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := transport.Pull(ctx, nil); err == nil || !errors.IsRetryable(err) {
		t.Errorf("got %v, want an error that passes", err)
	}
	peer.Start(t)
	pushSoon(t, transport, events...)
	expect(t, readAll(t, transport), events)
}

func acknowledgesWhatIsStored(t *testing.T, peer Peer) {
	transport, events := connect(t, peer), newEvents(3)
	push(t, transport, events[0])
	peer.Fail(true)
	err := transport.Push(testContext(t), events[1:])
	if err == nil || !errors.IsRetryable(err) {
		t.Errorf("got %v, want an error that passes", err)
	}
	if outcome, ok := stderrors.AsType[*synckit.PushError](err); ok && len(outcome.Stored)+len(outcome.Refused) > 0 {
		t.Errorf("got %+v, where nothing was decided", outcome)
	}
	peer.Fail(false)
	expect(t, readAll(t, transport), events[:1])
	push(t, transport, events[1:]...)
	expect(t, readAll(t, transport), events)
}
