package synckit

import (
	"context"
	stderrors "errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncline/synckit/errors"
)

// pushCursor is how far the own log was pushed.
type pushCursor struct {
	position Position
	walk     string   // the name of the walk that pushes again; empty: this is an ordinary push
	kind     walk     // of a walk: which one it is
	all      bool     // of a walk: push also what came from the peer, which has lost its log
	second   Position // of a walk: what is at or below was pushed before
	erased   Position // what is at or below is not pushed: the peer's log was erased after it
}

// allPrefix begins the ordinary cursor of a push of all, as an earlier release stored it.
const allPrefix = "all:"

func (p Position) String() string { return strconv.FormatUint(uint64(p), 10) }

// pushCursor is how far was pushed: as it is stored, or further where the store, for
// its disk is full, could not keep it.
func (m *Manager) pushCursor(ctx context.Context) (pushCursor, error) {
	text, err := m.cursor(ctx, Pushing)
	if err != nil {
		return pushCursor{}, err
	}
	kind := pushingAgain
	d, err := m.due(ctx, kind)
	if err == nil && d.name == "" {
		kind = pushingMissed
		d, err = m.due(ctx, kind)
	}
	if err != nil {
		return pushCursor{}, err
	}
	upTo, _, err := m.erasedUpTo(ctx)
	if err != nil {
		return pushCursor{}, err
	}
	var at pushCursor
	if d.name != "" {
		about := append(strings.Fields(d.about), "", "", "")
		at = pushCursor{
			position: max(parsePosition(about[1]), parsePosition(d.cursor)),
			walk:     d.name, kind: kind, all: about[0] == everything, second: parsePosition(about[2]),
		}
	} else {
		text, at.all = strings.CutPrefix(text, allPrefix)
		at.position = parsePosition(text)
	}
	at.erased = upTo
	at.position = max(at.position, upTo)
	u := m.unsaved.Load()
	if u == nil || u.walk != at.walk || u.all != at.all || u.position <= at.position {
		return at, nil
	}
	holds, err := m.holds(ctx, u.place)
	if holds {
		at.position = u.position
	}
	return at, err
}

// pushed is the cursor of a push that has come to a place.
func (m *Manager) pushed(at pushCursor) Cursor {
	switch {
	case at.walk != "":
		return m.moved(at.kind, at.walk, at.position.String())
	case at.all:
		return m.at(Pushing, allPrefix+at.position.String())
	default:
		return m.at(Pushing, at.position.String())
	}
}

// place is an entry of the own log. A position alone may be another event's by now: a replica that
// took over, or what was restored, may end earlier.
type place struct {
	position Position
	event    string // its ID
}

func placeOf(e Entry) place { return place{e.Position, e.Event.ID()} }

// holds tells whether the log still has an event where it was, or has dropped it: the log then has
// something behind it.
func (m *Manager) holds(ctx context.Context, p place) (bool, error) {
	if p.position == 0 {
		return true, nil
	}
	entries, err := m.read(ctx, p.position-1, 1)
	return len(entries) > 0 && (entries[0].Position > p.position || entries[0].Event.ID() == p.event), err
}

// unsaved is how far was pushed beyond what the store could keep.
type unsaved struct {
	place
	walk string
	all  bool
}

// concerns tells whether the peer is to get an entry.
func (m *Manager) concerns(at pushCursor, e Entry) bool {
	return at.all || e.Origin != m.options.Peer
}

// push sends what the peer has not got, batch by batch, until the log's end.
func (m *Manager) push(ctx context.Context, r *SyncResult) error {
	return m.step(ctx, Step{Name: StepPush}, r, func(ctx context.Context) error { return m.pushAll(ctx, r) })
}

// pushAlone is push without a pull before it.
func (m *Manager) pushAlone(ctx context.Context, r *SyncResult) error {
	return m.step(ctx, Step{Name: StepPush}, r, func(ctx context.Context) error {
		if err := m.resumeErasure(ctx, r, true); err != nil {
			return err
		}
		if err := m.probe(ctx, r); err != nil {
			return err
		}
		return m.pushAll(ctx, r)
	})
}

