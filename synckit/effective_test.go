package synckit_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"syncline/synckit"
)

// seeded gives randomness that SYNCLINE_SEED repeats.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SYNCLINE_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("SYNCLINE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func clockedEvent(id string, clock int) synckit.EventWithVersion {
	return synckit.EventWithVersion{Event: synckit.NewEvent(id, "Changed", "x", nil, map[string]interface{}{synckit.ClockKey: clock})}
}

func resolution(id string, clock int, r synckit.Resolution) synckit.EventWithVersion {
	data, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	metadata := map[string]interface{}{synckit.ClockKey: json.Number(strconv.Itoa(clock))}
	return synckit.EventWithVersion{Event: synckit.NewEvent(id, synckit.ResolutionType, "x", json.RawMessage(data), metadata)}
}

func TestEffective(t *testing.T) {
	t.Parallel()
	a, b, c := clockedEvent("a", 1), clockedEvent("b", 1), clockedEvent("c", 2)
	type list = []synckit.EventWithVersion
	for name, test := range map[string]struct {
		events list
		want   string
	}{
		"nothing":               {nil, ""},
		"by clock, then id":     {list{c, b, a}, "a b c"},
		"each once":             {list{a, b, a}, "a b"},
		"superseded":            {list{a, b, resolution("r", 3, synckit.Resolution{Kept: []string{"a"}, Superseded: []string{"b"}})}, "a"},
		"all superseded":        {list{a, b, resolution("r", 3, synckit.Resolution{Superseded: []string{"a", "b"}})}, ""},
		"kept not there yet":    {list{b, resolution("r", 3, synckit.Resolution{Kept: []string{"a"}, Superseded: []string{"b"}})}, "b"},
		"order of a resolution": {list{a, b, resolution("r", 3, synckit.Resolution{Kept: []string{"b", "a"}})}, "b a"},
		"no order across others": {
			list{a, clockedEvent("d", 3), c, resolution("r", 4, synckit.Resolution{Kept: []string{"d", "a"}})},
			"a c d",
		},
		"opposite resolutions": {list{
			a, b,
			resolution("r1", 3, synckit.Resolution{Kept: []string{"a"}, Superseded: []string{"b"}}),
			resolution("r2", 3, synckit.Resolution{Kept: []string{"b"}, Superseded: []string{"a"}}),
		}, "b"},
		"the later of opposite ones": {list{
			a, b,
			resolution("r1", 4, synckit.Resolution{Kept: []string{"a"}, Superseded: []string{"b"}}),
			resolution("r2", 3, synckit.Resolution{Kept: []string{"b"}, Superseded: []string{"a"}}),
		}, "a"},
		"circle of three": {list{
			a, b, c,
			resolution("r1", 3, synckit.Resolution{Kept: []string{"a"}, Superseded: []string{"b"}}),
			resolution("r2", 3, synckit.Resolution{Kept: []string{"b"}, Superseded: []string{"c"}}),
			resolution("r3", 3, synckit.Resolution{Kept: []string{"c"}, Superseded: []string{"a"}}),
		}, "b"},
		"chain": {list{
			a, b, c,
			resolution("r1", 3, synckit.Resolution{Kept: []string{"a"}, Superseded: []string{"b"}}),
			resolution("r2", 3, synckit.Resolution{Kept: []string{"b"}, Superseded: []string{"c"}}),
		}, "a"},
		"two merges of one conflict": {list{
			a, b, clockedEvent("m1", 2), clockedEvent("m2", 2),
			resolution("r1", 3, synckit.Resolution{Kept: []string{"m1"}, Made: []string{"m1"}, Superseded: []string{"a", "b"}}),
			resolution("r2", 3, synckit.Resolution{Kept: []string{"m2"}, Made: []string{"m2"}, Superseded: []string{"a", "b"}}),
		}, "m2"},
		"resolutions without sense": {list{
			a, b,
			resolution("r1", 9, synckit.Resolution{Kept: []string{"a", "b"}, Superseded: []string{"b"}}),
			resolution("r2", 9, synckit.Resolution{Kept: []string{"a"}, Made: []string{"b"}}),
			resolution("r3", 9, synckit.Resolution{}),
			{Event: synckit.NewEvent("r4", synckit.ResolutionType, "x", "text", nil)},
			{Event: synckit.NewEvent("r5", "synckit.other", "x", "text", nil)},
		}, "a b"},
		"in parts": {list{
			a, b, c,
			resolution("r1", 3, synckit.Resolution{Kept: []string{"c", "a"}, Group: "g", Part: 1, Parts: 2}),
			resolution("r2", 3, synckit.Resolution{Kept: []string{"a"}, Superseded: []string{"b"}, Group: "g", Part: 2, Parts: 2}),
		}, "c a"},
		"a part missing": {list{
			a, b, c, clockedEvent("m", 3),
			resolution("r2", 3, synckit.Resolution{Kept: []string{"m"}, Made: []string{"m"}, Superseded: []string{"b"}, Group: "g", Part: 2, Parts: 2}),
		}, "a b c"},
		"parts that contradict each other": {list{
			a, b, c,
			resolution("r1", 3, synckit.Resolution{Kept: []string{"b"}, Group: "g", Part: 1, Parts: 2}),
			resolution("r2", 3, synckit.Resolution{Kept: []string{"a"}, Superseded: []string{"b"}, Group: "g", Part: 2, Parts: 2}),
			resolution("r3", 3, synckit.Resolution{Group: "h", Part: 1, Parts: 1}),
			resolution("r4", 3, synckit.Resolution{Group: "i", Part: 7, Parts: 1}),
		}, "a b c"},
		// What one side's parts say counts as a whole: no part of the other holds.
		"opposite resolutions in parts": {list{
			a, b, c, clockedEvent("d", 2),
			resolution("r1", 4, synckit.Resolution{Kept: []string{"a", "c"}, Group: "g", Part: 1, Parts: 2}),
			resolution("r2", 4, synckit.Resolution{Kept: []string{"c"}, Superseded: []string{"b", "d"}, Group: "g", Part: 2, Parts: 2}),
			resolution("r3", 4, synckit.Resolution{Kept: []string{"b", "d"}, Group: "h", Part: 1, Parts: 3}),
			resolution("r4", 4, synckit.Resolution{Kept: []string{"d"}, Superseded: []string{"a"}, Group: "h", Part: 2, Parts: 3}),
			resolution("r5", 4, synckit.Resolution{Kept: []string{"d"}, Superseded: []string{"c"}, Group: "h", Part: 3, Parts: 3}),
		}, "b d"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, "effective", idsOf(synckit.Effective(test.events)), test.want)
		})
	}
}

