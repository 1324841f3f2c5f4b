package cursor_test

import (
	"fmt"
	"testing"

	"syncline/synckit"
	"syncline/synckit/cursor"
)

func ExampleIntegerCursor() {
	before, after := cursor.IntegerCursor{Seq: 7}, cursor.IntegerCursor{Seq: 12}
	fmt.Println(before.Compare(after), after)
	// Output: -1 12
}

// other is a version of another kind.
type other struct{ synckit.Version }

func TestCompare(t *testing.T) {
	t.Parallel()
	one, two := cursor.IntegerCursor{Seq: 1}, cursor.IntegerCursor{Seq: 2}
	for _, c := range []struct {
		with synckit.Version
		want int
	}{{one, 1}, {two, 0}, {cursor.IntegerCursor{Seq: 1 << 63}, -1}, {other{}, 1}} {
		if got := two.Compare(c.with); got != c.want {
			t.Errorf("2 to %v: %d, want %d", c.with, got, c.want)
		}
	}
	if one.IsZero() || !(cursor.IntegerCursor{}).IsZero() {
		t.Error("only 0 is before the first")
	}
}

func TestParseReadsWhatStringWrote(t *testing.T) {
	t.Parallel()
	for _, seq := range []uint64{0, 1, 1<<64 - 1} {
		c := cursor.IntegerCursor{Seq: seq}
		if parsed, err := cursor.Parse(c.String()); err != nil || parsed != c {
			t.Errorf("%s was parsed as %v, %v", c, parsed, err)
		}
	}
	for _, text := range []string{"", "-1", "+1", "1.0", "0x1", "18446744073709551616", " 1"} {
		if parsed, err := cursor.Parse(text); err == nil {
			t.Errorf("%q was parsed as %v", text, parsed)
		}
	}
}