func (m *Manager) pushAll(ctx context.Context, r *SyncResult) error {
	if err := m.resumeErasure(ctx, r, true); err != nil {
		return err
	}
	at, err := m.pushCursor(ctx)
	if err != nil {
		return err
	}
	if err := m.beginSkip(ctx); err != nil {
		return err
	}
	if err := m.recallAgain(ctx); err != nil { // after: what others have seen up to the pull's cursor is in it
		return err
	}
	for {
		upTo, left, err := m.erasedUpTo(ctx)
		if err != nil {
			return err
		}
		if left != "" || upTo > at.erased { // another process has found meanwhile that the peer's log was erased
			return m.pushAll(ctx, r)
		}
		most := m.pushing.now
		entries, err := m.read(ctx, at.position, most)
		if err != nil {
			return err
		}
		next := at
		if len(entries) > 0 {
			if next.position, err = m.pushBatch(ctx, at, entries, r); err != nil {
				return err
			}
		}
		if len(entries) < most {
			return m.endPush(ctx, next)
		}
		at = next
	}
}

// endPush notes that all was pushed.
func (m *Manager) endPush(ctx context.Context, at pushCursor) error {
	if at.walk == "" && !at.all && m.unsaved.Load() == nil {
		return nil
	}
	ended := Commit{Cursors: []Cursor{m.at(Pushing, at.position.String())}}
	if at.walk != "" {
		twice, err := m.cursor(ctx, pushedTwice)
		if err != nil {
			return err
		}
		ended.Cursors = append(ended.Cursors, m.done(at.kind, at.walk))
		if at.second > parsePosition(twice) {
			ended.Cursors = append(ended.Cursors, m.at(pushedTwice, at.second.String()))
		}
	}
	_, err := m.commit(ctx, ended)
	if err == nil {
		m.unsaved.Store(nil)
	}
	return err
}

// batch is what becomes of entries that were read together.
type batch struct {
	entries []Entry
	send    []EventWithVersion
	refused map[string]error // by ID: what must not be sent, or what the peer will not take
	waiting map[string]bool  // by ID: what is neither stored nor refused
	end     string           // the peer's cursor after what was sent, if all of it stands next there; else empty
	held    string           // what the peer is known to hold afterwards, as it is stored; empty: as before
}

// pushBatch sends entries and gives the position up to which that is done.
func (m *Manager) pushBatch(ctx context.Context, at pushCursor, entries []Entry, r *SyncResult) (Position, error) {
	b, err := m.pick(ctx, at, entries)
	if err != nil {
		return at.position, err
	}
	var failed error
	if len(b.send) > 0 {
		failed = b.record(m.sendBatch(ctx, b))
	}
	if err := m.leaveDecided(ctx, b); err != nil {
		return at.position, err
	}
	done := b.done(place{position: at.position})
	next := at
	if next.position = done.position; next.position > at.position {
		commit := Commit{Cursors: []Cursor{m.pushed(next)}, AddReviews: m.refusals(b)}
		if err := m.addSkip(ctx, at.position, b, &commit); err != nil {
			return at.position, err
		}
		if err := m.beginHeld(ctx, b, &commit); err != nil {
			return at.position, err
		}
		_, err := m.commit(ctx, commit)
		m.endSkip(b, err)
		switch {
		case err == nil:
			m.unsaved.Store(nil)
		case errors.CodeOf(err) != errors.StorageFailed || len(commit.AddReviews) > 0:
			return at.position, err
		default: // the peer has it all the same
			m.unsaved.Store(&unsaved{place: done, walk: at.walk, all: at.all})
		}
	}
	b.report(r)
	return next.position, failed
}

func (m *Manager) sendBatch(ctx context.Context, b *batch) error {
	full, begun := len(b.entries) == m.pushing.now, time.Now()
	err := m.callTransport(ctx, "push", func(ctx context.Context) (err error) {
		if skipping, ok := m.transport.(SkippingTransport); ok && m.skip.known {
			b.end, err = skipping.PushAfter(ctx, m.skip.after, b.send)
			return err
		}
		return m.transport.Push(ctx, b.send)
	})
	m.pushing.adapt(err, time.Since(begun), full)
	if err != nil {
		b.end = ""
	}
	m.skip.known = b.end != ""
	return err
}

