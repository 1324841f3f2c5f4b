package version

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// HLC is a time of a hybrid logical clock: greater than that of everything its
// node knew, and close to the node's wall clock. Node tells times of different
// nodes apart.
//
// It is no synckit.CausalVersion. Of two times the greater may be that of a
// later event, or of one elsewhere that knew nothing of the other; a time alone
// cannot tell, so conflicts must be found by other means. A manager does: by
// which events each log was seen to hold.
type HLC struct {
	WallMicros int64  // microseconds since 1970; the greatest wall clock known
	Counter    uint32 // tells apart what happened at one WallMicros
	Node       string
}

var _ synckit.Version = HLC{}

// Compare implements synckit.Version: by time, then by node. A version of
// another kind counts as before.
func (h HLC) Compare(other synckit.Version) int {
	o, ok := other.(HLC)
	if !ok {
		return 1
	}
	return cmp.Or(cmp.Compare(h.WallMicros, o.WallMicros), cmp.Compare(h.Counter, o.Counter), cmp.Compare(h.Node, o.Node))
}

// String implements synckit.Version: such as 1732262400000000.3@laptop.
func (h HLC) String() string {
	return fmt.Sprintf("%d.%d@%s", h.WallMicros, h.Counter, h.Node)
}

// IsZero implements synckit.Version.
func (h HLC) IsZero() bool { return h.WallMicros == 0 && h.Counter == 0 }

// Time is the wall clock's part.
func (h HLC) Time() time.Time { return time.UnixMicro(h.WallMicros).UTC() }

func parseHLC(text string) (HLC, error) {
	at, node, _ := strings.Cut(text, "@")
	wallText, counterText, _ := strings.Cut(at, ".")
	wall, err := strconv.ParseInt(wallText, 10, 64)
	if err != nil {
		return HLC{}, notHLC(text)
	}
	counter, err := strconv.ParseUint(counterText, 10, 32)
	if err != nil {
		return HLC{}, notHLC(text)
	}
	return HLC{WallMicros: wall, Counter: uint32(counter), Node: node}, CheckNodeID(node)
}

func notHLC(text string) error {
	return errors.New(errors.InvalidVersion, "parse version", fmt.Errorf("%.80q is not a hybrid logical time", text))
}
