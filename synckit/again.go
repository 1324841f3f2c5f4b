package synckit

import (
	"context"
	"strings"

	"syncline/synckit/errors"
)

// Stats counts what waits.
type Stats struct {
	// Unsent are the events that the peer is still to get.
	Unsent int
	// Reviews wait for somebody.
	Reviews int
}

// Stats counts what waits now. It reads the events that it counts.
func (m *Manager) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	if m.bad != nil {
		return s, m.bad
	}
	at, err := m.pushCursor(ctx)
	if err != nil {
		return s, err
	}
	for {
		entries, err := m.read(ctx, at.position, m.options.BatchSize)
		if err != nil {
			return s, err
		}
		for _, e := range entries {
			at.position = e.Position
			if !m.concerns(at, e) {
				continue
			}
			passes, err := m.passes(e.Event)
			if err != nil {
				return s, err
			}
			if passes {
				s.Unsent++
			}
		}
		if len(entries) < m.options.BatchSize {
			break
		}
	}
	err = m.eachReview(ctx, func(r Review) bool {
		if !strings.HasPrefix(r.ID, stagedPrefix) {
			s.Reviews++
		}
		return false
	})
	return s, err
}

// PullAgain pulls the peer's log from its beginning: what is here already changes
// nothing. An app does so after it has changed its Filter, to get what that left out.
func (m *Manager) PullAgain(ctx context.Context) (*SyncResult, error) {
	return m.run(ctx, "pull", func(ctx context.Context, r *SyncResult) error {
		if _, err := m.commit(ctx, Commit{Cursors: []Cursor{m.ask(pullingAgain, "")}}); err != nil {
			return err
		}
		return m.pull(ctx, r)
	})
}

// SendAgain pushes an event again that the peer refused, once the cause is mended, and
// ends its review if the peer takes it. The error is why it does not, or why the event may
// not be sent (Validate, MaxEventBytes). It has the code NotFound if the review is none of an
// event that this manager's peer refused, or was decided already.
func (m *Manager) SendAgain(ctx context.Context, reviewID string) error {
	const op = "send again"
	if err := m.take(ctx, op); err != nil {
		return err
	}
	defer m.release()
	review, err := m.review(ctx, reviewID)
	if err == nil && (!strings.HasPrefix(reviewID, refusedPrefix) || review.Peer != m.options.Peer) {
		err = errors.New(errors.NotFound, op, nil, errors.Metadata{"review": reviewID, "peer": review.Peer})
	}
	if err != nil {
		return err
	}
	for _, e := range review.Local {
		if err := m.admissible(e.Event); err != nil {
			return err
		}
	}
	b := &batch{send: review.Local, refused: map[string]error{}, waiting: map[string]bool{}}
	if err := b.record(m.callTransport(ctx, op, func(ctx context.Context) error { return m.transport.Push(ctx, b.send) })); err != nil {
		return err
	}
	for _, refused := range b.refused {
		return refused
	}
	_, err = m.commit(ctx, Commit{EndReviews: []string{reviewID}})
	return err
}
