package resolve_test

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/resolve"
	"syncline/synckit/version"
)

type events = []synckit.EventWithVersion

// written is an event with metadata.
func written(id string, data any, metadata map[string]any) synckit.EventWithVersion {
	return synckit.EventWithVersion{Event: synckit.NewEvent(id, "Changed", "x", data, metadata)}
}

// timed is an event of a second of the day.
func timed(id string, second int) synckit.EventWithVersion {
	at := time.Date(2026, 11, 22, 0, 0, second, 0, time.UTC).Format(time.RFC3339)
	return written(id, map[string]any{"by": id}, map[string]any{resolve.TimestampKey: at})
}

func versioned(t testing.TB, e synckit.EventWithVersion, text string) synckit.EventWithVersion {
	t.Helper()
	v, err := version.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	e.Version = v
	return e
}

func ids(kept events) string {
	all := make([]string, len(kept))
	for i, e := range kept {
		all[i] = e.Event.ID()
	}
	return strings.Join(all, " ")
}

// resolved resolves both ways round, which must come to the same.
func resolved(t testing.TB, r synckit.ConflictResolver, local, remote events) events {
	t.Helper()
	kept, err := r.Resolve(context.Background(), local, remote)
	if err != nil {
		t.Fatal(err)
	}
	swapped, err := r.Resolve(context.Background(), remote, local)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := encoded(t, kept), encoded(t, swapped); a != b {
		t.Fatalf("local and remote are not alike:\n%s\n%s", a, b)
	}
	return kept
}

func encoded(t testing.TB, kept events) string {
	t.Helper()
	var b strings.Builder
	for _, e := range kept {
		event, err := synckit.Encode(e.Event)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(event)
		fmt.Fprintln(&b, string(text))
	}
	return b.String()
}

func TestTheLastOrFirstWriteWins(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		local, remote events
		last, first   string
	}{
		"later time":              {events{timed("a", 2)}, events{timed("b", 1)}, "a", "b"},
		"equal times: by ID":      {events{timed("a", 1)}, events{timed("b", 1)}, "b", "a"},
		"no time is before any":   {events{written("z", 1, nil)}, events{timed("b", 1)}, "b", "z"},
		"no times: by clock":      {events{written("z", 1, map[string]any{synckit.ClockKey: 3})}, events{written("b", 1, map[string]any{synckit.ClockKey: 4})}, "b", "z"},
		"one's own past is kept":  {events{timed("a1", 1), timed("a2", 9)}, events{timed("b", 5)}, "a1 a2", "a1 a2"},
		"what lost is dropped":    {events{timed("a1", 1), timed("a2", 3)}, events{timed("b1", 2), timed("b2", 4)}, "b1 b2", "a1 a2"},
		"a clock that was set":    {events{timed("a1", 50), timed("a2", 1)}, events{timed("b", 5)}, "b", "b"},
		"milliseconds":            {events{written("z", 1, map[string]any{"timestamp": 5})}, events{written("b", 1, map[string]any{"timestamp": 6.5})}, "b", "z"},
		"JSON numbers":            {events{written("z", 1, map[string]any{"timestamp": json.Number("5")})}, events{written("b", 1, map[string]any{"timestamp": int64(6)})}, "b", "z"},
		"times as they are":       {events{written("z", 1, map[string]any{"timestamp": time.UnixMilli(5)})}, events{written("b", 1, map[string]any{"timestamp": time.UnixMilli(6)})}, "b", "z"},
		"no times at all":         {events{written("z", 1, map[string]any{"timestamp": "noon"})}, events{written("b", 1, map[string]any{"timestamp": true})}, "z", "b"},
		"other zones":             {events{written("z", 1, map[string]any{"timestamp": "2026-11-22T02:00:00+02:00"})}, events{written("b", 1, map[string]any{"timestamp": "2026-11-22T00:30:00Z"})}, "b", "z"},
		"hybrid times":            {events{versioned(t, timed("z", 9), "100.2@n")}, events{versioned(t, timed("b", 1), "100.3@m")}, "b", "z"},
		"equal hybrid times":      {events{versioned(t, timed("z", 9), "100.2@m")}, events{versioned(t, timed("b", 1), "100.2@n")}, "b", "z"},
		"causes come before time": {events{versioned(t, timed("z", 9), `{"A":1}`)}, events{versioned(t, timed("b", 1), `{"A":1,"B":1}`)}, "z b", "z b"},
		"concurrent clocks":       {events{versioned(t, timed("z", 9), `{"A":1}`)}, events{versioned(t, timed("b", 1), `{"B":1}`)}, "z", "b"},
		"concurrent on one side": {
			events{versioned(t, timed("a", 9), `{"A":1}`), versioned(t, timed("c", 3), `{"C":1}`)},
			events{versioned(t, timed("b", 1), `{"B":1}`)},
			"a", "b",
		},
		"one side only": {events{timed("a", 1)}, nil, "a", "a"},
		"nothing":       {nil, nil, "", ""},
	} {
		if got := ids(resolved(t, resolve.LastWriteWins{}, c.local, c.remote)); got != c.last {
			t.Errorf("%s: the last is %q, want %q", name, got, c.last)
		}
		if got := ids(resolved(t, resolve.FirstWriteWins{}, c.local, c.remote)); got != c.first {
			t.Errorf("%s: the first is %q, want %q", name, got, c.first)
		}
	}
}

