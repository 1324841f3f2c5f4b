package version_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/version"
)

func clock(t testing.TB, text string) version.VectorClock {
	t.Helper()
	v, err := version.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return v.(version.VectorClock)
}

func TestVectorClocksRelateInFourWays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want synckit.Ordering
	}{
		{`{}`, `{}`, synckit.Equal},
		{`{"A":2,"B":1}`, `{"B":1,"A":2}`, synckit.Equal},
		{`{"A":1,"B":0}`, `{"A":1}`, synckit.Equal},
		{`{}`, `{"A":1}`, synckit.Before},
		{`{"A":1}`, `{"A":1,"B":1}`, synckit.Before},
		{`{"A":3,"B":1}`, `{"A":2,"B":1}`, synckit.After},
		{`{"A":1}`, `{"B":1}`, synckit.Concurrent},
		{`{"A":2,"B":1}`, `{"A":1,"B":2}`, synckit.Concurrent},
	} {
		a, b := clock(t, c.a), clock(t, c.b)
		if got := a.Order(b); got != c.want {
			t.Errorf("%s is %d to %s, want %d", c.a, got, c.b, c.want)
		}
	}
	if got := clock(t, `{"A":1}`).Order(cursor.IntegerCursor{Seq: 1}); got != synckit.Concurrent {
		t.Errorf("a version of another kind is %d", got)
	}
}

// TestCompareIsATotalOrderThatKeepsCausality also says that 0 means equal and
// nothing else.
func TestCompareIsATotalOrderThatKeepsCausality(t *testing.T) {
	t.Parallel()
	clocks := make([]version.VectorClock, 60)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range clocks {
		counters := map[string]uint64{}
		for _, node := range []string{"A", "B", "C"} {
			counters[node] = random.Uint64N(4)
		}
		clocks[i], _ = version.NewVectorClock(counters)
	}
	sign := map[synckit.Ordering]int{synckit.Before: -1, synckit.Equal: 0, synckit.After: 1}
	for _, a := range clocks {
		for _, b := range clocks {
			order, compared := a.Order(b), a.Compare(b)
			if want, ordered := sign[order]; ordered && compared != want {
				t.Fatalf("%s to %s: order %d but compared %d", a, b, order, compared)
			}
			if order == synckit.Concurrent && compared == 0 {
				t.Fatalf("%s and %s are concurrent but compare 0", a, b)
			}
			if compared != -b.Compare(a) {
				t.Fatalf("%s and %s do not agree on their order", a, b)
			}
			for _, c := range clocks {
				if compared < 0 && b.Compare(c) < 0 && a.Compare(c) >= 0 {
					t.Fatalf("%s < %s < %s is no order", a, b, c)
				}
			}
		}
	}
}

func TestMergeKnowsWhatEitherKnows(t *testing.T) {
	t.Parallel()
	a, b := clock(t, `{"A":3,"B":1}`), clock(t, `{"B":2,"C":1}`)
	merged, err := a.Merge(b)
	if err != nil || merged.String() != `{"A":3,"B":2,"C":1}` {
		t.Errorf("merged to %s, %v", merged, err)
	}
	if back, _ := b.Merge(a); back.Order(merged) != synckit.Equal {
		t.Errorf("merged the other way: %s", back)
	}
	if a.String() != `{"A":3,"B":1}` {
		t.Errorf("merging changed a clock to %s", a)
	}
	if fromZero, _ := (version.VectorClock{}).Merge(a); fromZero.Order(a) != synckit.Equal {
		t.Errorf("merged with nothing: %s", fromZero)
	}
}

func TestIncrementKeepsTheOldClock(t *testing.T) {
	t.Parallel()
	first, err := version.VectorClock{}.Increment("A")
	if err != nil {
		t.Fatal(err)
	}
	second, _ := first.Increment("A")
	if first.Counter("A") != 1 || second.Counter("A") != 2 || second.Order(first) != synckit.After {
		t.Errorf("%s then %s", first, second)
	}
}

