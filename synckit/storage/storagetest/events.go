package storagetest

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"strings"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
)

func comeBack(t *testing.T, store synckit.EventStore) {
	event := synckit.NewEvent("e1", "OrderPlaced", "order-7",
		map[string]any{"text": "äöü <&> \u2028", "number": 1.5, "list": []int{1, 2}},
		map[string]any{"author": "ada", "at": 1732262400123456789, "nested": map[string]any{"b": 2, "a": 1}})
	storeAll(t, store, event)
	got := load(t, store, nil)
	equal(t, "loaded", ids(got), "e1")
	same(t, got[0].Event, event)
	var data struct{ Text string }
	noError(t, synckit.DecodeData(got[0].Event, &data))
	equal(t, "text", data.Text, "äöü <&> \u2028")
	equal(t, "author", got[0].Event.Metadata()["author"], any("ada"))
	if got[0].Version == nil || got[0].Version.IsZero() {
		t.Fatalf("version %v", got[0].Version)
	}
	// What was loaded is the same event, so it can be stored.
	noError(t, store.Store(t.Context(), got[0].Event, got[0].Version))
	equal(t, "loaded", ids(load(t, store, nil)), "e1")
}

func order(t *testing.T, store synckit.EventStore) {
	for _, id := range strings.Fields("c a b B 10 9") {
		storeAll(t, store, note(id, "x"))
	}
	equal(t, "loaded", ids(load(t, store, nil)), "c a b B 10 9")
}

func again(t *testing.T, store synckit.EventStore) {
	first, second := note("e1", "x"), note("e2", "x")
	storeAll(t, store, first, second, first)
	reordered := synckit.NewEvent("e3", "T", "x", map[string]any{"a": 1, "b": 2}, map[string]any{"c": 3})
	storeAll(t, store, reordered,
		synckit.NewEvent("e3", "T", "x", rawJSON(` { "a" : 1, "b" : 2 } `), map[string]any{"c": 3}))
	storeAll(t, store, synckit.NewEvent("e4", "T", "x", json.RawMessage(`"<&>"`), nil), synckit.NewEvent("e4", "T", "x", "<&>", nil))
	equal(t, "loaded", ids(load(t, store, nil)), "e1 e2 e3 e4")
}

func reused(t *testing.T, store synckit.EventStore) {
	event := func(eventType, aggregate string, data any, metadata map[string]any) synckit.Event {
		return synckit.NewEvent("e1", eventType, aggregate, data, metadata)
	}
	meta := map[string]any{"by": "ada"}
	stored := event("T", "x", 1, meta)
	storeAll(t, store, stored)
	for what, other := range map[string]synckit.Event{
		"type":      event("U", "x", 1, meta),
		"aggregate": event("T", "y", 1, meta),
		"data":      event("T", "x", 2, meta),
		"no data":   event("T", "x", nil, meta),
		"metadata":  event("T", "x", 1, map[string]any{"by": "bob"}),
		"none":      event("T", "x", 1, nil),
	} {
		err := store.Store(t.Context(), other, nil)
		hasCode(t, "another "+what, err, errors.EventIDReused)
		if errors.IsRetryable(err) {
			t.Fatal("a reused ID will not pass by itself")
		}
	}
	got := load(t, store, nil)
	equal(t, "loaded", ids(got), "e1")
	same(t, got[0].Event, stored)
}

func loadAfter(t *testing.T, store synckit.EventStore) {
	storeAll(t, store, notes("e", "x", 4)...)
	all := load(t, store, nil)
	equal(t, "after the first", ids(load(t, store, all[0].Version)), "e2 e3 e4")
	equal(t, "after the third", ids(load(t, store, all[2].Version)), "e4")
	equal(t, "after the last", ids(load(t, store, all[3].Version)), "")
}

func loadAggregateAfter(t *testing.T, store synckit.EventStore) {
	storeAll(t, store, note("a1", "a"), note("b1", "b"), note("a2", "a"), note("b2", "b"), note("a3", "a"))
	equal(t, "all of a", ids(loadAggregate(t, store, "a", nil)), "a1 a2 a3")
	equal(t, "none", ids(loadAggregate(t, store, "", nil)), "")
	all := load(t, store, nil)
	equal(t, "after a2", ids(loadAggregate(t, store, "a", all[2].Version)), "a3")
	equal(t, "after b1", ids(loadAggregate(t, store, "a", all[1].Version)), "a2 a3")
	equal(t, "after b2", ids(loadAggregate(t, store, "b", all[3].Version)), "")
}

func latest(t *testing.T, store synckit.EventStore) {
	if before := latestVersion(t, store); before != nil && !before.IsZero() {
		t.Fatalf("an empty store's latest version is %s", before)
	}
	storeAll(t, store, notes("e", "x", 3)...)
	now := latestVersion(t, store)
	equal(t, "after the latest version", ids(load(t, store, now)), "")
	equal(t, "after the latest version", ids(loadAggregate(t, store, "x", now)), "")
	storeAll(t, store, note("e4", "x"))
	equal(t, "after the latest version before", ids(load(t, store, now)), "e4")
}

