package entstore

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"entgo.io/ent/dialect"
	"github.com/jackc/pgx/v5/stdlib"

	"syncline/internal/txn"
	"syncline/record"
)

// Write implements record.Store. Past a number or a size of writes that wait, it
// answers an *UnavailableError at once.
func (s *Store) Write(ctx context.Context, owner record.Owner, request record.Request) (record.Result, error) {
	m, err := s.submit(ctx, owner, request)
	if err != nil {
		return record.Result{}, err
	}
	return s.await(ctx, m)
}

func (s *Store) submit(ctx context.Context, owner record.Owner, request record.Request) (*member, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m := newMember(ctx, owner, request)
	return m, s.queue.enter(m)
}

// await takes the end of ctx for the end of a write that still waits. One that
// is under way is not torn.
func (s *Store) await(ctx context.Context, m *member) (record.Result, error) {
	select {
	case <-m.done:
	case <-ctx.Done():
		if s.queue.leave(m) {
			return record.Result{}, ctx.Err()
		}
		<-m.done
	}
	return m.result, m.err
}

// transactionTime bounds a transaction, so that a database that stopped
// answering does not hold requests for ever.
const transactionTime = 30 * time.Second

// How many committers of each kind a PostgreSQL has at most. One swift one works
// while the other waits for its commit; more make the groups smaller and each
// write dearer.
const (
	maxSwift   = 2
	maxPatient = 4
)

// committers says how many committers of each kind there may be. Of four
// connections to PostgreSQL, or more, they leave at least half to others; of
// three they leave one, and of two none while both kinds are at work.
func committers(name string, connections int) (swift, patient int) {
	if name != dialect.Postgres {
		return 1, 0
	}
	if connections <= 0 { // no bound
		return maxSwift, maxPatient
	}
	some := max(1, connections/4)
	return min(maxSwift, some), min(maxPatient, some)
}

// transaction is what carries out a group.
type transaction interface {
	// read locks the owners' accounts in their order, then reads. Owners whom
	// another process has locked are left out of the state, unless the
	// transaction waits for them.
	read(ctx context.Context, w wants) (*state, error)
	// readData completes records by the data that is stored.
	readData(ctx context.Context, lacking map[key][]*record.Record) error
	// keep writes and commits. Its error is an *UnavailableError with
	// OutcomeUnknown, or else nothing was committed.
	keep(ctx context.Context, k keeps) error
	// end rolls back what was not committed. After an error the connection is
	// not to be used again.
	end() error
}

// commitNext gives the next group a transaction. Its members are taken when that
// has begun: up to then they may leave.
func (s *Store) commitNext(lane lane) {
	var g, left group
	begun := false
	err := s.transact(lane, func(ctx context.Context, tx transaction) (err error) {
		begun = true
		g = s.queue.next(lane)
		left, err = s.settle(ctx, tx, g)
		return err
	})
	if !begun {
		s.refuseWaiting(lane, unavailable(err))
		return
	}
	if err != nil {
		left = s.salvage(lane, g, err)
	}
	s.queue.finish(g, left)
}

// refuseWaiting answers all who wait, for none would fare better.
func (s *Store) refuseWaiting(lane lane, err error) {
	for s.queue.isReady(lane) {
		g := s.queue.next(lane)
		g.refuse(err)
		s.queue.finish(g, nil)
	}
}

// salvage sees to a group whose transaction came to nothing. If the database
// answers, each member has one to itself, and fares as it would alone.
func (s *Store) salvage(lane lane, g group, err error) (left group) {
	if !alive(err) || len(g) == 1 && !txn.GaveWay(err) {
		g.refuse(unavailable(err))
		return nil
	}
	for i, m := range g {
		if ended := m.ended(); ended != nil {
			m.answer(record.Result{}, ended)
			continue
		}
		held, err := s.alone(lane, m)
		left = append(left, held...)
		if err == nil {
			continue
		}
		m.answer(record.Result{}, unavailable(err))
		if !alive(err) {
			g[i+1:].refuse(unavailable(err))
			return left
		}
	}
	return left
}