func (m *Manager) pick(ctx context.Context, at pushCursor, entries []Entry) (*batch, error) {
	b := &batch{entries: entries, refused: map[string]error{}, waiting: map[string]bool{}}
	for _, e := range entries {
		if !m.concerns(at, e) {
			continue
		}
		passes, err := m.passes(e.Event)
		if err != nil {
			return nil, err
		}
		if !passes {
			continue
		}
		if (at.all || e.Position <= at.second) && e.Origin == "" && !e.Confirmed {
			decided, err := m.isDecided(ctx, e)
			if err != nil {
				return nil, err
			}
			if decided {
				continue
			}
		}
		if err := m.admissible(e.Event); err != nil {
			b.refused[e.Event.ID()] = err
			continue
		}
		b.send = append(b.send, e.EventWithVersion)
	}
	return b, nil
}

// record takes in how a push went. Its error is why something of it is neither stored nor refused.
func (b *batch) record(err error) error {
	if err == nil {
		return nil
	}
	for _, e := range b.send {
		b.waiting[e.Event.ID()] = true
	}
	partly, ok := stderrors.AsType[*PushError](err)
	if !ok {
		return err
	}
	for _, id := range partly.Stored {
		delete(b.waiting, id)
	}
	for id, reason := range partly.Refused {
		if b.waiting[id] {
			delete(b.waiting, id)
			b.refused[id] = coded("push", errors.Refused, reason)
		}
	}
	if len(b.waiting) == 0 {
		return nil
	}
	if partly.Err == nil {
		return errors.New(errors.Unavailable, "push", stderrors.New("the peer did not tell of all events"))
	}
	return coded("push", errors.Unavailable, partly.Err)
}

// done is the place before the first event that waits.
func (b *batch) done(from place) place {
	for _, e := range b.entries {
		if b.waiting[e.Event.ID()] {
			break
		}
		from = placeOf(e)
	}
	return from
}

// report counts what the peer has stored. What was refused beyond an event that
// waits is met again, and told of then.
func (b *batch) report(r *SyncResult) {
	for _, e := range b.send {
		id := e.Event.ID()
		if _, refused := b.refused[id]; !refused && !b.waiting[id] {
			r.EventsPushed++
		}
	}
	for _, e := range b.refusedBeforeWaiting() {
		r.Errors = append(r.Errors, b.refused[e.Event.ID()])
		r.ReviewsAdded++
	}
}

// refusedBeforeWaiting are the refused entries before the first that waits.
func (b *batch) refusedBeforeWaiting() []Entry {
	var refused []Entry
	for _, e := range b.entries {
		if b.waiting[e.Event.ID()] {
			break
		}
		if _, will := b.refused[e.Event.ID()]; will {
			refused = append(refused, e)
		}
	}
	return refused
}

func (m *Manager) refusalID(eventID string) string {
	return refusedPrefix + digest(m.options.Peer, eventID)
}

// decidedRefusal is a cursor of the manager's own, which notes that somebody has ended the review of
// an event that a peer refused. The peer is not asked again.
func decidedRefusal(peer, reviewID string) Cursor {
	return Cursor{Peer: peer, Direction: Direction("decided " + reviewID), Value: "refused"}
}

// isDecided tells whether the peer refused an entry and somebody has decided that.
func (m *Manager) isDecided(ctx context.Context, e Entry) (bool, error) {
	value, err := m.cursor(ctx, decidedRefusal(m.options.Peer, m.refusalID(e.Event.ID())).Direction)
	return value != "", err
}

// leaveDecided leaves out of what was refused what somebody has decided already, since another
// process had asked the peer as well.
func (m *Manager) leaveDecided(ctx context.Context, b *batch) error {
	for _, e := range b.refusedBeforeWaiting() {
		decided, err := m.isDecided(ctx, e)
		if err != nil {
			return err
		}
		if id := e.Event.ID(); decided {
			delete(b.refused, id)
			b.send = slices.DeleteFunc(b.send, func(s EventWithVersion) bool { return s.Event.ID() == id })
		}
	}
	return nil
}

// refusals keep what the peer will never take for somebody to look at.
func (m *Manager) refusals(b *batch) []Review {
	var reviews []Review
	for _, e := range b.refusedBeforeWaiting() {
		id := e.Event.ID()
		reviews = append(reviews, Review{
			ID:          m.refusalID(id),
			AggregateID: e.Event.AggregateID(),
			Peer:        m.options.Peer,
			Reason:      b.refused[id].Error(),
			Local:       []EventWithVersion{e.EventWithVersion},
			Since:       time.Now().UTC(),
		})
	}
	return reviews
}
