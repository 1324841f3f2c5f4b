package datasync

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"time"

	"syncline/ent"
	"syncline/ent/account"
	entrecord "syncline/ent/record"
	"syncline/pubsub"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/owners"
)

// Note is something of a source that an operator should know.
type Note struct {
	User string  // as it stands in the source
	ID   *string // of the record; nil: the user as a whole
	Text string
	Lost bool // it cannot be kept
}

func (n Note) String() string {
	if n.ID == nil {
		return fmt.Sprintf("user %q: %s", n.User, n.Text)
	}
	id := *n.ID
	if len(id) > owners.MaxIDBytes {
		id = id[:owners.MaxIDBytes] + "…"
	}
	return fmt.Sprintf("user %q, record %q: %s", n.User, id, n.Text)
}

// Counts is how much was imported, or compared.
type Counts struct {
	Owners, Records int64
	Bytes           int64 // of the records' data
}

func (c *Counts) add(records, bytes int64) {
	c.Owners++
	c.Records += records
	c.Bytes += bytes
}

// Import is an import under way.
type Import struct {
	From *Source
	To   *storage.DB
	// Note is told, once each, of what is not imported exactly, or not at all.
	Note func(Note)
	// Progress is called now and then.
	Progress func(doing string, sofar Counts)
	Now      func() time.Time
}

// Result is what an import came to.
type Result struct {
	Imported Counts // by this run
	Same     Counts // those of the source who are here as they are there, imported by this run or before
	Lost     int64  // users and records that cannot be kept
	Other    int64  // owners who have another history here, and were left as they are
	// LockedUntil is when the last lock expires that was held there. It was not
	// imported: until then nobody should be able to take it here. Zero if there is none.
	LockedUntil time.Time
}

// Run imports each owner who has no history here, in a transaction of its own, and then
// compares all with the source. If it is interrupted, it can be run again.
func (i *Import) Run(ctx context.Context) (Result, error) {
	var result Result
	var err error
	if result.LockedUntil, err = i.From.lockedUntil(ctx); err != nil {
		return result, err
	}
	note := func(n Note) {
		if n.Lost {
			result.Lost++
		}
		i.Note(n)
	}
	err = i.From.users(ctx, func(user string) error {
		owner, err := pubsub.ParseOwner(user)
		if err != nil {
			note(Note{User: user, Text: err.Error(), Lost: true})
			return nil //nolint:nilerr // it is told, and the others follow
		}
		made, err := i.owner(ctx, user, owner)
		if errors.Is(err, owners.ErrNotEmpty) {
			return nil // the comparison tells whether it is the same
		}
		if err != nil {
			return fmt.Errorf("import %s: %w", owner, err)
		}
		if made != nil {
			result.Imported.add(made.Records, made.Bytes)
			i.Progress("imported", result.Imported)
		}
		return nil
	})
	if err != nil {
		return result, err
	}
	err = i.compareAll(ctx, note, &result)
	return result, err
}

// owner imports one, all of it or nothing. It answers nil for who has nothing.
func (i *Import) owner(ctx context.Context, user string, owner record.Owner) (*owners.Making, error) {
	tx, err := i.To.Write.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it fails, else the connection is lost with its transaction
	now := i.Now()
	made, err := owners.Begin(ctx, tx, owner, func(owners.Counts) {})
	if err != nil {
		return nil, err
	}
	head, err := i.From.records(ctx, user, func(Note) {}, func(r record.Record) error { // the comparison notes
		r.UpdatedAt = now
		return made.Add(ctx, r)
	})
	if err != nil || head == 0 {
		return nil, err
	}
	if err := made.Finish(ctx, owners.History{Head: head}, now); err != nil {
		return nil, err
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return made, nil
}

// compareAll compares what is here with the source, owner by owner.
func (i *Import) compareAll(ctx context.Context, note func(Note), result *Result) error {
	return i.From.users(ctx, func(user string) error {
		owner, err := pubsub.ParseOwner(user)
		if err != nil {
			return nil //nolint:nilerr // it was noted
		}
		there, counts := newSummary(), Counts{}
		head, err := i.From.records(ctx, user, note, func(r record.Record) error {
			counts.Records++
			counts.Bytes += int64(len(r.Data))
			there.add(r)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read %s there: %w", owner, err)
		}
		if head == 0 {
			return nil
		}
		here, err := i.summaryHere(ctx, owner, head, counts)
		if err != nil {
			return fmt.Errorf("read %s here: %w", owner, err)
		}
		if here != there.sum(head) {
			result.Other++
			i.Note(Note{User: user, Text: "has another history here, and was left as it is"})
			return nil
		}
		result.Same.add(counts.Records, counts.Bytes)
		i.Progress("compared", result.Same)
		return nil
	})
}

// summaryHere is that of an owner in the database that is imported into. It is that of
// nobody if head or counts are others.
func (i *Import) summaryHere(ctx context.Context, owner record.Owner, head record.Revision, counts Counts) (sum [sha256.Size]byte, err error) {
	tx, err := i.To.Read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return sum, fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // there is nothing to lose
	a, err := tx.Account.Query().Where(account.ID(owner[:])).Only(ctx)
	if ent.IsNotFound(err) {
		return sum, nil
	}
	if err != nil {
		return sum, fmt.Errorf("the account: %w", err)
	}
	if a.Head != int64(head) || a.Floor != 0 || a.Erased != 0 || a.Tombstones != 0 || a.RecordCount != counts.Records || a.StoredBytes != counts.Bytes {
		return sum, nil
	}
	const page = 64 // records, which may have been over today's limits
	here := newSummary()
	for after := int64(0); ; {
		rows, err := tx.Record.Query().Where(entrecord.Owner(owner[:]), entrecord.RevisionGT(after)).
			Order(ent.Asc(entrecord.FieldRevision)).Limit(page).All(ctx)
		if err != nil {
			return sum, fmt.Errorf("the records after revision %d: %w", after, err)
		}
		for _, r := range rows {
			after = r.Revision
			kept := record.Record{ID: r.ID, Revision: record.Revision(r.Revision), SchemaVersion: r.SchemaVersion}
			if r.Data != nil {
				kept.Data = *r.Data
			}
			here.add(kept)
		}
		if len(rows) < page {
			return here.sum(head), nil
		}
	}
}

// summary is a SHA-256 over an owner's records in order of revision, and its head.
type summary struct{ hash.Hash }

func newSummary() summary { return summary{sha256.New()} }

func (s summary) add(r record.Record) {
	text := binary.AppendUvarint(nil, uint64(r.Revision))
	for _, part := range [][]byte{[]byte(r.ID), []byte(r.SchemaVersion), r.Data} {
		text = append(binary.AppendUvarint(text, uint64(len(part))), part...)
	}
	_, _ = s.Write(text) // it never fails
}

func (s summary) sum(head record.Revision) (sum [sha256.Size]byte) {
	_, _ = s.Write(binary.AppendUvarint(nil, uint64(head)))
	copy(sum[:], s.Sum(nil))
	return sum
}