// alone runs a member in a transaction of its own, until it does not fail by a
// clash with another.
func (s *Store) alone(lane lane, m *member) (left group, err error) {
	err = txn.Retry(context.Background(), func() error {
		return s.transact(lane, func(ctx context.Context, tx transaction) (err error) {
			left, err = s.settle(ctx, tx, group{m})
			return err
		})
	})
	return left, err
}

// transact runs f in a transaction on a connection of its own, on the server's
// own context.
func (s *Store) transact(lane lane, f func(context.Context, transaction) error) (err error) {
	defer func() {
		if r := recover(); r != nil { // whoever asks goes on without its answer, not the whole server
			err = fmt.Errorf("entstore: panic: %v\n%s", r, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), transactionTime)
	defer cancel()
	conn, err := s.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it was closed already if it is of no more use
	var failed error
	err = conn.Raw(func(driverConn any) (spoilt error) {
		failed, spoilt = s.carryOut(ctx, driverConn, lane, f)
		return spoilt
	})
	if failed == nil && !errors.Is(err, driver.ErrBadConn) {
		failed = err
	}
	return failed
}

// carryOut runs f in a transaction. spoilt says that the connection is not to be
// used again.
func (s *Store) carryOut(ctx context.Context, driverConn any, lane lane, f func(context.Context, transaction) error) (failed, spoilt error) {
	tx, err := s.begin(ctx, driverConn, lane)
	if err != nil {
		return err, nil
	}
	failed = f(ctx, tx)
	if tx.end() != nil {
		spoilt = driver.ErrBadConn
	}
	return failed, spoilt
}

func (s *Store) begin(ctx context.Context, driverConn any, lane lane) (transaction, error) {
	switch conn := driverConn.(type) {
	case *stdlib.Conn:
		return &postgresTransaction{conn: conn.Conn(), patient: lane == patient}, nil
	case sqliteConn:
		return beginSQLite(ctx, conn)
	}
	return nil, fmt.Errorf("entstore: unknown connection %T", driverConn)
}

// settle carries out a group and answers its members, save those that it leaves
// over: another process has their owners' rows locked. With an error, nothing
// was committed and nobody answered.
func (s *Store) settle(ctx context.Context, tx transaction, g group) (left group, err error) {
	if len(g) == 0 {
		return nil, nil
	}
	state, err := tx.read(ctx, g.wants())
	if err != nil {
		return nil, err
	}
	state.countMembers(g)
	all := make([]judged, 0, len(g))
	commit := false
	for _, m := range g {
		if state.accounts[m.owner] == nil {
			left = append(left, m)
			continue
		}
		j := state.judge(m, s.now())
		commit = commit || j.needsCommit()
		all = append(all, j)
	}
	if lacking := withoutData(all); len(lacking) > 0 {
		if err := tx.readData(ctx, lacking); err != nil {
			return nil, err
		}
	}
	if commit {
		err = tx.keep(ctx, state.collect(all))
	}
	if err != nil && !outcomeUnknown(err) {
		return nil, err
	}
	for _, j := range all {
		j.answer(err)
	}
	return left, nil
}

func encodeRevisions(revisions []record.Revision) []byte {
	var b []byte
	for _, r := range revisions {
		b = binary.AppendUvarint(b, uint64(r))
	}
	return b
}

func decodeMutation(digest, revisions []byte) (*record.Mutation, error) {
	if len(digest) != len(record.Digest{}) {
		return nil, errors.New("entstore: a stored digest is damaged")
	}
	decoded, err := decodeRevisions(revisions)
	return &record.Mutation{Digest: record.Digest(digest), Revisions: decoded}, err
}

func decodeRevisions(b []byte) ([]record.Revision, error) {
	var revisions []record.Revision
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return nil, errors.New("entstore: stored revisions are damaged")
		}
		revisions = append(revisions, record.Revision(n))
		b = b[size:]
	}
	return revisions, nil
}
