package synckit

import (
	"context"

	"syncline/synckit/errors"
)

// What a peer has lost of its log is pushed to it again. All of it is lost where a cursor is not of
// its log any more. Where the log only ends earlier than it did, what this side had read may
// still be there, and what it had pushed behind that is missing: it does not come back with a
// pull that began after the push and reached the log's end.

// pushedTwice is the direction of a cursor of the manager's own: entries at or below it, in the own
// log, were pushed again if they were missing, and are not a third time.
const pushedTwice Direction = "seen"

// isLoss tells whether an error says that the peer's log cannot be read from a cursor on.
func isLoss(err error) bool {
	code := errors.CodeOf(err)
	return code == errors.CursorLost || code == errors.Erased
}

// lost takes note of why the peer's log was not read from a cursor on, which is asked as it is
// stored. The error is nil if it is to be read from the beginning.
func (m *Manager) lost(ctx context.Context, r *SyncResult, err error, asked Cursor) error {
	if errors.CodeOf(err) == errors.Erased {
		return m.beginErasure(ctx, r, err, asked)
	}
	fresh := Commit{Cursors: []Cursor{m.at(Pulling, ""), m.at(pullingAgain.reached, ""), m.at(probing, "")}}
	if errors.KeepsLog(err) {
		m.options.Logger.Info("the peer's log is read from the beginning", "peer", m.options.Peer, "reason", err)
	} else {
		m.options.Logger.Warn("the peer's log is another: syncing from the beginning", "peer", m.options.Peer, "error", err)
		newest, err := m.commit(ctx, Commit{})
		if err != nil {
			return err
		}
		fresh.Cursors = append(fresh.Cursors, m.ask(pushingAgain, everything+" 0"), m.at(pushingMissed.asked, ""), m.at(watching, ""),
			m.at(holding, held{lost: newest.Latest}.String()))
		m.watched = watched{}
	}
	_, err = m.commit(ctx, fresh)
	return err
}

// probing is the direction of a cursor of the manager's own: one of the peer's near the beginning
// of its log, of a manager that never pulls. It tells whether the log is still the same.
const probing Direction = "probe"

// probe finds out before a push without a pull whether the peer still has the log that it had.
// What keeps this side from reading need not keep it from pushing.
func (m *Manager) probe(ctx context.Context, r *SyncResult) error {
	paged, ok := m.transport.(PagedTransport)
	if !ok {
		return nil
	}
	direction := Pulling
	if m.options.PushOnly {
		direction = probing
	}
	at, err := m.cursor(ctx, direction)
	if err != nil || at == "" && !m.options.PushOnly {
		return err
	}
	var page Page
	err = m.callTransport(ctx, "probe", func(ctx context.Context) (err error) {
		page, err = paged.PullPage(ctx, at, 1)
		return err
	})
	switch code := errors.CodeOf(err); {
	case isLoss(err):
		return m.lost(ctx, r, err, m.at(direction, at))
	case code == errors.Unavailable, code == errors.Timeout, isGivenUp(err):
		return err
	case err == nil && at == "":
		_, err = m.commit(ctx, Commit{Cursors: []Cursor{m.at(probing, page.Cursor)}})
		return err
	}
	return nil
}

// noticeMissing has pushed again what the peer was not seen to hold, after a pull that has reached
// the end of its log, at a cursor. pushed is how far was pushed before that pull.
func (m *Manager) noticeMissing(ctx context.Context, pushed pushCursor, at string) error {
	if _, paged := m.transport.(PagedTransport); !paged || pushed.walk != "" || pushed.all {
		return nil
	}
	if err := m.recall(ctx); err != nil || m.watched.held.upTo() >= pushed.position {
		return err
	}
	if err := m.watch(ctx); err != nil {
		return err
	}
	text, err := m.cursor(ctx, pushedTwice)
	if err != nil {
		return err
	}
	missing, err := m.firstMissing(ctx, pushed.position, parsePosition(text))
	if err != nil {
		return err
	}
	found := Commit{Cursors: []Cursor{m.at(Pulling, at)}}
	if text := m.watched.held.String(); text != m.watched.stored {
		m.watched.stored = text
		found.Cursors = append(found.Cursors, m.at(holding, text))
	}
	if missing.event != "" {
		m.options.Logger.Warn("the peer does not have what was pushed: pushing it again", "peer", m.options.Peer, "event", missing.event)
		found.Cursors = append(found.Cursors, m.ask(pushingMissed, missed+" "+(missing.position-1).String()+" "+pushed.position.String()))
	}
	if len(found.Cursors) == 1 {
		return nil
	}
	if _, err = m.commit(ctx, found); err != nil {
		m.watched.ready = false
	}
	return err
}

// firstMissing looks for what should have come back of the entries up to a position, and was not
// pushed twice. Nothing is awaited any more of those before it.
func (m *Manager) firstMissing(ctx context.Context, upTo, twice Position) (place, error) {
	w := &m.watched
	for at := w.held.upTo(); at < upTo; {
		entries, err := m.read(ctx, at, m.options.BatchSize)
		if err != nil {
			return place{}, err
		}
		for _, e := range entries {
			id := e.Event.ID()
			if e.Position > upTo {
				w.held.add(at+1, upTo)
				return place{}, nil
			}
			if _, awaited := w.awaited[id]; awaited && e.Position > twice {
				missing, err := m.isMissing(ctx, e)
				if err != nil || missing {
					return placeOf(e), err
				}
			}
			w.held.add(at+1, e.Position)
			delete(w.awaited, id)
			at = e.Position
		}
		if len(entries) < m.options.BatchSize {
			break
		}
	}
	return place{}, nil
}

// isMissing tells whether an entry that was pushed should have come back and has not. What the
// filter leaves out comes back unseen; what was refused or rejected waits in a review, or somebody
// has decided it.
func (m *Manager) isMissing(ctx context.Context, e Entry) (bool, error) {
	if sent := m.admissible(e.Event) == nil; !sent || e.Origin == m.options.Peer {
		return false, nil
	}
	id := e.Event.ID()
	if m.reviewed.refused.has(m.refusalID(id)) || m.reviewed.rejects(m.rejectionID(id)) {
		return false, nil
	}
	if decided, err := m.isDecided(ctx, e); decided || err != nil {
		return false, err
	}
	if passes, err := m.passes(e.Event); !passes || err != nil {
		return false, err
	}
	entries, err := m.aggregate(ctx, e.Event.AggregateID())
	return err == nil && readHistory(eventsOf(entries)).snapshots.covered.lacks(id), err // what was compacted is to be missing
}
