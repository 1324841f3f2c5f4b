package owners

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"syncline/ent"
	"syncline/ent/account"
	"syncline/record"
)

// ErrNotEmpty says that the owner has written here before: revisions that clients
// know would pass for others.
var ErrNotEmpty = errors.New("the owner has written here before: only an owner without a history can be imported")

// MaxIDBytes is how long an id may be: PostgreSQL's index takes 2704 bytes, with the
// owner and what it adds.
const MaxIDBytes = 2000

// MaxBytes is how much a record may have, of text and data: a page's worth, and what a
// message of data-sync had at most.
const MaxBytes = record.MaxPageBytes

// Check tells what cannot be kept of a record: by one of the databases at least, or because it is
// over MaxBytes. Data from
// elsewhere may be over the limits that the server has for new writes.
func Check(r record.Record) error {
	if len(r.ID) > MaxIDBytes {
		return fmt.Errorf("an id of %d bytes, which PostgreSQL cannot index", len(r.ID))
	}
	if n := len(r.ID) + len(r.SchemaVersion) + len(r.ClientID) + len(r.Data); n > MaxBytes {
		return fmt.Errorf("a record of %d bytes, of which %d can be kept", n, MaxBytes)
	}
	for _, text := range []string{r.ID, r.SchemaVersion, r.ClientID} {
		switch {
		case !utf8.ValidString(text):
			return errors.New("text that is not UTF-8")
		case strings.ContainsRune(text, 0):
			return errors.New("text with a NUL")
		}
	}
	return nil
}

// Making is an owner who is made with a history, in a transaction that is the
// caller's. It is used by one goroutine.
type Making struct {
	// Counts is what was added so far.
	Counts
	tx       *ent.Tx
	owner    record.Owner
	progress func(Counts)
	rows     []*ent.RecordCreate
	bytes    int
}

// insertError is about the last rows that were added.
type insertError struct {
	rows int
	err  error
}

func (e *insertError) Error() string { return "insert: " + e.err.Error() }

func (e *insertError) Unwrap() error { return e.err }

// Begin locks the account of an owner who has no history. progress is called now and
// then with what was added so far. The error may be ErrNotEmpty.
func Begin(ctx context.Context, tx *ent.Tx, owner record.Owner, progress func(Counts)) (*Making, error) {
	if err := tx.Account.Create().SetID(owner[:]).OnConflictColumns(account.FieldID).Ignore().Exec(ctx); err != nil {
		return nil, fmt.Errorf("make the account: %w", err)
	}
	// The update locks the account, so that no write of the owner comes in between.
	updated, err := tx.Account.Update().Where(account.ID(owner[:]), account.Head(0)).SetHead(0).Save(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock the account: %w", err)
	}
	if updated == 0 {
		return nil, ErrNotEmpty
	}
	return &Making{tx: tx, owner: owner, progress: progress}, nil
}

// Add adds a record or a tombstone. Each has its own id, and a revision of its own up
// to the head.
func (m *Making) Add(ctx context.Context, r record.Record) error {
	const batchBytes = 4 << 20
	row := m.tx.Record.Create().SetOwner(m.owner[:]).SetID(r.ID).SetRevision(int64(r.Revision)).SetDeleted(r.Deleted).
		SetSchemaVersion(r.SchemaVersion).SetClientID(r.ClientID).SetUpdatedAt(r.UpdatedAt.UnixMicro())
	if r.Deleted {
		m.Tombstones++
	} else {
		data := r.Data
		if data == nil { // empty data is not missing
			data = []byte{}
		}
		row.SetData(data)
		m.Records++
		m.Bytes += int64(len(data))
	}
	m.rows, m.bytes = append(m.rows, row), m.bytes+len(r.Data)
	if len(m.rows) == pageRows || m.bytes >= batchBytes {
		return m.insert(ctx)
	}
	return nil
}

func (m *Making) insert(ctx context.Context) error {
	if len(m.rows) == 0 {
		return nil
	}
	if err := m.tx.Record.CreateBulk(m.rows...).Exec(ctx); err != nil {
		return &insertError{len(m.rows), err}
	}
	m.rows, m.bytes = m.rows[:0], 0
	m.progress(m.Counts)
	return nil
}

// History is what an owner has beside records.
type History struct {
	Head, Floor record.Revision
	FenceToken  record.FenceToken // tokens go on above it
}

// Finish gives the owner its history, and adds up the account. What is left is the commit.
func (m *Making) Finish(ctx context.Context, h History, now time.Time) error {
	if err := m.insert(ctx); err != nil {
		return err
	}
	before, err := m.tx.Account.Query().Where(account.ID(m.owner[:])).Only(ctx)
	if err != nil {
		return fmt.Errorf("read the account: %w", err)
	}
	change := m.tx.Account.Update().Where(account.ID(m.owner[:])).
		SetHead(int64(h.Head)).SetFloor(int64(h.Floor)).SetRecordCount(m.Records).SetStoredBytes(m.Bytes).SetTombstones(m.Tombstones).
		SetFenceToken(max(before.FenceToken, int64(h.FenceToken))).
		SetForgottenToken(max(before.ForgottenToken, int64(h.FenceToken))) // locks are not imported
	if before.CreatedAt == 0 {
		change.SetCreatedAt(now.UnixMicro())
	}
	if err := change.Exec(ctx); err != nil {
		return fmt.Errorf("change the account: %w", err)
	}
	return nil
}