func rawJSON(text string) any { return json.RawMessage(text) }

func invalid(t *testing.T, store synckit.EventStore) {
	long := strings.Repeat("n", 256)
	for what, event := range map[string]synckit.Event{
		"no ID":             note("", "x"),
		"long ID":           note(long, "x"),
		"long type":         synckit.NewEvent("e", long, "x", nil, nil),
		"long aggregate":    note("e", long),
		"data is no JSON":   synckit.NewEvent("e", "T", "x", func() {}, nil),
		"broken JSON":       synckit.NewEvent("e", "T", "x", rawJSON("{"), nil),
		"metadata not JSON": synckit.NewEvent("e", "T", "x", 1, map[string]any{"c": make(chan int)}),
	} {
		hasCode(t, what, store.Store(t.Context(), event, nil), errors.InvalidEvent)
	}
	equal(t, "loaded", ids(load(t, store, nil)), "")
}

// hostileNames are valid, and all different.
var hostileNames = []string{
	"'", `"`, "`", "\\", "%", "_", "*", ";--", "' OR 1=1 --", "{}", "[]", "null", "0", "00", " ", "  ", "a b", "/", "..", "../x",
	"\x00", "a", "a\x00", "a\x00b", "\x01", "\n", "\r\n", "\t", "é", "e\u0301", "日本", "🙂", "\u202e", "\ufeff", "K", "k", "\u212a",
	strings.Repeat("x", 255), strings.Repeat("x", 254), strings.Repeat("é", 127),
}

func hostile(t *testing.T, store synckit.EventStore) {
	for _, name := range hostileNames {
		event := synckit.NewEvent(name, name, name, name, map[string]any{name: name})
		storeAll(t, store, event, event)
	}
	all := load(t, store, nil)
	equal(t, "events", len(all), len(hostileNames))
	for i, name := range hostileNames {
		same(t, all[i].Event, synckit.NewEvent(name, name, name, name, map[string]any{name: name}))
		found := loadAggregate(t, store, name, nil)
		equal(t, "events of one aggregate", len(found), 1)
		equal(t, "event", found[0].Event.ID(), name)
		hasCode(t, "reuse", store.Store(t.Context(), note(name, name), nil), errors.EventIDReused)
	}
}

func big(t *testing.T, store synckit.EventStore) {
	const size = 4 << 20
	event := synckit.NewEvent("big", "T", "x", strings.Repeat("b", size), nil)
	storeAll(t, store, note("before", "x"), event, note("after", "x"))
	all := load(t, store, nil)
	equal(t, "loaded", ids(all), "before big after")
	var text string
	noError(t, synckit.DecodeData(all[1].Event, &text))
	equal(t, "size", len(text), size)
}

// detached changes what was handed in and what was handed out.
func detached(t *testing.T, store synckit.EventStore) {
	data, metadata := map[string]any{"n": 1}, map[string]any{"by": "ada"}
	storeAll(t, store, synckit.NewEvent("e1", "T", "x", data, metadata))
	data["n"], metadata["by"] = 2, "eve"
	load(t, store, nil)[0].Event.Metadata()["by"] = "eve"
	same(t, load(t, store, nil)[0].Event, synckit.NewEvent("e1", "T", "x", map[string]any{"n": 1}, map[string]any{"by": "ada"}))
}

func ended(t *testing.T, store synckit.EventStore) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancelLate()
	for what, call := range calls(store) {
		if err := call(ctx); !stderrors.Is(err, context.Canceled) {
			t.Fatalf("%s with a cancelled context: %v", what, err)
		}
		if err := call(late); !stderrors.Is(err, context.DeadlineExceeded) || errors.CodeOf(err) != errors.Timeout {
			t.Fatalf("%s after the deadline: %v", what, err)
		}
	}
	equal(t, "loaded", ids(load(t, store, nil)), "")
}

func closed(t *testing.T, store synckit.EventStore) {
	storeAll(t, store, note("e0", "x"))
	noError(t, store.Close())
	for what, call := range calls(store) {
		hasCode(t, what, call(t.Context()), errors.Closed)
	}
	noError(t, store.Close())
}

func calls(store synckit.EventStore) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"store":  func(ctx context.Context) error { return store.Store(ctx, note("e1", "x"), nil) },
		"load":   func(ctx context.Context) error { _, err := store.Load(ctx, nil); return err },
		"latest": func(ctx context.Context) error { _, err := store.LatestVersion(ctx); return err },
		"load by aggregate": func(ctx context.Context) error {
			_, err := store.LoadByAggregate(ctx, "x", nil)
			return err
		},
	}
}
