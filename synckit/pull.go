package synckit

import (
	"cmp"
	"context"
	stderrors "errors"

	"syncline/synckit/errors"
)

// maxAttempts bounds how often a page is decided again because the app wrote to
// the same aggregates meanwhile.
const maxAttempts = 20

// pull takes the peer's log page by page from where the last pull ended.
func (m *Manager) pull(ctx context.Context, r *SyncResult) error {
	return m.step(ctx, Step{Name: StepPull}, r, func(ctx context.Context) error { return m.pullAll(ctx, r) })
}

func (m *Manager) pullAll(ctx context.Context, r *SyncResult) error {
	if err := m.noticeReviews(ctx); err != nil {
		return err
	}
	if err := m.retryRejected(ctx); err != nil {
		return err
	}
	if err := m.resumeErasure(ctx, r, !m.options.PullOnly); err != nil {
		return err
	}
	at, err := m.beginPull(ctx, r)
	if err != nil {
		return err
	}
	pushed, err := m.pushCursor(ctx) // before the first page: what was pushed until here comes with this pull
	if err != nil {
		return err
	}
	if err := m.noticeOthers(ctx, at); err != nil {
		return err
	}
	source := m.peer.begin()
	for begun := false; ; {
		page, err := m.pullPage(ctx, source, at)
		if isLoss(err) && at != "" && !begun {
			if err := m.lost(ctx, r, err, m.pulled(at)); err != nil {
				return err
			}
			if pushed, err = m.pushCursor(ctx); err != nil {
				return err
			}
			at, begun, source = "", true, m.peer.begin()
			continue
		}
		if err != nil {
			return err
		}
		if err := m.takePage(ctx, at, page, r); err != nil {
			return err
		}
		at = page.Cursor
		m.watched.pulledTo = at
		if !page.More {
			break
		}
	}
	if err := m.endPull(ctx, at); err != nil {
		return err
	}
	undecided := m.decideStaged(ctx, r)
	if undecided != nil && errors.CodeOf(undecided) != errors.ConflictFailed {
		return undecided
	}
	return cmp.Or(m.dropPulled(ctx), m.noticeMissing(ctx, pushed, at), undecided)
}

// beginPull is the peer's cursor from which to pull: where the last pull ended, or in a walk
// from the beginning.
func (m *Manager) beginPull(ctx context.Context, r *SyncResult) (at string, err error) {
	d, err := m.due(ctx, pullingAgain)
	if m.again = d.name; err != nil {
		return "", err
	}
	if d.name != "" && d.cursor == "" { // the beginning does not tell whether the log is still the same
		return "", m.probe(ctx, r)
	}
	if d.name != "" {
		return d.cursor, nil
	}
	return m.cursor(ctx, Pulling)
}

// pulled is the cursor of a pull that has come to a place.
func (m *Manager) pulled(to string) Cursor {
	if m.again != "" {
		return m.moved(pullingAgain, m.again, to)
	}
	return m.at(Pulling, to)
}

// endPull notes that a walk has come to the end of the peer's log.
func (m *Manager) endPull(ctx context.Context, at string) error {
	if m.again == "" {
		return nil
	}
	_, err := m.commit(ctx, Commit{Cursors: []Cursor{m.at(Pulling, at), m.done(pullingAgain, m.again)}})
	return err
}

// takePage stores a page, what its conflicts came to, and the cursor, all in one
// transaction.
func (m *Manager) takePage(ctx context.Context, from string, page Page, r *SyncResult) error {
	if len(page.Events)+len(page.Unreadable) == 0 && page.Cursor == from {
		return nil
	}
	reused := map[string]error{}
	for attempt := 1; ; {
		in, err := m.plan(ctx, page, reused)
		var committed Committed
		if err == nil {
			committed, err = m.commit(ctx, in.commit)
		}
		switch id := reusedID(err); {
		case err == nil:
			m.took(ctx, in, committed, r)
			return nil
		case errors.CodeOf(err) == errors.Outdated && attempt < maxAttempts:
			m.watched.states = nil
			attempt++
		case errors.CodeOf(err) == errors.NotFound && attempt < maxAttempts: // somebody decided a review meanwhile
			m.reviewed.ready = false
			attempt++
		case in != nil && in.pulled[id] && reused[id] == nil:
			reused[id] = err
		default:
			return err
		}
	}
}

func (m *Manager) took(ctx context.Context, in *intake, committed Committed, r *SyncResult) {
	for _, id := range committed.Appended {
		if in.pulled[id] {
			r.EventsPulled++
		}
	}
	r.changed(in.commit.Append, committed)
	for aggregate, c := range in.compared {
		m.watched.confirm(aggregate, c.gone)
	}
	if in.held != "" {
		m.watched.saw(in.known)
		m.watched.stored = in.held
	}
	m.watched.appended(in.commit.Append, committed, m.options.Peer)
	m.reviewed.apply(in.commit, m.options.Peer)
	r.ConflictsResolved += in.resolved
	r.ReviewsAdded += in.parked
	r.Errors = append(r.Errors, in.errs...)
	m.tell(ctx, in.decisions)
}

