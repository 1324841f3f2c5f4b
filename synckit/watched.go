package synckit

import (
	"context"
	"strconv"
)

// watching is the direction of a cursor of the manager's own: of all entries at
// or below it, none can be in conflict with what is pulled any more.
const watching Direction = "watch"

// watched knows which entries of the own log the peer was not seen to hold, and which aggregates
// have some that what is pulled can be in conflict with, so that the others need not be
// read. Only the call that has the manager's turn uses it.
type watched struct {
	ready   bool
	stored  string // held as it was stored last; empty: it never was
	scanned place  // all entries up to here are below, if they belong there
	held    held
	// awaited are the entries that are still to be seen at the peer, by ID.
	awaited map[string]Position
	// waiting has aggregates with entries that the peer was not seen to hold, and where these
	// are; nil: there is no resolver.
	waiting  map[string]span
	erased   Position // what is at or below is in no conflict: the peer's log was erased after it
	pulledTo string   // the peer's cursor after this manager's last page
	// states are aggregates that were read, so that each page need not read them
	// again. kept is how many IDs they have.
	states map[string]*state
	kept   int
}

// span has all of some entries between two positions: the first of them, or below it, and
// the last, or above it.
type span struct{ first, last Position }

// maxKept bounds the IDs of aggregates that are not read again.
const maxKept = 200_000

// state is what is known of an aggregate.
type state struct {
	newest  Position
	known   idSet            // all in the log
	pending map[string]Entry // what the peer was not seen to hold: version, origin and position
	order   []string         // of pending, in the log's order
}

// add takes in the aggregate's next entry.
func (w *watched) add(s *state, e Entry, peer string) {
	s.newest = e.Position
	id := e.Event.ID()
	s.known[id] = struct{}{}
	if !w.canConflict(e, peer) {
		return
	}
	s.pending[id] = Entry{EventWithVersion: EventWithVersion{Version: e.Version}, Origin: e.Origin, Position: e.Position}
	s.order = append(s.order, id)
}

// canConflict tells whether what is pulled can be in conflict with an entry.
func (w *watched) canConflict(e Entry, peer string) bool {
	return !reserved(e.Event) && e.Position > w.erased && !w.held.holds(e, peer)
}

// confirm takes out what the peer was seen to hold, and gives the position of the
// first entry that it was not seen to hold; 0: there is none.
func (s *state) confirm(gone idSet) Position {
	for id := range gone {
		delete(s.pending, id)
	}
	for len(s.order) > 0 {
		if first, waits := s.pending[s.order[0]]; waits {
			return first.Position
		}
		s.order = s.order[1:]
	}
	return 0
}

// state gives what is known of an aggregate, up to the newest entry that was scanned
// or a later one.
func (m *Manager) state(ctx context.Context, aggregateID string) (*state, error) {
	w := &m.watched
	if s, there := w.states[aggregateID]; there {
		return s, nil
	}
	entries, err := m.aggregate(ctx, aggregateID)
	if err != nil {
		return nil, err
	}
	s := &state{known: make(idSet, len(entries)), pending: map[string]Entry{}}
	for _, e := range entries {
		w.add(s, e, m.options.Peer)
	}
	if w.kept += len(entries); w.kept > maxKept || w.states == nil {
		w.states, w.kept = map[string]*state{}, len(entries)
	}
	w.states[aggregateID] = s
	w.wait(aggregateID, s, nil)
	return s, nil
}

// wait notes which of an aggregate's entries the peer was not seen to hold, after those that it
// was seen to hold now.
func (w *watched) wait(aggregateID string, s *state, gone idSet) {
	lowest := s.confirm(gone)
	if w.waiting == nil {
		return
	}
	if lowest > 0 {
		w.waiting[aggregateID] = span{lowest, s.newest}
	} else {
		delete(w.waiting, aggregateID)
	}
}

func (w *watched) has(aggregateID string) bool {
	_, waits := w.waiting[aggregateID]
	return waits
}

// see takes in the log's next entry.
func (w *watched) see(e Entry, peer string) {
	aggregate := e.Event.AggregateID()
	w.held.add(w.scanned.position+1, e.Position-1) // nothing stands there
	w.scanned = placeOf(e)
	if s, there := w.states[aggregate]; there && e.Position > s.newest {
		w.add(s, e, peer)
		w.kept++
	}
	switch {
	case w.held.has(e.Position):
	case w.held.brought(e, peer):
		w.held.add(e.Position, e.Position)
	default:
		w.awaited[e.Event.ID()] = e.Position
	}
	if w.waiting == nil || !w.canConflict(e, peer) {
		return
	}
	waits, there := w.waiting[aggregate]
	if !there {
		waits.first = e.Position
	}
	w.waiting[aggregate] = span{waits.first, e.Position}
}

