package synckit

import (
	"encoding/json"
	stderrors "errors"
	"maps"
	"slices"
	"strings"

	"syncline/synckit/errors"
)

// A snapshot stands for events of an aggregate that are not needed any more. It consists
// of three kinds of events:
//
//   - Coverage names what it stands for, in parts. By itself that does nothing.
//   - The snapshot has the app's event, and names the coverage. By itself it is a proposal.
//   - A commitment names the snapshot. From then on it counts.
//
// Who compacts proposes, reads the log to its end, and commits whichever proposal stands first there of
// those that know of all snapshots that count: all who compact at once commit the same one, and
// anybody can go on where a process was killed. See Compact.

// SnapshotType is the type of events that hold snapshots. Effective gives what is in them:
// an event of the app's own type, with SnapshotKey in its metadata.
const SnapshotType = reservedPrefix + "snapshot"

const (
	coverageType   = reservedPrefix + "coverage"
	commitmentType = reservedPrefix + "compacted"
)

// SnapshotKey is the metadata key, with the value true, of an event that stands for those that
// were compacted.
const SnapshotKey = "synckit.snapshot"

// proposed is what an event of SnapshotType holds.
type proposed struct {
	Type     string          `json:"type"`
	Data     json.RawMessage `json:"data"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
	Covers   string          `json:"covers"` // the group of coverage
}

// coverage is a part of the IDs that a snapshot stands for. Its group is named after all of them.
type coverage struct {
	Group string   `json:"group"`
	Part  int      `json:"part"` // 1 for the first
	Parts int      `json:"parts"`
	IDs   []string `json:"ids"`
}

type commitment struct {
	Snapshot string `json:"snapshot"`
}

// isSnapshot tells whether an event is a snapshot as Effective gives it.
func isSnapshot(e Event) bool {
	return e.Metadata()[SnapshotKey] == true && strings.HasPrefix(e.ID(), SnapshotType+":")
}

// isOwnKind tells whether an event is the library's own: such events always sync, and no app is
// asked about them.
func isOwnKind(e Event) bool {
	switch e.Type() {
	case ResolutionType, SnapshotType, coverageType, commitmentType:
		return true
	}
	return false
}

// snapshot is one that is whole.
type snapshot struct {
	clocked                   // the event that holds it
	inner    EventWithVersion // the app's, as Effective gives it
	covers   string           // the group of coverage
	ids      idSet            // what it stands for
	commitBy string           // the event that commits it; empty: it is a proposal
}

// coverGroup is coverage whose parts are all there.
type coverGroup struct {
	ids    []string
	events []string // those that hold the parts
}

// snapshots are those of one aggregate.
type snapshots struct {
	counting  []snapshot // those that count, in order
	proposals []snapshot // those that are not committed
	covered   idSet      // what those that are committed stand for, all that the counting ones know of included
	groups    map[string]coverGroup
}

func readSnapshots(seen map[string]clocked) snapshots {
	var held []snapshot
	commits, parts := map[string]string{}, map[string]map[string]coverage{}
	for id, c := range seen {
		switch c.Event.Type() {
		case SnapshotType:
			if s, ok := readSnapshot(c); ok {
				held = append(held, s)
			}
		case commitmentType:
			var named commitment
			if DecodeData(c.Event, &named) == nil && id == commitmentID(c.Event.AggregateID(), named.Snapshot) {
				commits[named.Snapshot] = id
			}
		case coverageType:
			var part coverage
			if DecodeData(c.Event, &part) != nil {
				continue
			}
			if parts[part.Group] == nil {
				parts[part.Group] = map[string]coverage{}
			}
			parts[part.Group][id] = part
		}
	}
	s := snapshots{covered: idSet{}, groups: map[string]coverGroup{}}
	for name, group := range parts {
		if whole, ok := joinCoverage(name, group); ok {
			s.groups[name] = whole
		}
	}
	for _, one := range held {
		if s.complete(&one) {
			one.commitBy = commits[one.Event.ID()]
			s.add(one)
		}
	}
	uncovered := func(one snapshot) bool { return s.covered.has(one.Event.ID()) }
	s.counting, s.proposals = slices.DeleteFunc(s.counting, uncovered), slices.DeleteFunc(s.proposals, uncovered)
	slices.SortFunc(s.counting, func(a, b snapshot) int { return byClock(a.clocked, b.clocked) })
	return s
}

// joinCoverage puts the parts of a group together, if they are what the group is named after.
func joinCoverage(name string, parts map[string]coverage) (coverGroup, bool) {
	var whole coverGroup
	byNumber := map[int]string{}
	for id, part := range parts {
		if other, taken := byNumber[part.Part]; !taken || id < other {
			byNumber[part.Part] = id
		}
		whole.events = append(whole.events, id)
	}
	for i := 1; i <= len(byNumber); i++ {
		part, there := parts[byNumber[i]]
		if !there || part.Parts != len(byNumber) {
			return whole, false
		}
		whole.ids = append(whole.ids, part.IDs...)
	}
	return whole, digest(whole.ids...) == name
}

// complete finds what a snapshot stands for, if all of that is there.
func (s *snapshots) complete(one *snapshot) bool {
	group, there := s.groups[one.covers]
	one.ids = setOf(group.ids)
	return there
}

func (s *snapshots) add(one snapshot) {
	if one.commitBy == "" {
		s.proposals = append(s.proposals, one)
		return
	}
	s.counting = append(s.counting, one)
	for id := range one.ids {
		s.covered[id] = struct{}{}
	}
}

// next is the proposal to commit: the first in the order of a log that knows of all snapshots that
// count. Any other was made before one of these was committed, and never will be.
func (s *snapshots) next(order []EventWithVersion) (snapshot, bool) {
	for _, e := range order {
		for _, p := range s.proposals {
			knows := !slices.ContainsFunc(s.counting, func(c snapshot) bool { return p.ids.lacks(c.Event.ID()) })
			if p.Event.ID() == e.Event.ID() && knows {
				return p, true
			}
		}
	}
	return snapshot{}, false
}

// readSnapshot reads what an event holds, but for what it stands for.
func readSnapshot(holds clocked) (snapshot, bool) {
	var content proposed
	if DecodeData(holds.Event, &content) != nil || strings.HasPrefix(content.Type, reservedPrefix) {
		return snapshot{}, false
	}
	encoded := EncodedEvent{
		ID: holds.Event.ID(), Type: content.Type, AggregateID: holds.Event.AggregateID(), Data: content.Data, Metadata: content.Metadata,
	}
	decoded, err := encoded.Decode()
	if err != nil {
		return snapshot{}, false
	}
	metadata := maps.Clone(decoded.Metadata())
	if metadata == nil {
		metadata = map[string]interface{}{}
	}
	metadata[SnapshotKey] = true
	for _, key := range []string{ClockKey, TimeKey} {
		if value, there := holds.Event.Metadata()[key]; there {
			metadata[key] = value
		}
	}
	inner := NewEvent(encoded.ID, encoded.Type, encoded.AggregateID, encoded.Data, metadata)
	return snapshot{clocked: holds, inner: EventWithVersion{Event: inner, Version: holds.Version}, covers: content.Covers}, true
}

func commitmentID(aggregateID, snapshotID string) string {
	return commitmentType + ":" + digest(aggregateID, snapshotID)
}

// commit is the event that commits the snapshot.
func (s snapshot) commit() (Event, error) {
	data, err := json.Marshal(commitment{s.Event.ID()})
	if err != nil {
		return nil, err
	}
	aggregate := s.Event.AggregateID()
	return NewEvent(commitmentID(aggregate, s.Event.ID()), commitmentType, aggregate, json.RawMessage(data),
		map[string]interface{}{ClockKey: s.clock + 1}), nil
}

// propose makes the events of a proposal: the coverage, then the snapshot.
func propose(aggregateID string, ids []string, content EncodedEvent, clock uint64) ([]Event, error) {
	own := digest(ids...)
	var events []Event
	cut := chunks(ids)
	for i, chunk := range cut {
		data, err := json.Marshal(coverage{Group: own, Part: i + 1, Parts: len(cut), IDs: chunk})
		if err != nil {
			return nil, err
		}
		id := coverageType + ":" + digest(aggregateID, string(data))
		events = append(events, NewEvent(id, coverageType, aggregateID, json.RawMessage(data), map[string]interface{}{ClockKey: clock}))
	}
	at := content.Time()
	data, err := json.Marshal(proposed{Type: content.Type, Data: content.Data, Metadata: content.WithClock(0).Metadata, Covers: own})
	if err != nil {
		return nil, err
	}
	holds := EncodedEvent{
		ID: SnapshotType + ":" + digest(aggregateID, string(data)), Type: SnapshotType, AggregateID: aggregateID, Data: data,
	}
	if !at.IsZero() {
		holds = holds.Stamped(clock, at)
	} else {
		holds = holds.WithClock(clock)
	}
	event, err := holds.Decode()
	return append(events, event), err
}

// contentOf checks and encodes what an app makes a snapshot of. Its ID is not the app's to choose.
func contentOf(e Event) (EncodedEvent, error) {
	if e == nil || reserved(e) {
		return EncodedEvent{}, errors.New(errors.InvalidEvent, "compact", stderrors.New("there is no snapshot, or one of a reserved type"))
	}
	return Encode(NewEvent(SnapshotType, e.Type(), e.AggregateID(), e.Data(), e.Metadata()))
}
