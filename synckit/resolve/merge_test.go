package resolve_test

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"strings"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/resolve"
	"syncline/synckit/storage/memory"
)

func change(id string, second int, data string) synckit.EventWithVersion {
	at := time.Date(2026, 11, 22, 0, 0, second, 0, time.UTC).Format(time.RFC3339)
	return written(id, json.RawMessage(data), map[string]any{resolve.TimestampKey: at})
}

func fieldsOf(t testing.TB, kept events) string {
	t.Helper()
	if len(kept) != 1 {
		t.Fatalf("kept %s, want one merged event", ids(kept))
	}
	var data json.RawMessage
	if err := synckit.DecodeData(kept[0].Event, &data); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func from(base string) func(context.Context, []synckit.EventWithVersion, []synckit.EventWithVersion) (json.RawMessage, error) {
	return func(context.Context, []synckit.EventWithVersion, []synckit.EventWithVersion) (json.RawMessage, error) {
		return json.RawMessage(base), nil
	}
}

func TestThreeWayMerge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ base, local, remote, want string }{
		"each changed one field":     {`{"a":0,"b":0}`, `{"a":1,"b":0}`, `{"a":0,"b":2}`, `{"a":1,"b":2}`},
		"both to the same":           {`{"a":0}`, `{"a":1}`, `{"a":1}`, `{"a":1}`},
		"both, to different values":  {`{"a":0}`, `{"a":1}`, `{"a":2}`, `{"a":2}`},
		"without a base":             {``, `{"a":1,"b":0}`, `{"a":0,"b":2}`, `{"a":0,"b":2}`},
		"nothing was there":          {`{}`, `{"a":1,"b":1}`, `{"a":2}`, `{"a":2,"b":1}`},
		"one takes a field away":     {`{"a":0,"b":0}`, `{"a":null,"b":0}`, `{"a":0,"b":2}`, `{"a":null,"b":2}`},
		"taken away, but not there":  {`{}`, `{"a":null,"b":1}`, `{"a":2,"b":1}`, `{"a":2,"b":1}`},
		"taken away and changed":     {`{"a":0}`, `{"a":null}`, `{"a":2}`, `{"a":2}`},
		"inside objects":             {`{"o":{"a":0,"b":0}}`, `{"o":{"a":1,"b":0}}`, `{"o":{"a":0,"b":2}}`, `{"o":{"a":1,"b":2}}`},
		"an object and a value":      {`{"o":{"a":0}}`, `{"o":{"a":1}}`, `{"o":5}`, `{"o":5}`},
		"an object in place of none": {`{}`, `{"o":{"a":1}}`, `{"o":{"a":2,"b":1}}`, `{"o":{"a":2,"b":1}}`},
		"lists are values":           {`{"l":[1]}`, `{"l":[1,2]}`, `{"l":[1,3]}`, `{"l":[1,3]}`},
		"numbers stay as written":    {`{"a":0,"n":1}`, `{"a":12345678901234567890,"n":1}`, `{"a":0,"n":1.50}`, `{"a":12345678901234567890,"n":1.50}`},
	} {
		r := resolve.ThreeWayMerge{Base: from(c.base)}
		kept := resolved(t, r, events{change("l", 1, c.local)}, events{change("r", 2, c.remote)})
		if got := fieldsOf(t, kept); got != c.want {
			t.Errorf("%s: merged to %s, want %s", name, got, c.want)
		}
	}
}

func TestFieldsOfTheirOwnNeedNoMerge(t *testing.T) {
	t.Parallel()
	local := events{change("l1", 1, `{"a":1,"o":{"x":1}}`), change("l2", 4, `{"a":2}`)}
	remote := events{change("r1", 2, `{"b":1,"o":{"y":1}}`)}
	if got := ids(resolved(t, resolve.ThreeWayMerge{}, local, remote)); got != "l1 l2 r1" {
		t.Errorf("kept %s", got)
	}
	remote = append(remote, change("r2", 3, `{"o":{"x":1}}`))
	kept := resolved(t, resolve.ThreeWayMerge{}, local, remote)
	if got := fieldsOf(t, kept); got != `{"a":2,"b":1,"o":{"x":1,"y":1}}` {
		t.Errorf("merged to %s", got)
	}
	merged := kept[0].Event
	if !strings.HasPrefix(merged.ID(), "merged:") || merged.Type() != "Changed" || merged.AggregateID() != "x" {
		t.Errorf("merged into %s, %s of %s", merged.ID(), merged.Type(), merged.AggregateID())
	}
	if at := resolve.Timestamp(kept[0]); !at.Equal(resolve.Timestamp(local[1])) {
		t.Errorf("written at %s, want the latest time", at)
	}
}

