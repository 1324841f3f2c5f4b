package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

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

// commitTimeout bounds how long a COMMIT may take that nobody waits for any more.
const commitTimeout = 10 * time.Second

func (s *Store) commit(ctx context.Context, w writer, commit synckit.Commit) (committed synckit.Committed, err error) {
	if w.Encoded, err = stored.Encode(commit); err != nil { // before anybody waits for it
		return committed, err
	}
	err = s.do(ctx, w.op, func() error {
		tx, err := s.pool.Begin(ctx)
		if err != nil {
			return err
		}
		w.tx, w.statements, w.times = tx, s.statements, &s.times
		defer func() {
			bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
			defer cancel()
			_ = tx.Rollback(bound) // after a commit it does nothing, else the connection is lost with its transaction
		}()
		if committed, err = w.apply(ctx, commit); err != nil {
			return err
		}
		wakes := stored.Wakes(commit, committed.Appended)
		if wakes {
			if _, err := tx.Exec(ctx, s.statements.notify, s.channel, s.name); err != nil {
				return err
			}
		}
		// What is to be committed is carried through: to break off here would leave open
		// what became of it.
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
		defer cancel()
		err = tx.Commit(bound)
		if wakes {
			if err != nil { // it may have gone through, or may do so yet
				s.unsure.Store(true)
			}
			s.changed.Raise()
		}
		return err
	})
	if err != nil {
		return synckit.Committed{}, err
	}
	return committed, nil
}

// writer carries out one commit in one transaction.
type writer struct {
	op         string
	clocksAnew bool // whatever clocks the events came with
	statements statements
	times      *stored.Times
	tx         pgx.Tx
	stored.Encoded
}

func (w *writer) apply(ctx context.Context, commit synckit.Commit) (committed synckit.Committed, err error) {
	// Locked by a statement of its own: those that follow then see what whoever held it
	// has committed.
	var latest, micros int64
	if err := w.tx.QueryRow(ctx, w.statements.lock).Scan(&latest, &micros); err != nil {
		return committed, err
	}
	if at := time.UnixMicro(micros); micros > 0 && stored.Believed(at) { // another process may have written it
		w.times.Seen(at)
	} else {
		micros = 0 // no time was ever shared, or one that would hide all true ones
	}
	if err := w.checkUnchanged(ctx, commit.Unchanged); err != nil {
		return committed, err
	}
	rows, err := w.sort(ctx, commit.Append)
	if err != nil {
		return committed, err
	}
	committed.Latest = synckit.Position(latest)
	for i := range rows.fresh {
		committed.Latest++
		if at := rows.fresh[i].event.Time(); stored.Believed(at) {
			micros = max(micros, at.UnixMicro())
		}
		committed.Appended = append(committed.Appended, rows.fresh[i].event.ID)
	}
	if err := w.write(ctx, rows, latest); err != nil {
		return committed, err
	}
	if len(rows.fresh) > 0 {
		if _, err := w.tx.Exec(ctx, w.statements.setHead, int64(committed.Latest), micros); err != nil {
			return committed, err
		}
	}
	for _, id := range commit.EndReviews {
		ended, err := w.tx.Exec(ctx, w.statements.end, []byte(id))
		if err != nil {
			return committed, err
		}
		if ended.RowsAffected() == 0 {
			return committed, stored.NotWaiting(w.op, id)
		}
	}
	for i, r := range commit.AddReviews {
		if _, err := w.tx.Exec(ctx, w.statements.keep, []byte(r.ID), w.Reviews[i]); err != nil {
			return committed, err
		}
	}
	for _, c := range commit.Cursors {
		statement, args := w.statements.setCursor, []any{[]byte(c.Peer), []byte(c.Direction), []byte(c.Value)}
		if c.Value == "" {
			statement, args = w.statements.forget, args[:2]
		}
		if _, err := w.tx.Exec(ctx, statement, args...); err != nil {
			return committed, err
		}
	}
	return committed, nil
}

// byAggregate reads a number for each of some aggregates.
func (w *writer) byAggregate(ctx context.Context, query string, aggregates [][]byte) (map[string]int64, error) {
	numbers := map[string]int64{}
	if len(aggregates) == 0 {
		return numbers, nil
	}
	rows, err := w.tx.Query(ctx, query, aggregates)
	if err != nil {
		return nil, err
	}
	var aggregate []byte
	var number int64
	_, err = pgx.ForEachRow(rows, []any{&aggregate, &number}, func() error {
		numbers[string(aggregate)] = number
		return nil
	})
	return numbers, err
}

