package resolve_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/resolve"
)

// stored is an event as a log gave it back: with a clock and a time.
func stored(id string, clock int, at time.Time, metadata map[string]any) synckit.EventWithVersion {
	all := map[string]any{synckit.ClockKey: clock, synckit.TimeKey: int(at.UnixMicro())}
	for key, value := range metadata {
		all[key] = value
	}
	return written(id, map[string]any{"by": id}, all)
}

func TestTheTimesThatLogsGiveDecide(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	noZone := map[string]any{"timestamp": "2026-06-01T11:00:00"}
	zone := map[string]any{"timestamp": "2026-06-01T11:00:00Z"}
	for name, c := range map[string]struct {
		a, b synckit.EventWithVersion
		last string
	}{
		"a later time":                  {stored("b", 9, noon, nil), stored("a", 1, noon.Add(1000), nil), "a"},
		"the app's own time":            {stored("a", 1, noon, nil), stored("b", 9, noon.Add(1000), zone), "a"},
		"a time that cannot be read":    {stored("b", 9, noon, nil), stored("a", 1, noon.Add(1000), noZone), "a"},
		"a clock that is years ahead":   {stored("b", 1, time.Now().AddDate(9, 0, 0), nil), stored("a", 2, noon, nil), "a"},
		"a clock that begins in 1970":   {stored("a", 2, time.Unix(100, 0), nil), stored("b", 1, noon, nil), "a"},
		"a clock that is ahead a bit":   {stored("a", 1, time.Now().Add(time.Hour), nil), stored("b", 2, time.Now(), nil), "a"},
		"an older release gave no time": {written("b", 1, nil), stored("a", 1, noon, nil), "a"},
	} {
		kept := resolved(t, resolve.LastWriteWins{}, events{c.a}, events{c.b})
		if got := ids(kept); got != c.last {
			t.Errorf("%s: the last is %s, want %s", name, got, c.last)
		}
	}
}

// Sides can be long, and the winner's is kept whole.
func TestLongSides(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	side := func(prefix string, from time.Time) (all events) {
		for i := range 10_000 {
			all = append(all, stored(fmt.Sprint(prefix, i), i+1, from.Add(time.Duration(i)*time.Millisecond), nil))
		}
		return all
	}
	a, b := side("a", noon), side("b", noon.Add(time.Hour))
	if kept := resolved(t, resolve.LastWriteWins{}, a, b); len(kept) != len(b) || kept[0].Event.ID() != "b0" {
		t.Errorf("%d kept of the last", len(kept))
	}
	if kept := resolved(t, resolve.FirstWriteWins{}, a, b); len(kept) != len(a) || kept[0].Event.ID() != "a0" {
		t.Errorf("%d kept of the first", len(kept))
	}
}

// A merge was written when the later of its events was, for whoever orders it later.
func TestAMergeHasTheTimeOfItsLastEvent(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	kept := resolved(t, resolve.ThreeWayMerge{}, events{stored("a", 1, noon, nil)}, events{stored("b", 1, noon.Add(time.Second), nil)})
	if at := resolve.Timestamp(kept[0]); len(kept) != 1 || !at.Equal(noon.Add(time.Second)) {
		t.Errorf("%s at %v", ids(kept), at)
	}
}

// What a merge makes is bounded, whatever its events are.
func TestMergesArePartedByFields(t *testing.T) {
	t.Parallel()
	text := func(n int) string { return `"` + strings.Repeat("x", n) + `"` }
	many := func(prefix string) string {
		fields := []string{`"title":"` + prefix + `"`}
		for i := range 3000 {
			fields = append(fields, fmt.Sprintf(`"%s%d":%d`, prefix, i, i))
		}
		return strings.Join(fields, ",")
	}
	for name, c := range map[string]struct {
		a, b string
		made int
	}{
		"small":          {`"t":1`, `"t":2`, 1},
		"two large":      {`"t":1,"a":` + text(30_000), `"t":2,"b":` + text(30_000), 2},
		"inside":         {`"o":{"t":1,"a":` + text(30_000) + `}`, `"o":{"t":2,"b":` + text(30_000) + `}`, 2},
		"many small":     {many("a"), many("b"), 3},
		"nothing at all": {`"t":1,"o":{}`, `"t":2,"o":{}`, 1},
	} {
		kept := resolved(t, resolve.ThreeWayMerge{}, events{change("a", 1, "{"+c.a+"}")}, events{change("b", 2, "{"+c.b+"}")})
		if len(kept) != c.made {
			t.Errorf("%s: %d events, want %d", name, len(kept), c.made)
		}
		total := 0
		for _, e := range kept {
			if encoded, err := synckit.Encode(e.Event); err != nil || len(encoded.Data) > 32<<10 {
				t.Errorf("%s: %d bytes, %v", name, len(encoded.Data), err)
			} else {
				total += len(encoded.Data)
			}
		}
		if least := len(c.a) + len(c.b) - 20; total < least {
			t.Errorf("%s: %d bytes are left of %d", name, total, least)
		}
	}
}
