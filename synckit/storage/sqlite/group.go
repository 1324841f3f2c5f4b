package sqlite

import (
	"context"
	"database/sql"
	stderrors "errors"
	"fmt"
	"sync"
	"sync/atomic"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/internal/stored"
)

// maxGroup bounds how many commits share a transaction.
const maxGroup = 128

// queue has the commits that wait. Those that wait while another is written are
// then written together, in one transaction: it is the waiting for the disk that
// takes time, and so they wait for it once.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	leading bool
	closed  bool
	leaders sync.WaitGroup
	ready   prepared // the leader's
	latest  int64    // the log's newest position after the last transaction; 0: it is not known
}

// prepared are the statements that are said once for each event, or more often.
type prepared struct{ insert, find, confirm, clock, newest *sql.Stmt }

// request is one commit.
type request struct {
	writer    writer
	commit    synckit.Commit
	taken     atomic.Bool // by the leader, or back by who asked
	done      chan struct{}
	committed synckit.Committed
	err       error
}

// submit waits until the commit is done. If the context ends before the commit is
// begun, it is not done; if it ends later, it is carried through.
func (s *Store) submit(ctx context.Context, r *request) error {
	q := &s.queue
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return errors.New(errors.Closed, r.writer.op, nil)
	}
	q.waiting = append(q.waiting, r)
	if !q.leading {
		q.leading = true
		q.leaders.Go(s.lead)
	}
	q.mu.Unlock()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		<-r.done // it is under way, and soon over
		return r.err
	}
}

// lead writes until nobody waits any more.
func (s *Store) lead() {
	for group := s.queue.next(); len(group) > 0; group = s.queue.next() {
		s.writeGroup(group)
		for _, r := range group {
			close(r.done)
		}
	}
}

// next takes those who wait. Where nobody does, the leader's time is over.
func (q *queue) next() (group []*request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := 0
	for _, r := range q.waiting {
		if len(group) == maxGroup {
			break
		}
		taken++
		if r.taken.CompareAndSwap(false, true) {
			group = append(group, r)
		}
	}
	q.waiting = q.waiting[taken:]
	q.leading = len(group) > 0
	return group
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.leaders.Wait()
}

// writeGroup is on a context of its own: one who no longer waits must not spoil the
// others' transaction. If it fails before its commit, each is tried alone.
func (s *Store) writeGroup(group []*request) {
	ctx := context.Background()
	committing, err := s.transact(ctx, group)
	if err == nil || len(group) == 1 || committing {
		for _, r := range group {
			r.fail(err)
		}
		s.tell(group)
		return
	}
	for _, r := range group {
		r.err = nil
		_, err := s.transact(ctx, []*request{r})
		r.fail(err)
	}
	s.tell(group)
}

func (r *request) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	if r.err != nil {
		r.committed = synckit.Committed{}
	}
}

func (s *Store) tell(group []*request) {
	for _, r := range group {
		if r.err == nil && stored.Wakes(r.commit, r.committed.Appended) {
			s.changed.Raise()
			return
		}
	}
}

// transact writes a group in one transaction. One that is refused, with a code,
// leaves the others as they would be without it; any other failure is that of the
// whole. committing tells that it failed as the transaction was to be committed.
func (s *Store) transact(ctx context.Context, group []*request) (committing bool, err error) {
	err = untilUnlocked(ctx, func() error {
		committing = false
		if err := s.prepare(ctx); err != nil {
			return err
		}
		tx, err := s.write.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // after a commit it fails, else the connection is lost with its transaction
		latest, err := s.follow(ctx, tx)
		if err != nil {
			return err
		}
		ready := s.queue.ready.in(ctx, tx)
		for i, r := range group {
			r.writer.tx, r.writer.ready, r.writer.statements, r.writer.times = tx, ready, s.statements, &s.times
			if r.err, err = r.apply(ctx, fmt.Sprintf("member%d", i)); err != nil {
				return err
			}
			if r.err == nil {
				latest = max(latest, int64(r.committed.Latest))
			}
		}
		committing = true
		if err := tx.Commit(); err != nil {
			return err
		}
		s.queue.latest = latest
		return nil
	})
	return committing, err
}

// follow has times go on after the greatest that was seen, where another process has written,
// or one before this: the wall clock may have been set back. It gives the newest position.
func (s *Store) follow(ctx context.Context, tx *sql.Tx) (latest int64, err error) {
	latest, err = integerOf(tx.QueryRowContext(ctx, s.statements.latest))
	if err != nil || latest == s.queue.latest {
		return latest, err
	}
	var newest synckit.EncodedEvent
	if err := tx.QueryRowContext(ctx, s.statements.last).Scan((*[]byte)(&newest.Metadata)); err != nil {
		return latest, err
	}
	s.times.Seen(newest.Time())
	var mark string
	err = tx.QueryRowContext(ctx, s.statements.cursor, stored.MarkPeer, string(stored.MarkDirection)).Scan(&mark)
	if err != nil && !stderrors.Is(err, sql.ErrNoRows) {
		return latest, err
	}
	s.times.Resume(mark)
	return latest, nil
}

func (s *Store) prepare(ctx context.Context) error {
	if s.queue.ready.newest != nil { // the last
		return nil
	}
	ready := &s.queue.ready
	var err error
	for _, one := range []struct {
		into **sql.Stmt
		text string
	}{
		{&ready.insert, s.statements.insert},
		{&ready.find, s.statements.find},
		{&ready.confirm, s.statements.confirm},
		{&ready.clock, s.statements.clock},
		{&ready.newest, s.statements.newest},
	} {
		if *one.into != nil {
			continue // an attempt before failed at a later one
		}
		if *one.into, err = s.write.PrepareContext(ctx, one.text); err != nil { //nolint:sqlclosecheck // they end with the pool
			return err
		}
	}
	return nil
}

// in are the statements as a transaction says them.
func (p prepared) in(ctx context.Context, tx *sql.Tx) prepared {
	return prepared{
		insert: tx.StmtContext(ctx, p.insert), find: tx.StmtContext(ctx, p.find), confirm: tx.StmtContext(ctx, p.confirm),
		clock: tx.StmtContext(ctx, p.clock), newest: tx.StmtContext(ctx, p.newest),
	}
}

// apply writes one of a group, or nothing of it if it is refused.
func (r *request) apply(ctx context.Context, savepoint string) (refused, failed error) {
	if _, err := r.writer.tx.ExecContext(ctx, "SAVEPOINT "+savepoint); err != nil {
		return nil, err
	}
	r.committed, refused = r.writer.apply(ctx, r.commit)
	if refused != nil && errors.CodeOf(refused) == "" {
		return nil, refused
	}
	if refused != nil {
		if _, err := r.writer.tx.ExecContext(ctx, "ROLLBACK TO "+savepoint); err != nil {
			return nil, err
		}
	}
	_, err := r.writer.tx.ExecContext(ctx, "RELEASE "+savepoint)
	return refused, err
}
