package synckit

import (
	"context"
	"strconv"
)

// watching is the direction of a cursor of the manager's own: of all entries at
// or below it, none can be in conflict with what is pulled any more.
const watching Direction = "watch"

// watched knows which aggregates have entries that what is pulled can be in
// conflict with, so that the others need not be read. It is used by whoever has
// the manager's turn.
type watched struct {
	ready   bool
	scanned Position // all entries at or below are in the maps, if they belong there
	// own has aggregates with entries written here that the peer's log was not
	// seen to hold, and the lowest position of these.
	own map[string]Position
	// foreign has aggregates with entries that came from other peers, and the
	// highest position of these. They matter until they are pushed to this one.
	foreign  map[string]Position
	pushedTo Position
}

func (w *watched) has(aggregateID string) bool {
	_, own := w.own[aggregateID]
	_, foreign := w.foreign[aggregateID]
	return own || foreign
}

func (w *watched) see(e Entry, peer string) {
	aggregate := e.Event.AggregateID()
	w.scanned = e.Position
	switch {
	case e.Origin == peer, e.Event.Type() == ResolutionType:
	case e.Origin != "":
		if e.Position > w.pushedTo {
			w.foreign[aggregate] = e.Position
		}
	case !e.Confirmed:
		if _, there := w.own[aggregate]; !there {
			w.own[aggregate] = e.Position
		}
	}
}

// settle notes the lowest own entry that is still to be watched; 0: none.
func (w *watched) settle(aggregateID string, lowest Position) {
	if lowest == 0 {
		delete(w.own, aggregateID)
		return
	}
	w.own[aggregateID] = lowest
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
	mark := w.scanned
	for _, lowest := range w.own {
		mark = min(mark, lowest-1)
	}
	if len(w.foreign) > 0 {
		mark = min(mark, w.pushedTo)
	}
	return strconv.FormatUint(uint64(mark), 10)
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
		*w = watched{
			ready: true, scanned: parsePosition(mark), pushedTo: pushed.position,
			own: map[string]Position{}, foreign: map[string]Position{},
		}
	}
	for {
		entries, err := m.read(ctx, w.scanned, m.options.BatchSize)
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

func parsePosition(text string) Position {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return Position(n)
}
