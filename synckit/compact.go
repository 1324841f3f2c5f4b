package synckit

import (
	"context"
	stderrors "errors"
	"maps"
	"slices"
	"time"

	"syncline/synckit/errors"
)

// SnapshotFunc makes one event of those that it is to stand for: an aggregate's events that count, in
// order, the snapshot before among them. Its type and data are the app's own; Effective gives it
// with an ID of the library's making, and SnapshotKey in its metadata.
type SnapshotFunc func(effective []EventWithVersion) (Event, error)

// Compacted tells what a compaction did.
type Compacted struct {
	// Snapshot is the newest that counts, as Effective gives it. Its Event is nil if there is none.
	Snapshot EventWithVersion
	// Covered is how many events of the log, resolutions among them, the snapshots that were made now
	// stand for. 0: there was nothing to compact, or another node has done it.
	Covered int
}

// Compact has a snapshot take the place of an aggregate's events that the peer has, those that do not
// count any more among them, and drops these: here (where the store is a Dropper), at the peer, and
// at all nodes as they learn of it. before leaves out events that were stored then or later, and all
// that count after one of them; the zero time leaves out none.
//
// What a node has written without knowing of the snapshot counts after it. It is in no conflict with
// what was compacted before it arrived: no resolver is asked. So before is best some days or weeks
// back, by how long nodes are offline. The snapshot stands for the IDs of events for ever: one that comes again
// counts for nothing.
//
// It syncs first. Where several nodes compact an aggregate at once, the one whose snapshot stands
// first in the peer's log does, and the others go on upon that. A process may be killed at any
// instant: the next Compact goes on. Nodes that sync with several peers compact with one
// of them only. A manager with PushOnly, PullOnly or a Filter cannot (InvalidOptions), and none can
// while a conflict of the aggregate waits for a person (ConflictFailed). The code is TooLarge for
// a snapshot that the peer does not take.
func (m *Manager) Compact(ctx context.Context, aggregateID string, before time.Time, snapshot SnapshotFunc) (Compacted, error) {
	const op = "compact"
	switch {
	case m.bad != nil:
		return Compacted{}, m.bad
	case m.options.PushOnly || m.options.PullOnly || m.options.Filter != nil:
		return Compacted{}, errors.New(errors.InvalidOptions, op, stderrors.New("a manager that does not sync everything cannot compact"))
	}
	if _, err := m.Sync(ctx); err != nil {
		return Compacted{}, err
	}
	c := compaction{
		aggregateID: aggregateID, before: before, fold: snapshot,
		read:  func(ctx context.Context) ([]EventWithVersion, error) { return m.pullHeld(ctx, aggregateID) },
		write: m.pushCompaction,
	}
	done, fresh, err := c.run(ctx)
	if err != nil {
		return done, err
	}
	return done, m.dropAtPeer(ctx, aggregateID, fresh)
}

// CompactLog is Compact for a log that has no peer of its own, such as one behind a handler: all of
// it may be compacted.
func CompactLog(ctx context.Context, log Log, aggregateID string, before time.Time, snapshot SnapshotFunc) (Compacted, error) {
	c := compaction{aggregateID: aggregateID, before: before, fold: snapshot}
	c.read = func(ctx context.Context) ([]EventWithVersion, error) {
		entries, err := log.Aggregate(ctx, aggregateID)
		return eventsOf(entries), err
	}
	c.write = func(ctx context.Context, events []Event) error {
		commit := Commit{}
		for _, e := range events {
			commit.Append = append(commit.Append, Entry{EventWithVersion: EventWithVersion{Event: e}})
		}
		_, err := log.Commit(ctx, commit)
		return err
	}
	done, _, err := c.run(ctx)
	if err != nil {
		return done, err
	}
	return done, dropCovered(ctx, log, aggregateID)
}

// compaction is one of an aggregate in one log.
type compaction struct {
	aggregateID string
	before      time.Time
	fold        SnapshotFunc
	// read gives what the log holds now, in its order; write appends to it.
	read  func(ctx context.Context) ([]EventWithVersion, error)
	write func(ctx context.Context, events []Event) error
}

