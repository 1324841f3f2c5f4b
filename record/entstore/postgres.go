package entstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"syncline/internal/txn"
	"syncline/record"
)

// postgresTransaction is a transaction of PostgreSQL. Its statements go out in
// two batches, so that it takes two round trips: one that begins, locks and
// reads, and one that writes and commits.
type postgresTransaction struct {
	conn *pgx.Conn
	// patient waits for rows that others have locked, instead of leaving them out.
	patient bool
}

// end rolls back what was not committed. An error says that the connection is
// of no more use.
func (t *postgresTransaction) end() error {
	if t.conn.PgConn().TxStatus() == 'I' || t.conn.IsClosed() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTime)
	defer cancel()
	_, err := t.conn.Exec(ctx, "rollback")
	return err
}

// rollbackTime bounds a rollback, which has nothing to wait for.
const rollbackTime = 5 * time.Second

func (s *state) scanEpoch(row pgx.Row) error {
	var (
		base int64
		name []byte
	)
	err := row.Scan(&base, &name)
	s.setEpoch(base, name)
	return err
}

// read locks the accounts by a statement of its own: what the next ones read
// includes all that was committed before. A single statement that locks and
// reads would read what was there before it waited.
func (t *postgresTransaction) read(ctx context.Context, w wants) (*state, error) {
	s := newState()
	lock := postgresAccounts
	if t.patient {
		lock = postgresAccountsPatient
	}
	var b pgx.Batch
	b.Queue("begin isolation level read committed")
	b.Queue(neverScan)
	b.Queue(lock, ownerColumn(w.owners)).Query(s.scanAccounts)
	b.Queue(selectEpoch).QueryRow(s.scanEpoch)
	s.queueReads(&b, w)
	if err := t.conn.SendBatch(ctx, &b).Close(); err != nil {
		return nil, err
	}
	if len(s.accounts) == len(w.owners) {
		return s, nil
	}
	return s, t.addAccounts(ctx, s, w)
}

// neverScan is for statements planned while a table was tiny, which would go on
// to read all of it as it grows.
const neverScan = "set local enable_seqscan = off"

// addAccounts makes rows for owners who have none, which locks them, and reads
// once more. Owners whose rows another transaction is making are left out, if
// that takes long: PostgreSQL knows no way to skip them.
func (t *postgresTransaction) addAccounts(ctx context.Context, s *state, w wants) error {
	var missing []record.Owner
	for _, owner := range w.owners {
		if s.accounts[owner] == nil {
			missing = append(missing, owner)
		}
	}
	var b pgx.Batch
	if !t.patient {
		b.Queue("savepoint accounts")
		b.Queue("set local lock_timeout = " + newAccountTime)
	}
	b.Queue(postgresNewAccounts, ownerColumn(missing)).Query(s.scanNewAccounts)
	if !t.patient {
		b.Queue("set local lock_timeout to default")
	}
	s.queueReads(&b, w)
	err := t.conn.SendBatch(ctx, &b).Close()
	if !t.patient && txn.LeftWaiting(err) {
		for _, owner := range missing { // also of those whose rows were made, and are gone again
			delete(s.accounts, owner)
		}
		_, err = t.conn.Exec(ctx, "rollback to savepoint accounts")
	}
	return err
}

// newAccountTime is how long another transaction that makes the same account is
// waited for: a healthy one takes less.
const newAccountTime = "'50ms'"

// queueReads asks for what the accounts that are locked are judged by.
func (s *state) queueReads(b *pgx.Batch, w wants) {
	queueKeys(b, postgresStored, w.records, s.scanRecord)
	queueKeys(b, postgresMutations, w.mutations, s.scanMutation)
	queueKeys(b, postgresFences, w.fences, s.scanFence)
}

func (t *postgresTransaction) readData(ctx context.Context, lacking map[key][]*record.Record) error {
	keys := make([]key, 0, len(lacking))
	for k := range lacking {
		keys = append(keys, k)
	}
	var b pgx.Batch
	queueKeys(&b, postgresData, keys, func(rows pgx.Rows) error {
		var (
			owner, data []byte
			id          string
		)
		err := rows.Scan(&owner, &id, &data)
		if err == nil {
			fill(lacking[key{record.Owner(owner), id}], data)
		}
		return err
	})
	return t.conn.SendBatch(ctx, &b).Close()
}