func TestTheMergedEventsIDFollowsFromWhatItIs(t *testing.T) {
	t.Parallel()
	merge := func(l, r, data string) string {
		kept := resolved(t, resolve.ThreeWayMerge{}, events{change(l, 1, `{"a":1}`)}, events{change(r, 2, data)})
		return ids(kept)
	}
	first := merge("l", "r", `{"a":2}`)
	if merge("l", "r", `{"a":2}`) != first {
		t.Error("the same merge has another ID")
	}
	for _, other := range []string{merge("l2", "r", `{"a":2}`), merge("l", "r2", `{"a":2}`), merge("l", "r", `{"a":3}`), merge("lr", "", `{"a":2}`)} {
		if other == first {
			t.Error("another merge has the same ID")
		}
	}
}

func TestFieldPolicies(t *testing.T) {
	t.Parallel()
	local, remote := events{change("l", 1, `{"a":1,"b":"x"}`)}, events{change("r", 2, `{"a":2,"b":"x"}`)}
	var seen resolve.Field
	sum := func(_ context.Context, f resolve.Field) (json.RawMessage, error) {
		seen = f
		return json.RawMessage("3"), nil
	}
	for want, policy := range map[string]resolve.FieldPolicy{
		`{"a":2,"b":"x"}`: nil, `{"a":1,"b":"x"}`: resolve.FirstField, `{"a":3,"b":"x"}`: sum,
	} {
		if got := fieldsOf(t, resolved(t, resolve.ThreeWayMerge{Fields: policy}, local, remote)); got != want {
			t.Errorf("merged to %s, want %s", got, want)
		}
	}
	r := resolve.ThreeWayMerge{Fields: sum, Base: from(`{"a":0}`)}
	if _, err := r.Resolve(t.Context(), local, remote); err != nil {
		t.Fatal(err)
	}
	if string(seen.Base) != "0" || string(seen.Local) != "1" || string(seen.Remote) != "2" || seen.Path[0] != "a" ||
		seen.LocalEvent.Event.ID() != "l" || seen.RemoteEvent.Event.ID() != "r" || seen.LocalIsLater {
		t.Errorf("asked about %+v", seen)
	}
	review := resolve.ThreeWayMerge{Fields: resolve.ReviewField}
	if _, err := review.Resolve(t.Context(), local, remote); !stderrors.Is(err, synckit.ErrReview) {
		t.Errorf("got %v", err)
	}
}

func TestTheLaterFieldIsTheOneOfTheLaterEvent(t *testing.T) {
	t.Parallel()
	local := events{change("l1", 1, `{"a":1}`), change("l2", 9, `{"b":1}`)}
	remote := events{change("r1", 5, `{"a":2,"b":2}`)}
	if got := fieldsOf(t, resolved(t, resolve.ThreeWayMerge{}, local, remote)); got != `{"a":2,"b":1}` {
		t.Errorf("merged to %s", got)
	}
	knew := versioned(t, local[0], `{"A":1}`)
	later := versioned(t, change("r1", 0, `{"a":2}`), `{"A":1,"B":1}`)
	if got := fieldsOf(t, resolved(t, resolve.ThreeWayMerge{}, events{knew}, events{later})); got != `{"a":2}` {
		t.Errorf("merged to %s: time came before cause", got)
	}
}

func TestDataThatAreNoObjects(t *testing.T) {
	t.Parallel()
	object, text := events{change("l", 1, `{"a":1}`)}, events{change("r", 2, `"text"`)}
	if got := ids(resolved(t, resolve.ThreeWayMerge{}, object, text)); got != "r" {
		t.Errorf("kept %s", got)
	}
	r := resolve.ThreeWayMerge{Otherwise: resolve.AdditiveMerge{}}
	if got := ids(resolved(t, r, object, text)); got != "l r" {
		t.Errorf("kept %s", got)
	}
}

