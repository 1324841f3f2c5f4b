package synckit

import (
	"context"
	"slices"

	"syncline/synckit/errors"
)

// What a peer has lost of its log is pushed to it again. All of it is lost where a cursor is not of
// its log any more. Where the log only ends earlier than it did, what this side had read may
// still be there, and what it had pushed behind that is missing: it does not come back with a
// pull that began after the push and reached the log's end.

// seen is the direction of a cursor of the manager's own: of the entries at or below it, none is
// missing at the peer, as far as pulls have told; or it was pushed a second time.
const seen Direction = "seen"

// isLoss tells whether an error says that the peer's log cannot be read from a cursor on.
func isLoss(err error) bool {
	code := errors.CodeOf(err)
	return code == errors.CursorLost || code == errors.Erased
}

// lost takes note of why the peer's log was not read from a cursor on. The error is nil if it is
// to be read from the beginning.
func (m *Manager) lost(ctx context.Context, r *SyncResult, err error) error {
	if errors.CodeOf(err) == errors.Erased {
		return m.beginErasure(ctx, r, err)
	}
	fresh := Commit{Cursors: []Cursor{m.at(Pulling, ""), m.at(pullingAgain.reached, ""), m.at(probing, "")}}
	if errors.KeepsLog(err) {
		m.options.Logger.Info("the peer's log is read from the beginning", "peer", m.options.Peer, "reason", err)
	} else {
		m.options.Logger.Warn("the peer's log is another: syncing from the beginning", "peer", m.options.Peer, "error", err)
		fresh.Cursors = append(fresh.Cursors, m.ask(pushingAgain, everything+" 0"), m.at(pushingMissed.asked, ""), m.at(watching, ""))
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
		return m.lost(ctx, r, err)
	case code == errors.Unavailable, code == errors.Timeout, isGivenUp(err):
		return err
	case err == nil && at == "":
		_, err = m.commit(ctx, Commit{Cursors: []Cursor{m.at(probing, page.Cursor)}})
		return err
	}
	return nil
}

// noticeMissing has pushed again what the peer was not seen to hold, after a pull that has reached
// the end of its log. pushed is how far was pushed before that pull.
func (m *Manager) noticeMissing(ctx context.Context, pushed pushCursor) error {
	if _, paged := m.transport.(PagedTransport); !paged || pushed.walk != "" || pushed.all {
		return nil
	}
	text, err := m.cursor(ctx, seen)
	if err != nil || text == "" { // nothing was pushed since this is kept
		return err
	}
	from, keep := max(parsePosition(text), pushed.erased), false
	for m.seen = from; m.seen < pushed.position; {
		entries, err := m.read(ctx, m.seen, m.options.BatchSize)
		if err != nil {
			return err
		}
		entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Position > pushed.position })
		for _, e := range entries {
			missing, err := m.isMissing(ctx, e)
			if err != nil {
				return err
			}
			if missing {
				m.options.Logger.Warn("the peer does not have what was pushed: pushing it again", "peer", m.options.Peer, "event", e.Event.ID())
				_, err := m.commit(ctx, Commit{Cursors: []Cursor{m.ask(pushingMissed, missed+" "+(e.Position-1).String()+" "+pushed.position.String())}})
				return err
			}
			m.seen = e.Position
			keep = keep || e.Origin == "" && !e.Confirmed || m.seen >= from+Position(m.options.BatchSize)
		}
		if len(entries) < m.options.BatchSize {
			break
		}
	}
	if !keep {
		return nil // the next push keeps it, or these few are looked at again
	}
	_, err = m.commit(ctx, Commit{Cursors: []Cursor{m.at(seen, m.seen.String())}})
	return err
}

// isMissing tells whether an entry that was pushed should have come back and has not. What the
// filter leaves out comes back unseen; what was refused or rejected waits in a review, or somebody
// has decided it.
func (m *Manager) isMissing(ctx context.Context, e Entry) (bool, error) {
	if sent := m.admissible(e.Event) == nil; !sent || e.Origin != "" || e.Confirmed {
		return false, nil
	}
	id := e.Event.ID()
	if m.reviewed.refused.has(m.refusalID(id)) || m.reviewed.rejects(m.rejectionID(id)) {
		return false, nil
	}
	if decided, err := m.isDecided(ctx, e); decided || err != nil {
		return false, err
	}
	return m.passes(e.Event)
}
