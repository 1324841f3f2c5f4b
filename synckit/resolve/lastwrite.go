package resolve

import (
	"cmp"
	"context"
	"slices"
	"time"

	"syncline/synckit"
)

// LastWriteWins keeps the event that was written last, and those that it builds
// on. Causes come before times: an event that was superseded by one whose writer
// knew of it is not the last, whatever its time says. Of events that knew nothing
// of one another the one with the later time is the last; Timestamp and the
// package's introduction tell how ties end.
//
// Among times that fit causes, such as those of a version.HLC, it does not matter
// how the events of a conflict are grouped: the last of all wins.
type LastWriteWins struct {
	// Time tells when an event was written; nil: Timestamp. It must say the same
	// on all nodes.
	Time func(synckit.EventWithVersion) time.Time
}

var _ synckit.ConflictResolver = LastWriteWins{}

func init() {
	synckit.OfferResolver("last write wins", LastWriteWins{})
	synckit.OfferResolver("first write wins", FirstWriteWins{})
	synckit.OfferResolver("additive merge", AdditiveMerge{})
}

// Resolve implements synckit.ConflictResolver.
func (r LastWriteWins) Resolve(_ context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	return winnerAnd(both(local, remote), before, timing(r.Time).among(slices.Concat(local, remote))), nil
}

// FirstWriteWins keeps the event that was written first, and those that build on
// it. It is LastWriteWins the other way round.
type FirstWriteWins struct {
	// Time tells when an event was written; nil: Timestamp. It must say the same
	// on all nodes.
	Time func(synckit.EventWithVersion) time.Time
}

var _ synckit.ConflictResolver = FirstWriteWins{}

// Resolve implements synckit.ConflictResolver.
func (r FirstWriteWins) Resolve(_ context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	after := func(a, b sided) bool { return before(b, a) }
	later := timing(r.Time).among(slices.Concat(local, remote))
	earlier := func(a, b synckit.EventWithVersion) int { return later(b, a) }
	return winnerAnd(both(local, remote), after, earlier), nil
}

// winnerAnd gives the event that wins, with those that lead up to it, in the order
// of their side. leads says that the first is only on the way to the second;
// among events that lead to no other, compare decides.
func winnerAnd(all []sided, leads func(a, b sided) bool, compare func(a, b synckit.EventWithVersion) int) []synckit.EventWithVersion {
	var candidates []sided
	for i, e := range all {
		// Mostly a neighbour on its side tells, and sides can be long.
		neighbours := i > 0 && leads(e, all[i-1]) || i+1 < len(all) && leads(e, all[i+1])
		if !neighbours && !slices.ContainsFunc(all, func(other sided) bool { return leads(e, other) }) {
			candidates = append(candidates, e)
		}
	}
	if len(candidates) == 0 { // versions that contradict themselves
		candidates = all
	}
	if len(candidates) == 0 {
		return nil
	}
	winner := slices.MaxFunc(candidates, func(a, b sided) int { return compare(a.EventWithVersion, b.EventWithVersion) })
	var local, remote []synckit.EventWithVersion
	for _, e := range all {
		switch {
		case e.Event.ID() != winner.Event.ID() && !leads(e, winner):
		case e.remote:
			remote = append(remote, e.EventWithVersion)
		default:
			local = append(local, e.EventWithVersion)
		}
	}
	return merged(local, remote)
}

// merged takes from two sides in turn the event that comes first in the order in
// which events count anyway: by cause, by the clocks that logs give them, and by
// ID. Each side's own order stays.
func merged(local, remote []synckit.EventWithVersion) []synckit.EventWithVersion {
	all := make([]synckit.EventWithVersion, 0, len(local)+len(remote))
	seen := map[string]bool{}
	for len(local)+len(remote) > 0 {
		from := &local
		if len(local) == 0 || len(remote) > 0 && comesFirst(remote[0], local[0]) {
			from = &remote
		}
		if id := (*from)[0].Event.ID(); !seen[id] {
			seen[id] = true
			all = append(all, (*from)[0])
		}
		*from = (*from)[1:]
	}
	return all
}

func comesFirst(remote, local synckit.EventWithVersion) bool {
	a, b := sided{remote, true, 0}, sided{local, false, 0}
	if first, last := before(a, b), before(b, a); first != last {
		return first
	}
	return cmp.Or(cmp.Compare(synckit.ClockOf(a.Event), synckit.ClockOf(b.Event)), cmp.Compare(a.Event.ID(), b.Event.ID())) < 0
}

// AdditiveMerge keeps all events of both sides: for events that add up, such as
// items put in a basket or amounts counted, so that their order does not matter.
// It is what happens without a resolver, too; as a rule's answer it says so.
type AdditiveMerge struct{}

var _ synckit.ConflictResolver = AdditiveMerge{}

// Resolve implements synckit.ConflictResolver.
func (AdditiveMerge) Resolve(_ context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	return merged(local, remote), nil
}

// Func makes a resolver of a function.
type Func func(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error)

var _ synckit.ConflictResolver = Func(nil)

// Resolve implements synckit.ConflictResolver.
func (f Func) Resolve(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	return f(ctx, local, remote)
}
