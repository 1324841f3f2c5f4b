package synckit

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"syncline/synckit/errors"
)

// What a pull finds in conflict before its last page is staged: kept beside the log
// page by page, as reviews that nobody is shown, and decided once when the pull ends.
// A pull that breaks off goes on from its cursor, and what it had staged is still there.

// reviewed knows which aggregates wait for something, so that no page need look
// through all reviews. Only the call that has the manager's turn uses it.
type reviewed struct {
	ready     bool
	mark      string              // of the reviews that were gone through; empty: it is not known
	conflicts map[string]string   // the review for a person, by aggregate
	staged    map[string]*stagers // by aggregate
	aggregate map[string]string   // by review
	rejected  map[string]bool     // reviews of what was not taken: whether it is kept there
	refused   idSet               // reviews of what the peer has not taken
}

// stagers are an aggregate's staged reviews, in order.
type stagers struct {
	ids   []string
	noted idSet // the pending events that they name
}

func (k *reviewed) waits(aggregateID string) bool {
	return k.conflicts[aggregateID] != "" || k.staged[aggregateID] != nil
}

func (k *reviewed) add(r Review, peer string) {
	if r.Peer != peer {
		return
	}
	switch {
	case strings.HasPrefix(r.ID, rejectedPrefix):
		k.rejected[r.ID] = len(r.Remote) > 0
		return
	case strings.HasPrefix(r.ID, refusedPrefix):
		k.refused[r.ID] = struct{}{}
		return
	case strings.HasPrefix(r.ID, conflictPrefix):
		k.conflicts[r.AggregateID] = r.ID
	case strings.HasPrefix(r.ID, stagedPrefix):
		s := k.staged[r.AggregateID]
		if s == nil {
			s = &stagers{noted: idSet{}}
			k.staged[r.AggregateID] = s
		}
		if slices.Contains(s.ids, r.ID) {
			return
		}
		s.ids = append(s.ids, r.ID)
		for _, e := range r.Local {
			s.noted[e.Event.ID()] = struct{}{}
		}
	default:
		return
	}
	k.aggregate[r.ID] = r.AggregateID
}

// apply takes note of what a commit did to reviews.
func (k *reviewed) apply(c Commit, peer string) {
	if !k.ready {
		return
	}
	for _, id := range c.EndReviews {
		delete(k.rejected, id)
		delete(k.refused, id)
		aggregate := k.aggregate[id]
		if delete(k.aggregate, id); k.conflicts[aggregate] == id {
			delete(k.conflicts, aggregate)
		}
		s := k.staged[aggregate]
		if s == nil {
			continue
		}
		if s.ids = slices.DeleteFunc(s.ids, func(other string) bool { return other == id }); len(s.ids) == 0 {
			delete(k.staged, aggregate)
		}
	}
	for _, r := range c.AddReviews {
		k.add(r, peer)
	}
}

// noticeReviews finds out whether others have added reviews or ended some.
func (m *Manager) noticeReviews(ctx context.Context) error {
	mark, err := m.reviewMark(ctx)
	if err == nil && (mark == "" || mark != m.reviewed.mark) {
		m.reviewed.ready = false
	}
	return err
}

// reviewMark is empty where the log cannot tell.
func (m *Manager) reviewMark(ctx context.Context) (mark string, err error) {
	marker, ok := m.log.(ReviewMarker)
	if !ok {
		return "", nil
	}
	err = m.callStore(ctx, "mark reviews", func(ctx context.Context) error {
		mark, err = marker.ReviewMark(ctx)
		return err
	})
	if errors.CodeOf(err) == errors.Unsupported {
		return "", nil
	}
	return mark, err
}

// ambiguous tells which versions of own events may have been given twice.
func (m *Manager) ambiguous(events []EventWithVersion) func(own Version) bool {
	finder, ok := m.log.(ForkFinder)
	if !ok || m.options.ConflictResolver == nil {
		return func(Version) bool { return false }
	}
	seen := make([]Version, len(events))
	for i, e := range events {
		seen[i] = e.Version
	}
	return finder.Ambiguous(seen)
}