// Two parts with one number, of a faulty peer: nodes agree on which one counts.
func TestTwoPartsWithOneNumber(t *testing.T) {
	t.Parallel()
	events := []synckit.EventWithVersion{
		clockedEvent("a", 1), clockedEvent("b", 1), clockedEvent("c", 1),
		resolution("r1", 3, synckit.Resolution{Kept: []string{"a"}, Group: "g", Part: 1, Parts: 2}),
		resolution("r2", 3, synckit.Resolution{Kept: []string{"a"}, Superseded: []string{"b"}, Group: "g", Part: 2, Parts: 2}),
		resolution("r3", 3, synckit.Resolution{Kept: []string{"a"}, Superseded: []string{"c"}, Group: "g", Part: 2, Parts: 2}),
	}
	for range 100 {
		if got := idsOf(synckit.Effective(events)); got != "a c" {
			t.Fatalf("effective: %s, want a c", got)
		}
	}
}

// Whatever resolutions there are, the order of arrival does not matter, duplicates
// do not, and merging what nodes have in any grouping gives the same.
func TestEffectiveDependsOnTheSetAlone(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	for range 3000 {
		all := randomHistory(random)
		want := idsOf(synckit.Effective(all))
		cut1, cut2 := random.IntN(len(all)+1), random.IntN(len(all)+1)
		cut1, cut2 = min(cut1, cut2), max(cut1, cut2)
		x, y, z := all[:cut1], all[cut1:cut2], all[cut2:]
		for _, arrival := range [][]synckit.EventWithVersion{
			slices.Concat(y, x, z), slices.Concat(z, y, x), slices.Concat(x, slices.Concat(y, z)),
			slices.Concat(x, x, y, z, y), shuffled(random, all),
		} {
			if got := idsOf(synckit.Effective(arrival)); got != want {
				t.Fatalf("%s\nfrom %s: %s\nfrom %s: %s", describe(all), idsOf(all), want, idsOf(arrival), got)
			}
		}
	}
}

