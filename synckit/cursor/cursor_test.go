package cursor_test

import (
	"fmt"
	"math"
	"os"
	"testing"

	"syncline/synckit/cursor"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	one, same, two := cursor.IntegerCursor{Seq: 1}, cursor.IntegerCursor{Seq: 1}, cursor.IntegerCursor{Seq: 2}
	if one.Compare(two) >= 0 || two.Compare(one) <= 0 || one.Compare(same) != 0 || one.Compare(nil) <= 0 {
		t.Error("positions are not in order")
	}
	if one.IsZero() || !(cursor.IntegerCursor{}).IsZero() {
		t.Error("only 0 is before the first")
	}
}

func TestParseReadsWhatStringWrote(t *testing.T) {
	t.Parallel()
	for _, seq := range []uint64{0, 1, math.MaxUint64} {
		c := cursor.IntegerCursor{Seq: seq}
		if got, err := cursor.Parse(c.String()); err != nil || got != c {
			t.Errorf("%v, %v", got, err)
		}
	}
	for _, text := range []string{"", "-1", "x", "1.5", "18446744073709551616"} {
		if _, err := cursor.Parse(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func ExampleParse() {
	c, err := cursor.Parse("42")
	fmt.Fprintln(os.Stdout, c, c.Compare(cursor.IntegerCursor{Seq: 7}), err)
	// Output: 42 1 <nil>
}
