package pubsub_test

import (
	"testing"

	"syncline/pubsub"
)

func TestMerge(t *testing.T) {
	for _, c := range []struct{ a, b, want int64 }{
		{1, 2, 2}, {2, 1, 2}, {3, 3, 3}, {0, 3, 0}, {3, 0, 0}, {0, 0, 0},
	} {
		got := pubsub.Hint{Topic: pubsub.Records, Revision: c.a}.Merge(pubsub.Hint{Topic: pubsub.Records, Revision: c.b})
		if want := (pubsub.Hint{Topic: pubsub.Records, Revision: c.want}); got != want {
			t.Errorf("merging %d and %d: %v, want %v", c.a, c.b, got, want)
		}
	}
}

// The trace is that of the change whose revision the hint has.
func TestMergeKeepsTheNewestTrace(t *testing.T) {
	older, newer := pubsub.Hint{Revision: 1, Trace: "older"}, pubsub.Hint{Revision: 2, Trace: "newer"}
	if older.Merge(newer) != newer || newer.Merge(older) != newer {
		t.Errorf("%v and %v", older.Merge(newer), newer.Merge(older))
	}
	if got := newer.Merge(pubsub.Hint{}); got != (pubsub.Hint{}) {
		t.Errorf("a hint that tells of no change has %v", got)
	}
}