// queueKeys asks for the rows that some keys name.
func queueKeys(b *pgx.Batch, statement string, keys []key, scan func(pgx.Rows) error) {
	if len(keys) == 0 {
		return
	}
	owners, ids := make([][]byte, len(keys)), make([]string, len(keys))
	for i := range keys {
		owners[i], ids[i] = keys[i].owner[:], keys[i].id
	}
	b.Queue(statement, owners, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

func ownerColumn(owners []record.Owner) [][]byte {
	column := make([][]byte, len(owners))
	for i := range owners {
		column[i] = owners[i][:]
	}
	return column
}

func (s *state) scanAccounts(rows pgx.Rows) error {
	for rows.Next() {
		var (
			owner []byte
			a     record.Account
		)
		if err := rows.Scan(&owner, &a.Head, &a.RecordCount, &a.StoredBytes); err != nil {
			return err
		}
		s.addAccount(record.Owner(owner), a)
	}
	return rows.Err()
}

func (s *state) scanNewAccounts(rows pgx.Rows) error {
	for rows.Next() {
		var owner []byte
		if err := rows.Scan(&owner); err != nil {
			return err
		}
		s.addAccount(record.Owner(owner), record.Account{})
	}
	return rows.Err()
}

func (s *state) scanRecord(rows pgx.Rows) error {
	var (
		owner     []byte
		r         record.Stored
		updatedAt int64
	)
	err := rows.Scan(&owner, &r.ID, &r.Revision, &r.Deleted, &r.SchemaVersion, &r.ClientID, &updatedAt, &r.DataBytes)
	r.UpdatedAt = time.UnixMicro(updatedAt).UTC()
	if err == nil {
		s.addRecord(key{record.Owner(owner), r.ID}, r)
	}
	return err
}

func (s *state) scanMutation(rows pgx.Rows) error {
	var (
		owner, digest, revisions []byte
		id                       string
	)
	err := rows.Scan(&owner, &id, &digest, &revisions)
	if err == nil {
		s.addMutation(key{record.Owner(owner), id}, digest, revisions)
	}
	return err
}

func (s *state) scanFence(rows pgx.Rows) error {
	var (
		owner []byte
		id    string
		fence int64
	)
	err := rows.Scan(&owner, &id, &fence)
	if err == nil {
		s.addFence(key{record.Owner(owner), id}, fence)
	}
	return err
}

// keep sends the commit along with what it commits: a statement that fails has
// the server skip all that follow.
func (t *postgresTransaction) keep(ctx context.Context, k keeps) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var b pgx.Batch
	if len(k.records) > 0 {
		b.Queue(postgresKeepRecords, recordColumnsOf(k.records)...)
	}
	if len(k.accounts) > 0 {
		b.Queue(postgresKeepAccounts, accountColumnsOf(k.accounts)...)
	}
	if len(k.mutations) > 0 {
		b.Queue(postgresKeepMutations, mutationColumnsOf(k.mutations)...)
	}
	b.Queue("commit").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return errRolledBack
		}
		return nil
	})
	return asUnknown(t.conn.SendBatch(ctx, &b).Close())
}

func recordColumnsOf(records []keptRecord) []any {
	var (
		n              = len(records)
		owners         = make([][]byte, n)
		ids            = make([]string, n)
		revisions      = make([]int64, n)
		deleted        = make([]bool, n)
		schemaVersions = make([]string, n)
		clientIDs      = make([]string, n)
		updatedAt      = make([]int64, n)
		data           = make([][]byte, n)
	)
	for i, r := range records {
		owners[i], ids[i], revisions[i] = r.owner[:], r.ID, int64(r.Revision)
		deleted[i], schemaVersions[i], clientIDs[i] = r.Deleted, r.SchemaVersion, r.ClientID
		updatedAt[i], data[i] = r.UpdatedAt.UnixMicro(), r.Data
	}
	return []any{owners, ids, revisions, deleted, schemaVersions, clientIDs, updatedAt, data}
}

func accountColumnsOf(accounts []keptAccount) []any {
	n := len(accounts)
	owners, heads, counts, sizes := make([][]byte, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i := range accounts {
		a := &accounts[i]
		owners[i], heads[i], counts[i], sizes[i] = a.owner[:], int64(a.Head), a.RecordCount, a.StoredBytes
	}
	return []any{owners, heads, counts, sizes}
}

func mutationColumnsOf(mutations []keptMutation) []any {
	n := len(mutations)
	owners, ids, heads := make([][]byte, n), make([]string, n), make([]int64, n)
	digests, revisions := make([][]byte, n), make([][]byte, n)
	for i, m := range mutations {
		owners[i], ids[i], heads[i] = m.owner[:], m.id, int64(m.head)
		digests[i], revisions[i] = m.Digest[:], encodeRevisions(m.Revisions)
	}
	return []any{owners, ids, digests, revisions, heads}
}