func TestFailuresEndTheMerge(t *testing.T) {
	t.Parallel()
	local, remote := events{change("l", 1, `{"a":1}`)}, events{change("r", 2, `{"a":2}`)}
	failure := stderrors.New("no disk")
	for name, r := range map[string]resolve.ThreeWayMerge{
		"base": {Base: func(context.Context, []synckit.EventWithVersion, []synckit.EventWithVersion) (json.RawMessage, error) {
			return nil, failure
		}},
		"broken base":   {Base: from(`{`)},
		"policy":        {Fields: func(context.Context, resolve.Field) (json.RawMessage, error) { return nil, failure }},
		"broken answer": {Fields: func(context.Context, resolve.Field) (json.RawMessage, error) { return json.RawMessage("{"), nil }},
	} {
		if kept, err := r.Resolve(t.Context(), local, remote); err == nil {
			t.Errorf("%s: kept %s", name, ids(kept))
		}
	}
	unreadable := events{written("l", func() {}, nil)}
	if _, err := (resolve.ThreeWayMerge{}).Resolve(t.Context(), unreadable, remote); err == nil {
		t.Error("data that cannot be read was merged")
	}
}

// A snapshot is in the base, also of an event whose writer did not know of it.
func TestTheBaseOfACompactedLog(t *testing.T) {
	t.Parallel()
	log := memory.New()
	for _, e := range []synckit.EventWithVersion{change("h1", 1, `{"a":0}`), change("h2", 2, `{"b":0}`)} {
		if err := log.Store(t.Context(), e.Event, nil); err != nil {
			t.Fatal(err)
		}
	}
	aggregate := change("h1", 1, `{}`).Event.AggregateID()
	_, err := synckit.CompactLog(t.Context(), log, aggregate, time.Time{}, func([]synckit.EventWithVersion) (synckit.Event, error) {
		return synckit.NewEvent("", "State", "", json.RawMessage(`{"a":0,"b":0}`), nil), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := resolve.FromLog(log)(t.Context(), events{change("l1", 3, `{"a":1}`)}, events{change("r1", 3, `{"b":1}`)})
	if err != nil || string(text) != `{"a":0,"b":0}` {
		t.Errorf("base %s, %v", text, err)
	}
}

// TestTheBaseFromALog has a history in a store, of which both sides know all but
// their own events.
func TestTheBaseFromALog(t *testing.T) {
	t.Parallel()
	log := memory.New()
	for _, e := range []synckit.EventWithVersion{
		change("h1", 1, `{"a":0,"b":0,"gone":1,"o":{"x":1,"y":1}}`), change("h2", 2, `{"gone":null,"o":{"y":null}}`),
		change("h3", 3, `"no object"`), change("l1", 4, `{"a":1,"b":0,"o":{"x":2,"y":1}}`), change("later", 5, `{"a":7}`),
	} {
		if err := log.Store(t.Context(), e.Event, nil); err != nil {
			t.Fatal(err)
		}
	}
	base := resolve.FromLog(log)
	stored, err := log.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	local := stored[3:4]
	remote := events{written("r1", json.RawMessage(`{"a":0,"b":2,"o":{"x":1,"y":null}}`), map[string]any{synckit.ClockKey: 4})}
	text, err := base(t.Context(), local, remote)
	if err != nil || string(text) != `{"a":0,"b":0,"o":{"x":1}}` {
		t.Fatalf("base %s, %v", text, err)
	}
	if got := fieldsOf(t, resolved(t, resolve.ThreeWayMerge{Base: base}, local, remote)); got != `{"a":1,"b":2,"o":{"x":2,"y":1}}` {
		t.Errorf("merged to %s", got)
	}
	if text, err := base(t.Context(), nil, nil); err != nil || text != nil {
		t.Errorf("base of nothing: %s, %v", text, err)
	}
	_ = log.Close()
	if _, err := base(t.Context(), local, remote); err == nil {
		t.Error("a closed log has a base")
	}
}