func TestVectorClocksHaveLimits(t *testing.T) {
	t.Parallel()
	many := map[string]uint64{}
	for i := range version.MaxNodes {
		many[strings.Repeat("n", i%200+1)+string(rune('0'+i/200))] = 1
	}
	full, err := version.NewVectorClock(many)
	if err != nil || len(full.Nodes()) != version.MaxNodes {
		t.Fatalf("%d nodes: %v", len(full.Nodes()), err)
	}
	highest, _ := version.NewVectorClock(map[string]uint64{"A": version.MaxCounter})
	failures := map[string]func() error{
		"one node more":     func() error { _, err := full.Increment("another"); return err },
		"merge of too many": func() error { _, err := full.Merge(clock(t, `{"another":1}`)); return err },
		"highest counter":   func() error { _, err := highest.Increment("A"); return err },
		"no name":           func() error { _, err := version.VectorClock{}.Increment(""); return err },
		"long name":         func() error { _, err := version.VectorClock{}.Increment(strings.Repeat("n", 256)); return err },
		"not UTF-8":         func() error { _, err := version.VectorClock{}.Increment("\xff"); return err },
	}
	for name, fail := range failures {
		if code := errors.CodeOf(fail()); code != errors.TooLarge && code != errors.InvalidVersion {
			t.Errorf("%s: code %q", name, code)
		}
	}
	if _, err := full.Increment(full.Nodes()[0]); err != nil {
		t.Errorf("a full clock cannot count on: %v", err)
	}
}

func TestVectorClocksAsJSON(t *testing.T) {
	t.Parallel()
	c, err := version.NewVectorClock(map[string]uint64{`"quoted"`: 1, "ünï\x00": version.MaxCounter, "none": 0})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"clock": c})
	if err != nil {
		t.Fatal(err)
	}
	var back struct{ Clock version.VectorClock }
	if err := json.Unmarshal(text, &back); err != nil || back.Clock.Compare(c) != 0 {
		t.Errorf("%s came back as %s, %v", c, back.Clock, err)
	}
	if parsed := clock(t, c.String()); parsed.Compare(c) != 0 || parsed.Counter("ünï\x00") != version.MaxCounter {
		t.Errorf("%s was parsed as %s", c, parsed)
	}
}

func TestPruneDropsNodes(t *testing.T) {
	t.Parallel()
	before := clock(t, `{"gone":7,"here":2}`)
	pruned := before.Prune(func(node string) bool { return node != "gone" })
	if pruned.String() != `{"here":2}` {
		t.Errorf("pruned to %s", pruned)
	}
	later, _ := pruned.Increment("here")
	if order := later.Order(before); order != synckit.Concurrent {
		t.Errorf("a pruned clock claims to know what was pruned: %d", order)
	}
}

func TestParseKnowsEachKind(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"0", "17", "18446744073709551615", `{}`, `{"A":1,"B":2}`, "1732262400000000.3@laptop", "5.0@a@b"} {
		parsed, err := version.Parse(text)
		if err != nil || parsed.String() != text {
			t.Errorf("%s was parsed as %v, %v", text, parsed, err)
		}
	}
	for _, text := range []string{
		"", "-1", "1x", "{", `{"A":-1}`, `{"A":1.5}`, `{"":1}`, `{"A":9007199254740992}`, `{"A":1} ` + "x", `{"A":"1"}`,
		"@", "1@a", "1.@a", ".1@a", "1.1@", "x.1@a", "1.4294967296@a", "1.1@\xff",
	} {
		if parsed, err := version.Parse(text); err == nil || errors.IsRetryable(err) {
			t.Errorf("%q was parsed as %v, %v", text, parsed, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"1", `{"A":1}`, "12.3@node"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := version.Parse(text)
		if err != nil {
			return
		}
		again, err := version.Parse(parsed.String())
		if err != nil || again.Compare(parsed) != 0 || again.String() != parsed.String() {
			t.Errorf("%q became %s, then %v, %v", text, parsed, again, err)
		}
	})
}