// maxRounds bounds how often others may be first.
const maxRounds = 20

// run compacts until what was proposed counts, or there is nothing to propose. fresh is what the newest
// snapshot, if it was made here, stands for that none before did.
func (c compaction) run(ctx context.Context) (done Compacted, fresh idSet, err error) {
	proposals := map[string]plan{} // own ones
	for range maxRounds {
		events, err := c.read(ctx)
		if err != nil {
			return done, fresh, err
		}
		h := readHistory(events)
		if next, there := h.snapshots.next(events); there {
			commit, err := next.commit()
			if err == nil {
				err = c.write(ctx, []Event{commit})
			}
			if err != nil {
				return done, fresh, err
			}
			continue
		}
		finished := len(proposals) > 0
		for _, s := range h.snapshots.counting {
			proposal, own := proposals[s.Event.ID()]
			done.Snapshot, finished = s.inner, finished && own
			if own {
				done.Covered, fresh = proposal.covered, proposal.fresh
			}
		}
		if finished {
			return done, fresh, nil
		}
		next, err := c.plan(h)
		if err != nil || len(next.events) == 0 {
			return done, fresh, err
		}
		if err := c.write(ctx, next.events); err != nil {
			return done, fresh, err
		}
		proposals[next.events[len(next.events)-1].ID()] = next
	}
	return done, fresh, errors.New(errors.Outdated, "compact", stderrors.New("others compact it all the time"), errors.Metadata{"aggregate": c.aggregateID})
}

// plan is a proposal.
type plan struct {
	events  []Event // none: there is nothing to compact
	covered int     // how many events, earlier coverage aside
	fresh   idSet   // all that no snapshot before stands for
}

func (c compaction) plan(h history) (plan, error) {
	folded, ids := h.compactable(c.before)
	if len(folded) == 0 {
		return plan{}, nil
	}
	var made Event
	err := guard("compact", errors.InvalidEvent, func() (err error) {
		made, err = c.fold(slices.Clone(folded))
		return err
	})
	if err != nil {
		return plan{}, coded("compact", errors.InvalidEvent, err)
	}
	content, err := contentOf(made)
	if err != nil {
		return plan{}, err
	}
	content = content.withTimeOf(folded)
	all := h.snapshots.cover(ids)
	p := plan{covered: len(ids), fresh: idSet{}}
	for _, id := range all {
		if h.snapshots.covered.lacks(id) {
			p.fresh[id] = struct{}{}
		}
	}
	p.events, err = propose(c.aggregateID, all, content, h.clock+1)
	return p, err
}

// compactable gives the events that a snapshot can be made of, in order, and the IDs of
// all that it would stand for; none if that is nothing new.
func (h history) compactable(before time.Time) (folded []EventWithVersion, ids idSet) {
	undecided := h.undecided()
	old := func(e Event) bool {
		return undecided.lacks(e.ID()) && (before.IsZero() || TimeOf(e).Before(before))
	}
	folded, ids = h.bases(), idSet{}
	for _, s := range h.snapshots.counting {
		ids[s.Event.ID()], ids[s.commitBy] = struct{}{}, struct{}{}
	}
	counting := h.arranged(h.judge())
	counts := idSet{}
	for _, c := range counting {
		counts[c.Event.ID()] = struct{}{}
	}
	for _, c := range counting {
		if !old(c.Event) { // what counts after it stays after it
			break
		}
		folded = append(folded, c.EventWithVersion)
		ids[c.Event.ID()] = struct{}{}
	}
	if n := len(h.snapshots.counting); len(folded) == n && n < 2 {
		return nil, nil
	}
	for id, c := range h.events {
		if counts.lacks(id) && old(c.Event) {
			ids[id] = struct{}{}
		}
	}
	for _, id := range h.about(ids) {
		ids[id] = struct{}{}
	}
	return folded, ids
}