// learnReviews goes through the reviews, where a pull found that there are others: other
// managers of the store may have added some or ended them.
func (m *Manager) learnReviews(ctx context.Context) error {
	if m.reviewed.ready {
		return nil
	}
	mark, err := m.reviewMark(ctx) // before: what is added meanwhile is gone through once more
	if err != nil {
		return err
	}
	m.reviewed = reviewed{mark: mark, conflicts: map[string]string{}, staged: map[string]*stagers{}, aggregate: map[string]string{}, rejected: map[string]bool{}, refused: idSet{}}
	err = m.eachReview(ctx, func(r Review) bool {
		m.reviewed.add(r, m.options.Peer)
		return false
	})
	m.reviewed.ready = err == nil
	return err
}

// stage keeps a page's events of one aggregate until the pull ends. Of what is
// pending here it notes the IDs.
func (m *Manager) stage(in *intake, g *group, s *state) {
	r := Review{AggregateID: g.aggregateID, Peer: m.options.Peer, Reason: "the pull goes on", Since: time.Now().UTC()}
	for _, e := range g.events {
		_, echo := s.pending[e.Event.ID()]
		if unknown := s.known.lacks(e.Event.ID()); unknown {
			g.parked[e.Event.ID()] = true
			r.Remote = append(r.Remote, e)
		} else if echo {
			r.Remote = append(r.Remote, e)
		}
	}
	before := m.reviewed.staged[g.aggregateID]
	for _, id := range slices.Sorted(maps.Keys(s.pending)) {
		if before == nil || before.noted.lacks(id) {
			r.Local = append(r.Local, EventWithVersion{Event: NewEvent(id, "", g.aggregateID, nil, nil)})
		}
	}
	if len(r.Remote) == 0 {
		return
	}
	r.ID = stagedPrefix + digest(append(idsOf(r.Local), append([]string{r.Peer, r.AggregateID}, idsOf(r.Remote)...)...)...)
	in.commit.AddReviews = append(in.commit.AddReviews, r)
}

// decideStaged decides what was staged. An aggregate whose resolver fails waits for
// the next sync, and does not hold up the others.
func (m *Manager) decideStaged(ctx context.Context, result *SyncResult) (failed error) {
	if err := m.learnReviews(ctx); err != nil { // a pull that brought nothing has not
		return err
	}
	for _, aggregate := range slices.Sorted(maps.Keys(m.reviewed.staged)) {
		if m.reviewed.staged[aggregate] == nil {
			continue // another process has decided it, as was seen at one before
		}
		err := m.decideAggregate(ctx, aggregate, result)
		if err != nil && errors.CodeOf(err) != errors.ConflictFailed {
			return err
		}
		if failed == nil {
			failed = err
		}
	}
	return failed
}

func (m *Manager) decideAggregate(ctx context.Context, aggregateID string, result *SyncResult) error {
	reused := map[string]error{}
	for attempt := 1; ; {
		in, err := m.planStaged(ctx, aggregateID, reused)
		var committed Committed
		if err == nil {
			committed, err = m.commitLarge(ctx, in.commit)
		}
		id, code := reusedID(err), errors.CodeOf(err)
		switch {
		case err == nil:
			m.took(ctx, in, committed, result)
			return nil
		case (code == errors.Outdated || code == errors.NotFound) && attempt < maxAttempts:
			m.watched.states, m.reviewed.ready = nil, false
			if err := m.learnReviews(ctx); err != nil {
				return err
			}
			if m.reviewed.staged[aggregateID] == nil {
				return nil // another process has decided it
			}
			attempt++
		case in != nil && in.pulled[id] && reused[id] == nil:
			reused[id] = err
		default:
			return err
		}
	}
}

