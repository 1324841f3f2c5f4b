package version

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// The limits of a vector clock. A counter stays within what every JSON reader
// keeps exactly.
const (
	MaxNodes       = 1000
	MaxNodeIDBytes = 255
	MaxCounter     = 1<<53 - 1
)

// VectorClock says for each node how many of its events are known. It never
// changes; the zero value knows nothing.
type VectorClock struct {
	counters map[string]uint64 // none is 0
}

var _ synckit.CausalVersion = VectorClock{}

// NewVectorClock makes a clock of counters by node. Counters of 0 say nothing
// and are left out. It fails beyond the limits.
func NewVectorClock(counters map[string]uint64) (VectorClock, error) {
	c := VectorClock{counters: maps.Clone(counters)}
	maps.DeleteFunc(c.counters, func(_ string, counter uint64) bool { return counter == 0 })
	if len(c.counters) > MaxNodes {
		return VectorClock{}, tooLarge("a vector clock has up to %d nodes, not %d", MaxNodes, len(c.counters))
	}
	for node, counter := range c.counters {
		if err := CheckNodeID(node); err != nil {
			return VectorClock{}, err
		}
		if counter > MaxCounter {
			return VectorClock{}, tooLarge("counter %d is above %d", counter, uint64(MaxCounter))
		}
	}
	return c, nil
}

// CheckNodeID tells whether a node may have this name: 1 to MaxNodeIDBytes bytes
// of valid UTF-8.
func CheckNodeID(node string) error {
	if node == "" || len(node) > MaxNodeIDBytes || !utf8.ValidString(node) {
		return errors.New(errors.InvalidVersion, "check node id",
			fmt.Errorf("%.40q is not 1 to %d bytes of UTF-8", node, MaxNodeIDBytes))
	}
	return nil
}

func tooLarge(format string, args ...any) error {
	return errors.New(errors.TooLarge, "make vector clock", fmt.Errorf(format, args...))
}

// Counter is how many events of a node are known.
func (c VectorClock) Counter(node string) uint64 { return c.counters[node] }

// Nodes are those with a counter, sorted.
func (c VectorClock) Nodes() []string { return slices.Sorted(maps.Keys(c.counters)) }

// Increment is the clock of a node's next event. It fails beyond the limits.
func (c VectorClock) Increment(node string) (VectorClock, error) {
	counters := maps.Clone(c.counters)
	if counters == nil {
		counters = map[string]uint64{}
	}
	counters[node]++
	return NewVectorClock(counters)
}

// Merge knows what either clock knows. It fails beyond MaxNodes.
func (c VectorClock) Merge(other VectorClock) (VectorClock, error) {
	counters := maps.Clone(c.counters)
	if counters == nil {
		counters = map[string]uint64{}
	}
	for node, counter := range other.counters {
		counters[node] = max(counters[node], counter)
	}
	return NewVectorClock(counters)
}

// Prune leaves out the nodes that keep says no to.
//
// It makes clocks smaller at a price. Against an event that counts a pruned node,
// a pruned clock cannot show that it knew of it: what was ordered becomes
// Concurrent, and conflicts are seen where there are none. And a pruned node that
// comes back and starts to count at 1 again makes events that older clocks take
// for known: conflicts are missed. So prune only nodes that are gone for good,
// and only when everybody has what they wrote.
func (c VectorClock) Prune(keep func(node string) bool) VectorClock {
	counters := maps.Clone(c.counters)
	maps.DeleteFunc(counters, func(node string, _ uint64) bool { return !keep(node) })
	return VectorClock{counters: counters}
}

// Order implements synckit.CausalVersion.
func (c VectorClock) Order(other synckit.Version) synckit.Ordering {
	o, ok := other.(VectorClock)
	if !ok {
		return synckit.Concurrent
	}
	less, more := o.exceeds(c), c.exceeds(o)
	switch {
	case less && more:
		return synckit.Concurrent
	case less:
		return synckit.Before
	case more:
		return synckit.After
	default:
		return synckit.Equal
	}
}

// exceeds tells whether c knows of an event that o does not.
func (c VectorClock) exceeds(o VectorClock) bool {
	for node, counter := range c.counters {
		if counter > o.counters[node] {
			return true
		}
	}
	return false
}

// Compare implements synckit.Version: by the number of events known, then by
// text. So what happened before comes first, concurrent clocks are in an order
// that is the same on all nodes, and only equal ones compare 0. A version of
// another kind counts as before.
func (c VectorClock) Compare(other synckit.Version) int {
	o, ok := other.(VectorClock)
	if !ok {
		return 1
	}
	high, low := c.sum()
	otherHigh, otherLow := o.sum()
	return cmp.Or(cmp.Compare(high, otherHigh), cmp.Compare(low, otherLow), strings.Compare(c.String(), o.String()))
}

func (c VectorClock) sum() (high, low uint64) {
	for _, counter := range c.counters {
		var carry uint64
		low, carry = bits.Add64(low, counter, 0)
		high += carry
	}
	return high, low
}

// String implements synckit.Version: a JSON object of counters by node, sorted
// by node.
func (c VectorClock) String() string {
	if len(c.counters) == 0 {
		return "{}"
	}
	text, _ := json.Marshal(c.counters) // strings and integers always marshal
	return string(text)
}

// IsZero implements synckit.Version.
func (c VectorClock) IsZero() bool { return len(c.counters) == 0 }

// MarshalJSON implements json.Marshaler: what String gives.
func (c VectorClock) MarshalJSON() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalJSON implements json.Unmarshaler. It fails beyond the limits.
func (c *VectorClock) UnmarshalJSON(text []byte) error {
	var counters map[string]uint64
	if err := json.Unmarshal(text, &counters); err != nil {
		return errors.New(errors.InvalidVersion, "parse vector clock", err)
	}
	parsed, err := NewVectorClock(counters)
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}
