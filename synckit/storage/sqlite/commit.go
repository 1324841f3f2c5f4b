package sqlite

import (
	"context"
	"database/sql"
	stderrors "errors"

	"syncline/synckit"
	"syncline/synckit/storage/internal/stored"
)

// Store implements synckit.EventStore.
func (s *Store) Store(ctx context.Context, event synckit.Event, version synckit.Version) error {
	_, err := s.commit(ctx, writer{op: "store", clocksAnew: true}, stored.Single(event, version))
	return err
}

// Commit implements synckit.Log.
func (s *Store) Commit(ctx context.Context, commit synckit.Commit) (synckit.Committed, error) {
	return s.commit(ctx, writer{op: "commit"}, commit)
}

func (s *Store) commit(ctx context.Context, w writer, commit synckit.Commit) (_ synckit.Committed, err error) {
	if w.Encoded, err = stored.Encode(commit); err != nil { // before anybody waits for it
		return synckit.Committed{}, err
	}
	if err := s.usable(ctx, w.op); err != nil {
		return synckit.Committed{}, err
	}
	r := &request{writer: w, commit: commit, done: make(chan struct{})}
	if err := s.submit(ctx, r); err != nil {
		return synckit.Committed{}, s.failed(ctx, w.op, err)
	}
	return r.committed, nil
}

// writer carries out one commit in one transaction.
type writer struct {
	op         string
	clocksAnew bool // whatever clocks the events came with
	statements statements
	times      *stored.Times
	tx         *sql.Tx
	ready      prepared
	stored.Encoded
}

func (w *writer) apply(ctx context.Context, commit synckit.Commit) (synckit.Committed, error) {
	var committed synckit.Committed
	err := stored.CheckUnchanged(w.op, commit.Unchanged, func(aggregateID string) (synckit.Position, error) {
		newest, err := integerOf(w.ready.newest.QueryRowContext(ctx, aggregateID))
		return synckit.Position(newest), err
	})
	if err != nil {
		return committed, err
	}
	if committed.Appended, err = w.appendAll(ctx, commit.Append); err != nil {
		return committed, err
	}
	for _, id := range commit.EndReviews {
		if err := w.endReview(ctx, id); err != nil {
			return committed, err
		}
	}
	for i, r := range commit.AddReviews {
		if _, err := w.tx.ExecContext(ctx, w.statements.keep, r.ID, string(w.Reviews[i])); err != nil {
			return committed, err
		}
	}
	for _, c := range commit.Cursors {
		if err := w.setCursor(ctx, c); err != nil {
			return committed, err
		}
	}
	latest, err := integerOf(w.tx.QueryRowContext(ctx, w.statements.latest))
	committed.Latest = synckit.Position(latest)
	return committed, err
}

func integerOf(row *sql.Row) (n int64, err error) {
	err = row.Scan(&n)
	return n, err
}

// appendAll appends those events that are new and confirms those that are known.
func (w *writer) appendAll(ctx context.Context, entries []synckit.Entry) (appended []string, err error) {
	clocks := stored.Clocks{Times: w.times, Highest: func(aggregateID string) (uint64, error) {
		highest, err := integerOf(w.ready.clock.QueryRowContext(ctx, aggregateID))
		return uint64(highest), err
	}}
	for i, e := range entries {
		event, err := clocks.Set(w.Events[i], e.Origin, w.clocksAnew)
		if err != nil {
			return nil, err
		}
		isNew, err := insertEvent(ctx, w.ready.insert, event, e)
		if err != nil {
			return nil, err
		}
		if isNew {
			appended = append(appended, event.ID)
			err = clocks.Appended(event)
		} else {
			err = w.known(ctx, event, e.Origin)
		}
		if err != nil {
			return nil, err
		}
	}
	if mark, needed := clocks.Mark(); needed {
		return appended, w.setCursor(ctx, mark)
	}
	return appended, nil
}

func insertEvent(ctx context.Context, insert *sql.Stmt, event synckit.EncodedEvent, e synckit.Entry) (isNew bool, err error) {
	kind, version := stored.Kind(stored.Own(e.Version))
	result, err := insert.ExecContext(ctx, event.ID, event.Type, event.AggregateID, string(event.Data), string(event.Metadata),
		kind, version, e.Origin, e.Origin != "", int64(event.Clock()))
	if err != nil {
		return false, err
	}
	inserted, err := result.RowsAffected()
	return inserted > 0, err
}

// known is for an event whose ID is there already.
func (w *writer) known(ctx context.Context, event synckit.EncodedEvent, origin string) error {
	there, err := scanRow(w.ready.find.QueryRowContext(ctx, event.ID))
	if stderrors.Is(err, sql.ErrNoRows) { // it was dropped
		return nil
	}
	if err != nil {
		return err
	}
	if !there.event.Same(event) {
		return stored.Reused(w.op, event.ID)
	}
	if origin == "" {
		return nil
	}
	_, err = w.ready.confirm.ExecContext(ctx, event.ID)
	return err
}

func (w *writer) endReview(ctx context.Context, id string) error {
	result, err := w.tx.ExecContext(ctx, w.statements.end, id)
	if err != nil {
		return err
	}
	ended, err := result.RowsAffected()
	if err == nil && ended == 0 {
		return stored.NotWaiting(w.op, id)
	}
	return err
}

func (w *writer) setCursor(ctx context.Context, c synckit.Cursor) error {
	if c.Value == "" {
		_, err := w.tx.ExecContext(ctx, w.statements.forget, c.Peer, string(c.Direction))
		return err
	}
	_, err := w.tx.ExecContext(ctx, w.statements.setCursor, c.Peer, string(c.Direction), c.Value)
	return err
}