// planStaged decides what to do with what was staged for an aggregate.
func (m *Manager) planStaged(ctx context.Context, aggregateID string, reused map[string]error) (*intake, error) {
	entries, err := m.aggregate(ctx, aggregateID)
	if err != nil {
		return nil, err
	}
	in := &intake{pulled: map[string]bool{}, commit: Commit{
		Unchanged: map[string]Position{aggregateID: newest(entries)}, EndReviews: slices.Clone(m.reviewed.staged[aggregateID].ids),
	}}
	c, err := m.replay(ctx, in, entries, reused)
	if err != nil {
		return nil, err
	}
	g := &group{aggregateID: aggregateID, parked: map[string]bool{}}
	if id := m.reviewed.conflicts[aggregateID]; id != "" {
		err = m.join(ctx, in, g, id, c.fresh)
	} else if m.options.ConflictResolver != nil {
		err = m.decideConflict(ctx, in, g, c, append(eventsOf(entries), c.fresh...))
	}
	if err != nil {
		return nil, err
	}
	for _, e := range c.fresh {
		if !g.parked[e.Event.ID()] {
			in.commit.Append = append(in.commit.Append, Entry{EventWithVersion: e, Origin: m.options.Peer})
		}
	}
	in.commit.Append = append(in.commit.Append, g.decided...)
	return in, nil
}

// replay compares staged events as each page would have been, one after the other.
// What the log has got of them since, in an attempt that did not end, is no echo.
func (m *Manager) replay(ctx context.Context, in *intake, entries []Entry, reused map[string]error) (*comparison, error) {
	byID := make(map[string]Entry, len(entries))
	for _, e := range entries {
		byID[e.Event.ID()] = e
	}
	reviews, seen := make([]Review, len(in.commit.EndReviews)), []EventWithVersion(nil)
	for i, id := range in.commit.EndReviews {
		r, err := m.review(ctx, id)
		if err != nil {
			return nil, err
		}
		reviews[i], seen = r, append(seen, r.Remote...)
	}
	c := newComparison(&state{pending: map[string]Entry{}}, m.ambiguous(seen)) // the log has not got them yet
	for _, r := range reviews {
		for _, e := range r.Local {
			if entry, there := byID[e.Event.ID()]; there {
				c.pending[e.Event.ID()], c.marked = entry, false
			}
		}
		for _, e := range r.Remote {
			id := e.Event.ID()
			_, echo := c.pending[id]
			switch {
			case reused[id] != nil:
				in.reject(m.rejection(e, reused[id]), reused[id])
			case !in.pulled[id]:
				in.pulled[id] = true
				c.take(e, echo)
			}
		}
	}
	return c, nil
}

// join adds events to the review that their aggregate waits for: they may build on
// events that it holds.
func (m *Manager) join(ctx context.Context, in *intake, g *group, reviewID string, events []EventWithVersion) error {
	r, err := m.review(ctx, reviewID)
	if err != nil {
		return err
	}
	known := setOf(idsOf(r.Remote))
	r.Remote = slices.Clone(r.Remote)
	for _, e := range events {
		g.parked[e.Event.ID()] = true
		if known.lacks(e.Event.ID()) {
			r.Remote = append(r.Remote, e)
		}
	}
	if len(r.Remote) > len(known) {
		in.commit.EndReviews = append(in.commit.EndReviews, r.ID)
		in.addConflict(r)
	}
	return nil
}

// maxCommit is how many events a store need take in one transaction.
const maxCommit = 1000

// commitLarge commits in several transactions what may be too much for one. The
// reviews end with the last: until then all of it is tried again.
func (m *Manager) commitLarge(ctx context.Context, c Commit) (all Committed, err error) {
	for len(c.Append) > maxCommit {
		part := Commit{Append: c.Append[:maxCommit], Unchanged: c.Unchanged}
		committed, err := m.commit(ctx, part)
		if err != nil {
			return all, err
		}
		all.Appended = append(all.Appended, committed.Appended...)
		c.Append, c.Unchanged = c.Append[maxCommit:], map[string]Position{}
		for aggregate := range part.Unchanged {
			c.Unchanged[aggregate] = committed.Latest
		}
	}
	committed, err := m.commit(ctx, c)
	all.Appended, all.Latest = append(all.Appended, committed.Appended...), committed.Latest
	return all, err
}