// contradiction is a version that claims to be before everything, itself too.
type contradiction struct{ version.VectorClock }

func (contradiction) Order(synckit.Version) synckit.Ordering { return synckit.Before }

func TestVersionsThatContradictThemselves(t *testing.T) {
	t.Parallel()
	a, b := timed("a", 2), timed("b", 1)
	a.Version, b.Version = contradiction{}, contradiction{}
	if kept := resolved(t, resolve.LastWriteWins{}, events{a}, events{b}); !strings.Contains(ids(kept), "a") {
		t.Errorf("kept %s", ids(kept))
	}
}

func TestTimesOfTheAppsOwn(t *testing.T) {
	t.Parallel()
	byLength := func(e synckit.EventWithVersion) time.Time { return time.Unix(int64(len(e.Event.ID())), 0) }
	local, remote := events{timed("long", 1)}, events{timed("b", 9)}
	if got := ids(resolved(t, resolve.LastWriteWins{Time: byLength}, local, remote)); got != "long" {
		t.Errorf("the last is %s", got)
	}
	if got := ids(resolved(t, resolve.FirstWriteWins{Time: byLength}, local, remote)); got != "b" {
		t.Errorf("the first is %s", got)
	}
	policy := resolve.ThreeWayMerge{Time: byLength}
	if got := fieldsOf(t, resolved(t, policy, local, remote)); got != `{"by":"long"}` {
		t.Errorf("merged to %s", got)
	}
}

// conflict makes events of several nodes whose hybrid times fit causes and whose
// wall clocks are far apart: each has seen some of the others'.
func conflict(t testing.TB, random *rand.Rand, nodes int) []events {
	t.Helper()
	sides := make([]events, nodes)
	for n := range sides {
		wall := random.IntN(5)
		for i := range 1 + random.IntN(3) {
			wall += random.IntN(2)
			e := written(fmt.Sprintf("%c%d", 'a'+n, i), map[string]any{string(rune('f' + random.IntN(3))): random.IntN(3)},
				map[string]any{synckit.ClockKey: i + 1})
			sides[n] = append(sides[n], versioned(t, e, fmt.Sprintf("%d.%d@%c", wall, i, 'a'+n)))
		}
	}
	return sides
}