// appended takes in what a page's commit has appended, without reading it again. It does where
// that is all that the log has got and all came from the peer.
func (w *watched) appended(entries []Entry, committed Committed, peer string) {
	n := Position(len(committed.Appended))
	if !w.ready || n == 0 || committed.Latest != w.scanned.position+n {
		return
	}
	added := make([]Entry, 0, n)
	for _, e := range entries {
		if at := len(added); at < int(n) && e.Event.ID() == committed.Appended[at] && e.Origin == peer {
			e.Position = w.scanned.position + Position(at) + 1
			added = append(added, e)
		}
	}
	if len(added) < int(n) {
		return
	}
	for _, e := range added {
		w.see(e, peer)
	}
}

// saw notes that entries, by ID, were seen at the peer.
func (w *watched) saw(ids []string) {
	for _, id := range ids {
		if position, there := w.awaited[id]; there {
			w.held.add(position, position)
			delete(w.awaited, id)
		}
	}
}

// afterSeeing is what saw will have been noted.
func (w *watched) afterSeeing(ids []string) held {
	h := w.held.clone()
	for _, id := range ids {
		if position, there := w.awaited[id]; there {
			h.add(position, position)
		}
	}
	return h
}

// confirm notes what the peer was seen to hold of an aggregate.
func (w *watched) confirm(aggregateID string, gone idSet) {
	s, there := w.states[aggregateID]
	if !there || len(gone) == 0 {
		return
	}
	w.wait(aggregateID, s, gone)
	if len(s.order) == 0 {
		w.kept -= len(s.known)
		delete(w.states, aggregateID)
	}
}

// mark is where a later run begins to look.
func (w *watched) mark() string {
	mark := w.scanned.position
	for _, waits := range w.waiting {
		mark = min(mark, waits.first-1)
	}
	return mark.String()
}

// noticeOthers takes in what other managers of the store, which sync with the same peer, have
// found out: pulled tells up to where in the peer's log.
func (m *Manager) noticeOthers(ctx context.Context, pulled string) error {
	w := &m.watched
	if !w.ready {
		return nil
	}
	there, err := m.holds(ctx, w.scanned)
	if err != nil {
		return err
	}
	w.ready = there // else the own log ends earlier than it did
	if err := m.recallAgain(ctx); err != nil {
		return err
	}
	if pulled != w.pulledTo { // one has seen what the peer holds
		w.states = nil
	}
	return nil
}

// recallAgain reads what is known of the peer, if another process has stored something else since.
func (m *Manager) recallAgain(ctx context.Context) error {
	w := &m.watched
	if w.ready {
		stored, err := m.cursor(ctx, holding)
		if err != nil {
			return err
		}
		upTo, _, err := m.erasedUpTo(ctx)
		if err != nil {
			return err
		}
		w.ready = stored == w.stored && upTo == w.erased
	}
	return m.recall(ctx)
}

// recall reads what was known of the peer.
func (m *Manager) recall(ctx context.Context) error {
	w := &m.watched
	if w.ready {
		return nil
	}
	known, stored, err := m.readHeld(ctx)
	if err != nil {
		return err
	}
	from := known.upTo()
	if m.options.ConflictResolver != nil {
		mark, err := m.cursor(ctx, watching)
		if err != nil {
			return err
		}
		from = min(from, parsePosition(mark))
	}
	upTo, _, err := m.erasedUpTo(ctx)
	if err != nil {
		return err
	}
	scanned, err := m.placeAt(ctx, from)
	if err != nil {
		return err
	}
	*w = watched{ready: true, stored: stored, scanned: scanned, held: known, awaited: map[string]Position{}, erased: upTo, pulledTo: w.pulledTo}
	if m.options.ConflictResolver != nil {
		w.waiting = map[string]span{}
	}
	return nil
}

// watch reads what is new in the own log.
func (m *Manager) watch(ctx context.Context) error {
	if err := m.recall(ctx); err != nil {
		return err
	}
	w := &m.watched
	for {
		entries, err := m.read(ctx, w.scanned.position, m.options.BatchSize)
		if err != nil {
			return err
		}
		for _, e := range entries {
			w.see(e, m.options.Peer)
		}
		if len(entries) < m.options.BatchSize {
			return nil
		}
	}
}

// placeAt is the entry at a position, or the log's beginning if there is none.
func (m *Manager) placeAt(ctx context.Context, at Position) (place, error) {
	if at == 0 {
		return place{}, nil
	}
	entries, err := m.read(ctx, at-1, 1)
	switch {
	case err != nil || len(entries) == 0:
		return place{}, err
	case entries[0].Position > at: // what stood there was dropped
		return place{position: at}, nil
	}
	return placeOf(entries[0]), nil
}

func parsePosition(text string) Position {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return Position(n)
}
