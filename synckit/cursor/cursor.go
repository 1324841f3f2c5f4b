// Package cursor has the simplest version: a number in one log.
package cursor

import (
	"fmt"
	"strconv"

	"syncline/synckit"
)

// IntegerCursor is a position in one node's log. It says nothing about causes:
// integers of different logs do not compare.
type IntegerCursor struct {
	Seq uint64
}

var _ synckit.Version = IntegerCursor{}

// Compare implements synckit.Version. A version of another kind counts as before.
func (c IntegerCursor) Compare(other synckit.Version) int {
	o, ok := other.(IntegerCursor)
	switch {
	case !ok || c.Seq > o.Seq:
		return 1
	case c.Seq < o.Seq:
		return -1
	default:
		return 0
	}
}

// String implements synckit.Version: decimal digits.
func (c IntegerCursor) String() string { return strconv.FormatUint(c.Seq, 10) }

// IsZero implements synckit.Version.
func (c IntegerCursor) IsZero() bool { return c.Seq == 0 }

// Parse reads what String wrote.
func Parse(text string) (IntegerCursor, error) {
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return IntegerCursor{}, fmt.Errorf("cursor: %q is not a position in a log", text)
	}
	return IntegerCursor{Seq: seq}, nil
}