// undecided are events that resolutions name which are not all there yet: they may count
// otherwise soon.
func (h history) undecided() idSet {
	ids := idSet{}
	waiting := slices.Clone(h.unfinished)
	for _, r := range h.resolutions {
		if !h.hasAll(r.Kept) {
			waiting = append(waiting, r.Resolution)
		}
	}
	for _, r := range waiting {
		for _, id := range slices.Concat(r.Kept, r.Superseded) {
			ids[id] = struct{}{}
		}
	}
	return ids
}

// about are the events that hold resolutions which are not needed any more once some are
// compacted: those about nothing else, unless they bear upon one that is still needed.
func (h history) about(compacted idSet) (events []string) {
	needed, left := idSet{}, slices.Clone(h.resolutions)
	isGone := func(id string) bool { return compacted.has(id) || h.snapshots.covered.has(id) }
	for again := true; again; {
		again = false
		left = slices.DeleteFunc(left, func(r judged) bool {
			named := slices.Concat(r.Kept, r.Superseded)
			if !slices.ContainsFunc(named, func(id string) bool { return !isGone(id) || needed.has(id) }) {
				return false
			}
			for _, id := range named {
				needed[id] = struct{}{}
			}
			again = true
			return true
		})
	}
	for _, r := range left {
		events = append(events, r.events...)
	}
	return events
}

// cover adds to what a new snapshot stands for what those that count stand for, and their coverage: it
// depends on none that another snapshot, made where a peer was restored, may have dropped.
func (s *snapshots) cover(ids idSet) []string {
	ids = maps.Clone(ids)
	for _, one := range s.counting {
		group := s.groups[one.covers]
		for _, id := range slices.Concat(group.ids, group.events) {
			ids[id] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// withTimeOf is a snapshot with the time of the latest event that it is made of.
func (e EncodedEvent) withTimeOf(folded []EventWithVersion) EncodedEvent {
	var latest time.Time
	for _, f := range folded {
		if at := TimeOf(f.Event); at.After(latest) {
			latest = at
		}
	}
	if latest.IsZero() {
		return e.WithClock(0)
	}
	return e.Stamped(1, latest)
}

// pullHeld reads the peer's log to its end, and gives what it holds of an aggregate.
func (m *Manager) pullHeld(ctx context.Context, aggregateID string) ([]EventWithVersion, error) {
	const op = "compact"
	if _, err := m.Pull(ctx); err != nil {
		return nil, err
	}
	if err := m.take(ctx, op); err != nil {
		return nil, err
	}
	defer m.release()
	if err := m.learnReviews(ctx); err != nil {
		return nil, err
	}
	if m.reviewed.waits(aggregateID) {
		return nil, errors.New(errors.ConflictFailed, op, stderrors.New("a conflict waits to be decided"), errors.Metadata{"aggregate": aggregateID})
	}
	if err := m.recallAgain(ctx); err != nil {
		return nil, err
	}
	entries, err := m.aggregate(ctx, aggregateID)
	return eventsOf(slices.DeleteFunc(entries, func(e Entry) bool { return !m.watched.held.holds(e, m.options.Peer) })), err
}

// compactionBatch is how many events of a proposal go in one call: some hundred kilobytes.
const compactionBatch = 8

// pushCompaction hands events to the peer that are not in the own log: they come with the next pull.
func (m *Manager) pushCompaction(ctx context.Context, events []Event) error {
	const op = "push snapshot"
	all := make([]EventWithVersion, len(events))
	var entries []Entry
	for i, e := range events {
		all[i].Event = e
		if err := m.admissible(e); err != nil {
			return err
		}
		entries = append(entries, Entry{EventWithVersion: all[i]})
	}
	if err := m.takeable(ctx, entries); err != nil {
		return err
	}
	for send := range slices.Chunk(all, compactionBatch) {
		b := &batch{send: send, refused: map[string]error{}, waiting: map[string]bool{}}
		if err := b.record(m.callTransport(ctx, op, func(ctx context.Context) error { return m.transport.Push(ctx, send) })); err != nil {
			return err
		}
		for _, err := range b.refused {
			return err
		}
	}
	return nil
}