// No event goes missing between resolutions: for each that does not count, some
// resolution superseded it, and if that one kept something, something of the
// history counts. Events that no resolution names always count.
func TestEffectiveNeverLosesAnEventBetweenResolutions(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	for range 3000 {
		all := randomHistory(random)
		named, emptied := map[string]bool{}, false
		for _, e := range all {
			if r, ok := synckit.ReadResolution(e.Event); ok {
				for _, id := range append(r.Superseded, r.Made...) {
					named[id] = true
				}
				emptied = emptied || len(r.Kept) == 0
			}
		}
		effective := synckit.Effective(all)
		for _, e := range all {
			if e.Event.Type() != synckit.ResolutionType && !named[e.Event.ID()] && !slices.ContainsFunc(effective, same(e)) {
				t.Fatalf("%s\n%s is lost", describe(all), e.Event.ID())
			}
		}
		if len(effective) == 0 && !emptied {
			t.Fatalf("%s\nnothing is left", describe(all))
		}
	}
}

// Clocks keep cause before effect.
func TestEffectiveKeepsTheOrderOfClocks(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	for range 2000 {
		var all []synckit.EventWithVersion
		for i := range random.IntN(20) {
			all = append(all, clockedEvent(fmt.Sprint("e", i), 1+random.IntN(6)))
		}
		effective := synckit.Effective(shuffled(random, all))
		if !slices.IsSortedFunc(effective, func(a, b synckit.EventWithVersion) int {
			return int(synckit.ClockOf(a.Event)) - int(synckit.ClockOf(b.Event))
		}) {
			t.Fatal(idsOf(effective))
		}
	}
}

func same(e synckit.EventWithVersion) func(synckit.EventWithVersion) bool {
	return func(other synckit.EventWithVersion) bool { return e.Event.ID() == other.Event.ID() }
}

func randomHistory(random *rand.Rand) []synckit.EventWithVersion {
	var all []synckit.EventWithVersion
	n := 1 + random.IntN(6)
	for i := range n {
		all = append(all, clockedEvent(fmt.Sprint("e", i), 1+random.IntN(3)))
	}
	for i := range random.IntN(6) {
		var r synckit.Resolution
		for j := range n {
			switch id := fmt.Sprint("e", j); random.IntN(4) {
			case 0:
				r.Kept = append(r.Kept, id)
			case 1:
				r.Superseded = append(r.Superseded, id)
			}
		}
		if random.IntN(3) == 0 {
			made := fmt.Sprint("m", random.IntN(4))
			all = append(all, clockedEvent(made, 3))
			r.Kept, r.Made = append(r.Kept, made), []string{made}
		}
		random.Shuffle(len(r.Kept), func(i, j int) { r.Kept[i], r.Kept[j] = r.Kept[j], r.Kept[i] })
		clock := 3 + random.IntN(3)
		if random.IntN(3) > 0 || len(r.Kept) == 0 {
			all = append(all, resolution(fmt.Sprint("r", i), clock, r))
			continue
		}
		first, second := r, r // in parts, of which one may be missing
		first.Superseded, second.Kept, second.Made = nil, r.Kept[len(r.Kept)-1:], nil
		if slices.Contains(r.Made, second.Kept[0]) {
			second.Made = r.Made
		}
		for part, r := range []synckit.Resolution{first, second} {
			r.Group, r.Part, r.Parts = fmt.Sprint("g", i), part+1, 2
			if random.IntN(5) > 0 {
				all = append(all, resolution(fmt.Sprintf("r%d-%d", i, part), clock, r))
			}
		}
	}
	return shuffled(random, all)
}

func shuffled(random *rand.Rand, events []synckit.EventWithVersion) []synckit.EventWithVersion {
	events = slices.Clone(events)
	random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	return events
}

func describe(events []synckit.EventWithVersion) string {
	text := ""
	for _, e := range events {
		text += fmt.Sprintf("%s@%d", e.Event.ID(), synckit.ClockOf(e.Event))
		if r, ok := synckit.ReadResolution(e.Event); ok {
			text += fmt.Sprintf(" kept %v superseded %v made %v", r.Kept, r.Superseded, r.Made)
		}
		text += "\n"
	}
	return text
}
