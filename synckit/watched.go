package synckit

import (
	"context"
	"strconv"
)

// watching is the direction of a cursor of the manager's own: of all entries at
// or below it, none can be in conflict with what is pulled any more.
const watching Direction = "watch"

// watched knows which aggregates have entries that what is pulled can be in
// conflict with, so that the others need not be read. Only the call that has
// the manager's turn uses it.
type watched struct {
	ready   bool
	scanned place // all entries up to here are in the maps, if they belong there
	// own has aggregates with entries written here that the peer's log was not
	// seen to hold, and where these are.
	own map[string]span
	// foreign has aggregates with entries that came from other peers, and the
	// highest position of these. They matter until they are pushed to this one.
	foreign  map[string]Position
	pushedTo Position
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
	own     []string         // of pending: what was written here, in order
}

func (s *state) add(e Entry, peer string, erased Position) {
	s.newest = e.Position
	id := e.Event.ID()
	s.known[id] = struct{}{}
	if reserved(e.Event) || e.Origin == peer || e.Origin == "" && e.Confirmed || e.Position <= erased {
		return
	}
	s.pending[id] = Entry{EventWithVersion: EventWithVersion{Version: e.Version}, Origin: e.Origin, Position: e.Position}
	if e.Origin == "" {
		s.own = append(s.own, id)
	}
}

// confirm takes out what the peer was seen to hold, and gives the position of the
// first own entry that it was not seen to hold; 0: there is none.
func (s *state) confirm(gone idSet) Position {
	for id := range gone {
		delete(s.pending, id)
	}
	for len(s.own) > 0 {
		if first, waits := s.pending[s.own[0]]; waits {
			return first.Position
		}
		s.own = s.own[1:]
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
		s.add(e, m.options.Peer, w.erased)
	}
	if w.kept += len(entries); w.kept > maxKept || w.states == nil {
		w.states, w.kept = map[string]*state{}, len(entries)
	}
	w.states[aggregateID] = s
	if lowest := s.confirm(nil); lowest > 0 {
		w.own[aggregateID] = span{lowest, s.newest}
	} else {
		delete(w.own, aggregateID)
	}
	return s, nil
}

func (w *watched) has(aggregateID string) bool {
	_, own := w.own[aggregateID]
	_, foreign := w.foreign[aggregateID]
	return own || foreign
}

func (w *watched) see(e Entry, peer string) {
	aggregate := e.Event.AggregateID()
	w.scanned = placeOf(e)
	if s, there := w.states[aggregate]; there && e.Position > s.newest {
		s.add(e, peer, w.erased)
		w.kept++
	}
	switch {
	case e.Origin == peer, isOwnKind(e.Event):
	case e.Origin != "":
		if e.Position > w.pushedTo {
			w.foreign[aggregate] = e.Position
		}
	case !e.Confirmed:
		waits, there := w.own[aggregate]
		if !there {
			waits.first = e.Position
		}
		w.own[aggregate] = span{waits.first, e.Position}
	}
}

// confirm notes what the peer was seen to hold of an aggregate.
func (w *watched) confirm(aggregateID string, gone idSet) {
	s, there := w.states[aggregateID]
	if !there || len(gone) == 0 {
		return
	}
	if lowest := s.confirm(gone); lowest > 0 {
		w.own[aggregateID] = span{lowest, s.newest}
		return
	}
	delete(w.own, aggregateID)
	if !w.has(aggregateID) {
		w.kept -= len(s.known)
		delete(w.states, aggregateID)
	}
}

// pushed forgets what the peer has by now.
func (w *watched) pushed(upTo Position) {
	w.pushedTo = upTo
	for aggregate, highest := range w.foreign {
		if highest <= upTo {
			delete(w.foreign, aggregate)
		}
	}
}

// mark is where a later run begins to look.
func (w *watched) mark() string {
	mark := w.scanned.position
	for _, waits := range w.own {
		mark = min(mark, waits.first-1)
	}
	if len(w.foreign) > 0 {
		mark = min(mark, w.pushedTo)
	}
	return mark.String()
}

// noticeOthers takes in how far other managers of the store, which sync with the same
// peer, have come: pulled tells up to where in the peer's log, pushed in the own.
func (m *Manager) noticeOthers(ctx context.Context, pulled string, pushed pushCursor) error {
	w := &m.watched
	if !w.ready {
		return nil
	}
	if holds, err := m.holds(ctx, w.scanned); err != nil || !holds { // the log ends earlier than it did
		w.ready = false
		return err
	}
	if pulled != w.pulledTo { // one has seen what the peer holds
		w.states = nil
	}
	switch {
	case pushed.position < w.pushedTo, pushed.erased > w.erased: // one has found that the peer lost something
		w.ready = false
	case pushed.position > w.pushedTo:
		w.pushed(pushed.position)
	}
	return nil
}

// watch reads what is new in the own log.
func (m *Manager) watch(ctx context.Context) error {
	w := &m.watched
	if !w.ready {
		mark, err := m.cursor(ctx, watching)
		if err != nil {
			return err
		}
		pushed, err := m.pushCursor(ctx)
		if err != nil {
			return err
		}
		scanned, err := m.placeAt(ctx, parsePosition(mark))
		if err != nil {
			return err
		}
		*w = watched{
			ready: true, scanned: scanned, pushedTo: pushed.position, erased: pushed.erased,
			own: map[string]span{}, foreign: map[string]Position{},
		}
	}
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