// TestGroupingDoesNotMatter resolves three sides in both ways of putting two
// together first: the same write wins.
func TestGroupingDoesNotMatter(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	for range 300 {
		sides := conflict(t, random, 3)
		for name, c := range map[string]struct {
			resolver synckit.ConflictResolver
			winner   func(events) string
		}{
			"last":     {resolve.LastWriteWins{}, func(kept events) string { return kept[len(kept)-1].Event.ID() }},
			"first":    {resolve.FirstWriteWins{}, func(kept events) string { return kept[0].Event.ID() }},
			"additive": {resolve.AdditiveMerge{}, ids},
		} {
			left := resolved(t, c.resolver, resolved(t, c.resolver, sides[0], sides[1]), sides[2])
			right := resolved(t, c.resolver, sides[0], resolved(t, c.resolver, sides[1], sides[2]))
			if c.winner(left) != c.winner(right) {
				t.Fatalf("%s: %s, but grouped otherwise %s", name, ids(left), ids(right))
			}
			again := resolved(t, c.resolver, left, left)
			if ids(again) != ids(left) {
				t.Fatalf("%s: resolved again it is %s, not %s", name, ids(again), ids(left))
			}
		}
	}
}

func TestSidesAreAlikeInAllResolvers(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(9, 9))
	base := func(context.Context, []synckit.EventWithVersion, []synckit.EventWithVersion) (json.RawMessage, error) {
		return json.RawMessage(`{"f":0,"g":1}`), nil
	}
	rules, err := resolve.NewRules(resolve.AdditiveMerge{}, resolve.Rule{
		When: resolve.BothChanged("f"), Then: resolve.ThreeWayMerge{},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		sides := conflict(t, random, 2)
		for _, r := range []synckit.ConflictResolver{
			resolve.ThreeWayMerge{}, resolve.ThreeWayMerge{Base: base, Fields: resolve.FirstField}, rules,
		} {
			resolved(t, r, sides[0], sides[1])
		}
	}
}

func TestAdditiveMergeKeepsAllInTheirOrder(t *testing.T) {
	t.Parallel()
	clocked := func(id string, clock int) synckit.EventWithVersion {
		return written(id, 1, map[string]any{synckit.ClockKey: clock})
	}
	both := clocked("both", 4)
	kept := resolved(t, resolve.AdditiveMerge{}, events{clocked("a2", 2), clocked("a3", 3), both}, events{clocked("b1", 1), clocked("b3", 3), both})
	if got := ids(kept); got != "b1 a2 a3 b3 both" {
		t.Errorf("kept %s", got)
	}
}

func TestFuncAndReview(t *testing.T) {
	t.Parallel()
	keepB := resolve.Func(func(_ context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
		return slices.DeleteFunc(slices.Concat(local, remote), func(e synckit.EventWithVersion) bool { return e.Event.ID() != "b" }), nil
	})
	if got := ids(resolved(t, keepB, events{timed("a", 1)}, events{timed("b", 1)})); got != "b" {
		t.Errorf("kept %s", got)
	}
	for _, reason := range []string{"", "two prices"} {
		_, err := resolve.Review{Reason: reason}.Resolve(t.Context(), nil, nil)
		if !stderrors.Is(err, synckit.ErrReview) || !strings.Contains(err.Error(), reason) {
			t.Errorf("got %v", err)
		}
	}
}

// A time that no clock shows is none: machines differ in what they make of it, and
// nodes must not.
func TestTimesThatNoClockShows(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"1700000000000":      time.UnixMilli(1700000000000),
		"1700000000000.5":    time.UnixMicro(1700000000000500),
		"-1000":              time.UnixMilli(-1000),
		"9.3e15":             {},
		"1e300":              {},
		"-1e300":             {},
		"1e999":              {},
		"253402300799999":    time.UnixMilli(253402300799999), // the end of the year 9999
		"253402300799999999": {},
	} {
		event := synckit.NewEvent("e", "t", "a", nil, map[string]any{resolve.TimestampKey: json.Number(text)})
		if got := resolve.Timestamp(synckit.EventWithVersion{Event: event}); !got.Equal(want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