// changed notes the aggregates of what a commit appended.
func (r *SyncResult) changed(entries []Entry, committed Committed) {
	appended := setOf(committed.Appended)
	for _, e := range entries {
		aggregate := e.Event.AggregateID()
		if appended.lacks(e.Event.ID()) || r.named.has(aggregate) {
			continue
		}
		if r.named == nil {
			r.named = idSet{}
		}
		r.named[aggregate] = struct{}{}
		r.Aggregates = append(r.Aggregates, aggregate)
	}
}

// reusedID is the ID of the event for which a commit was refused.
func reusedID(err error) string {
	if e, ok := stderrors.AsType[*errors.Error](err); ok && e.Code == errors.EventIDReused {
		return e.Metadata["event"]
	}
	return ""
}

// intake is what a page comes to.
type intake struct {
	commit   Commit
	pulled   map[string]bool // IDs of the page
	known    []string        // those of them that the log was known to hold
	held     string          // what of the own log the peer holds, after the page, as it is stored
	parked   int             // reviews added
	resolved int             // conflicts
	compared map[string]*comparison
	errs     []error
	// decisions are what to tell of once it is committed.
	decisions []Decision
	// ambiguous tells which versions of own events may have been given twice.
	ambiguous func(own Version) bool
}

// plan decides what to do with a page, without doing it. reused are events that
// the log cannot take.
func (m *Manager) plan(ctx context.Context, page Page, reused map[string]error) (*intake, error) {
	in := &intake{pulled: map[string]bool{}, compared: map[string]*comparison{}, commit: Commit{Unchanged: map[string]Position{}}}
	if err := m.learnReviews(ctx); err != nil {
		return nil, err
	}
	events, err := m.screen(in, page, reused)
	if err != nil {
		return nil, err
	}
	in.ambiguous = m.ambiguous(events)
	order, groups := byAggregate(events)
	if len(events) > 0 {
		if err := m.noteHeld(ctx, in, events); err != nil {
			return nil, err
		}
	}
	parked, decided := map[string]bool{}, []Entry(nil)
	for _, aggregate := range order {
		g := &group{aggregateID: aggregate, events: groups[aggregate], parked: parked}
		if err := m.decideGroup(ctx, in, g, page.More); err != nil {
			return nil, err
		}
		decided = append(decided, g.decided...)
	}
	for _, e := range events {
		if !parked[e.Event.ID()] {
			in.commit.Append = append(in.commit.Append, Entry{EventWithVersion: e, Origin: m.options.Peer})
		}
	}
	in.commit.Append = append(in.commit.Append, decided...)
	in.commit.Cursors = append(in.commit.Cursors, m.pulled(page.Cursor))
	return in, nil
}

// noteHeld finds out which of a page's events stand in the own log, which the peer is thereby seen to
// hold.
func (m *Manager) noteHeld(ctx context.Context, in *intake, events []EventWithVersion) error {
	if err := m.watch(ctx); err != nil {
		return err
	}
	in.known = idsOf(events)
	in.held = m.watched.afterSeeing(in.known).String()
	in.commit.Cursors = append(in.commit.Cursors, m.at(holding, in.held))
	if m.options.ConflictResolver != nil {
		in.commit.Cursors = append(in.commit.Cursors, m.at(watching, m.watched.mark()))
	}
	return nil
}

// group is a page's events of one aggregate.
type group struct {
	aggregateID string
	events      []EventWithVersion
	parked      map[string]bool // IDs that a review keeps out of the log; shared by all groups
	decided     []Entry         // what resolving adds
}

func byAggregate(events []EventWithVersion) (order []string, groups map[string][]EventWithVersion) {
	groups = map[string][]EventWithVersion{}
	for _, e := range events {
		aggregate := e.Event.AggregateID()
		if _, seen := groups[aggregate]; !seen {
			order = append(order, aggregate)
		}
		groups[aggregate] = append(groups[aggregate], e)
	}
	return order, groups
}

// screen leaves out what is not wanted here. What should not have come is kept
// as a review.
func (m *Manager) screen(in *intake, page Page, reused map[string]error) ([]EventWithVersion, error) {
	var wanted []EventWithVersion
	for _, e := range page.Events {
		passes, err := m.passes(e.Event)
		if err != nil {
			return nil, err
		}
		if !passes {
			continue
		}
		reason := m.admissible(e.Event)
		if reason == nil {
			reason = reused[e.Event.ID()]
		}
		switch {
		case reason != nil:
			in.reject(m.rejection(e, reason), reason)
		case !in.pulled[e.Event.ID()]:
			in.pulled[e.Event.ID()] = true
			wanted = append(wanted, e)
			if id := m.rejectionID(e.Event.ID()); m.reviewed.rejects(id) {
				in.commit.EndReviews = append(in.commit.EndReviews, id)
			}
		}
	}
	for _, u := range page.Unreadable {
		passes, err := m.passes(u.Event)
		if err != nil {
			return nil, err
		}
		if passes {
			reason := u.reason()
			r := m.rejection(EventWithVersion{Event: u.Event}, reason)
			if u.Event == nil { // else the event's own ID leads to it, once it can be read
				r.ID = rejectedPrefix + digest(r.Peer, "", u.Name)
			}
			in.reject(r, reason)
		}
	}
	return wanted, nil
}

func (in *intake) reject(r Review, reason error) {
	in.errs = append(in.errs, reason)
	in.parked++
	in.commit.AddReviews = append(in.commit.AddReviews, r)
}