func (w *writer) checkUnchanged(ctx context.Context, unchanged map[string]synckit.Position) error {
	aggregates := make([][]byte, 0, len(unchanged))
	for aggregate := range unchanged {
		aggregates = append(aggregates, []byte(aggregate))
	}
	newest, err := w.byAggregate(ctx, w.statements.newest, aggregates)
	if err != nil {
		return err
	}
	return stored.CheckUnchanged(w.op, unchanged, func(aggregateID string) (synckit.Position, error) {
		return synckit.Position(newest[aggregateID]), nil
	})
}

// sorted are a commit's events: those to append, with their clocks, and the IDs of those
// that are there already and come from a peer.
type sorted struct {
	fresh     []freshEvent
	confirmed [][]byte
}

type freshEvent struct {
	event  synckit.EncodedEvent
	entry  synckit.Entry
	seenAt bool // it came twice in the commit, the second time from a peer
}

func (w *writer) sort(ctx context.Context, entries []synckit.Entry) (sorted, error) {
	var s sorted
	if len(entries) == 0 {
		return s, nil
	}
	ids, aggregates := make([][]byte, len(entries)), make([][]byte, len(entries))
	for i, e := range w.Events {
		ids[i], aggregates[i] = []byte(e.ID), []byte(e.AggregateID)
	}
	rows, err := w.tx.Query(ctx, w.statements.find, ids)
	if err != nil {
		return s, err
	}
	there, dropped := map[string]synckit.EncodedEvent{}, map[string]bool{}
	found, err := pgx.CollectRows(rows, scanKnown)
	if err != nil {
		return s, err
	}
	for _, r := range found {
		there[r.event.ID] = r.event
		dropped[r.event.ID] = r.dropped
	}
	highest, err := w.byAggregate(ctx, w.statements.clocks, aggregates)
	if err != nil {
		return s, err
	}
	clocks := stored.Clocks{Times: w.times, Highest: func(aggregateID string) (uint64, error) { return uint64(highest[aggregateID]), nil }}
	inCommit := map[string]int{} // index in fresh
	for i, e := range entries {
		event := w.Events[i]
		known, duplicate := there[event.ID]
		at, twice := inCommit[event.ID]
		switch {
		case dropped[event.ID]:
			continue
		case duplicate && !known.Same(event), twice && !s.fresh[at].event.Same(event):
			return s, stored.Reused(w.op, event.ID)
		case twice:
			s.fresh[at].seenAt = s.fresh[at].seenAt || e.Origin != ""
			continue
		case duplicate:
			if e.Origin != "" {
				s.confirmed = append(s.confirmed, []byte(event.ID))
			}
			continue
		}
		if event, err = clocks.Set(event, e.Origin, w.clocksAnew); err != nil {
			return s, err
		}
		if err := clocks.Appended(event); err != nil {
			return s, err
		}
		inCommit[event.ID] = len(s.fresh)
		s.fresh = append(s.fresh, freshEvent{event: event, entry: e})
	}
	return s, nil
}

// write inserts all that is new with one statement.
func (w *writer) write(ctx context.Context, rows sorted, latest int64) error {
	if len(rows.confirmed) > 0 {
		if _, err := w.tx.Exec(ctx, w.statements.confirm, rows.confirmed); err != nil {
			return err
		}
	}
	n := len(rows.fresh)
	if n == 0 {
		return nil
	}
	positions, clocks, confirmed, kinds := make([]int64, n), make([]int64, n), make([]bool, n), make([]string, n)
	ids, types, aggregates, data := make([][]byte, n), make([][]byte, n), make([][]byte, n), make([][]byte, n)
	metadata, versions, origins := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i, r := range rows.fresh {
		kind, version := stored.Kind(stored.Own(r.entry.Version))
		positions[i], clocks[i] = latest+int64(i)+1, int64(r.event.Clock())
		confirmed[i], kinds[i] = r.entry.Origin != "" || r.seenAt, kind
		ids[i], types[i], aggregates[i] = []byte(r.event.ID), []byte(r.event.Type), []byte(r.event.AggregateID)
		data[i], metadata[i] = bytesOf(r.event.Data), bytesOf(r.event.Metadata)
		versions[i], origins[i] = []byte(version), []byte(r.entry.Origin)
	}
	_, err := w.tx.Exec(ctx, w.statements.insert, positions, ids, types, aggregates, data, metadata, kinds, versions, origins, confirmed, clocks)
	return err
}

// bytesOf is never nil, which would be NULL.
func bytesOf(text []byte) []byte {
	if text == nil {
		return []byte{}
	}
	return text
}
