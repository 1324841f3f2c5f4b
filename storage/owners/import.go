package owners

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"syncline/ent"
	"syncline/ent/account"
	"syncline/pubsub"
	"syncline/record"
	"syncline/storage"
)

// ErrNotEmpty says that the owner has written here before: revisions that clients
// know would pass for others.
var ErrNotEmpty = errors.New("the owner has written here before: only an owner without a history can be imported")

var (
	errNoExport = errors.New("this is not an export of an owner")
	errCut      = errors.New("the export was cut short: it has no end")
)

// maxLine is more than a record has as JSON.
const maxLine = 1 << 20

// Import makes an owner as an export has it, with its revisions, in one transaction:
// all of it, or nothing. as, if it is not nil, is who gets the data in place of the
// owner that it is of. Errors name the line that is at fault, and may be ErrNotEmpty.
func Import(ctx context.Context, db *storage.DB, as *record.Owner, from io.Reader, now time.Time, progress func(Counts)) (record.Owner, Counts, error) {
	in := &reader{lines: bufio.NewScanner(from)}
	in.lines.Buffer(nil, maxLine)
	owner, head, err := in.header(as)
	if err != nil {
		return owner, Counts{}, err
	}
	tx, err := db.Write.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return owner, Counts{}, fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it fails, else the connection is lost with its transaction
	counts, err := in.into(ctx, tx, owner, head, now, progress)
	if err != nil {
		return owner, Counts{}, err
	}
	if err := tx.Commit(); err != nil {
		return owner, Counts{}, fmt.Errorf("commit: %w", err)
	}
	return owner, counts, nil
}

// into carries out an import but for the commit.
func (in *reader) into(ctx context.Context, tx *ent.Tx, owner record.Owner, head header, now time.Time, progress func(Counts)) (counts Counts, err error) {
	if err := tx.Account.Create().SetID(owner[:]).OnConflictColumns(account.FieldID).Ignore().Exec(ctx); err != nil {
		return counts, fmt.Errorf("make the account: %w", err)
	}
	// The update locks the account, so that no write of the owner comes in between.
	updated, err := tx.Account.Update().Where(account.ID(owner[:]), account.Head(0)).SetHead(int64(head.Head)).SetFloor(int64(head.Floor)).Save(ctx)
	if err != nil {
		return counts, fmt.Errorf("lock the account: %w", err)
	}
	if updated == 0 {
		return counts, ErrNotEmpty
	}
	var rows []*ent.RecordCreate
	through := 0 // the line of the last of them
	insert := func() error {
		if len(rows) == 0 {
			return nil
		}
		if err := tx.Record.CreateBulk(rows...).Exec(ctx); err != nil {
			return fmt.Errorf("lines %d to %d: insert: %w", through-len(rows)+1, through, err)
		}
		rows = rows[:0]
		progress(counts)
		return nil
	}
	last := record.Revision(0)
	for {
		r, ends, err := in.next()
		if err != nil {
			return counts, err
		}
		if ends != nil {
			if *ends != counts {
				return counts, in.failed(fmt.Errorf("the export says that it has %+v, and has %+v", *ends, counts))
			}
			break
		}
		if err := r.check(last, head); err != nil {
			return counts, in.failed(err)
		}
		last = r.Revision
		row := tx.Record.Create().SetOwner(owner[:]).SetID(r.ID).SetRevision(int64(r.Revision)).SetDeleted(r.Deleted).
			SetSchemaVersion(r.SchemaVersion).SetClientID(r.ClientID).SetUpdatedAt(r.UpdatedAt.UnixMicro())
		if r.Deleted {
			counts.Tombstones++
		} else {
			row.SetData(*r.Data)
			counts.Records++
			counts.Bytes += int64(len(*r.Data))
		}
		through = in.line
		if rows = append(rows, row); len(rows) == pageRows {
			if err := insert(); err != nil {
				return counts, err
			}
		}
	}
	if err := insert(); err != nil {
		return counts, err
	}
	before, err := tx.Account.Query().Where(account.ID(owner[:])).Only(ctx)
	if err != nil {
		return counts, fmt.Errorf("read the account: %w", err)
	}
	change := tx.Account.Update().Where(account.ID(owner[:])).
		SetRecordCount(counts.Records).SetStoredBytes(counts.Bytes).SetTombstones(counts.Tombstones).
		SetFenceToken(max(before.FenceToken, int64(head.FenceToken))).
		SetForgottenToken(max(before.ForgottenToken, int64(head.FenceToken))) // locks are not imported
	if before.CreatedAt == 0 {
		change.SetCreatedAt(now.UnixMicro())
	}
	if err := change.Exec(ctx); err != nil {
		return counts, fmt.Errorf("change the account: %w", err)
	}
	if err := tx.RestoredHead.Create().SetOwner(owner[:]).SetID(storage.ImportedHead).SetHead(int64(head.RestoredHead)).Exec(ctx); err != nil {
		return counts, fmt.Errorf("note the head: %w", err)
	}
	return counts, nil
}

// reader reads the lines of an export.
type reader struct {
	lines *bufio.Scanner
	line  int
}

func (in *reader) failed(err error) error { return fmt.Errorf("line %d: %w", in.line, err) }

func (in *reader) header(as *record.Owner) (owner record.Owner, h header, err error) {
	if err := in.decode(&h); errors.Is(err, io.EOF) || h.Format != format {
		return owner, h, in.failed(errNoExport)
	} else if err != nil {
		return owner, h, err
	}
	if owner, err = pubsub.ParseOwner(h.Owner); err != nil {
		return owner, h, in.failed(err)
	}
	if h.Head < 1 || h.Head > record.MaxRevision || h.Floor < 0 || h.Floor > h.Head || h.FenceToken < 0 || int64(h.FenceToken) > int64(record.MaxRevision) {
		return owner, h, in.failed(fmt.Errorf("head %d, floor %d and fence token %d cannot be", h.Head, h.Floor, h.FenceToken))
	}
	if h.RestoredHead < 0 || h.RestoredHead > h.Head {
		return owner, h, in.failed(fmt.Errorf("the restored head %d cannot be, the head is %d", h.RestoredHead, h.Head))
	}
	if as != nil {
		owner = *as
	}
	return owner, h, nil
}

// next reads a record, or the end.
func (in *reader) next() (r recordLine, ends *Counts, err error) {
	var line struct {
		recordLine
		End *Counts `json:"end"`
	}
	if err := in.decode(&line); errors.Is(err, io.EOF) {
		return r, nil, errCut
	} else if err != nil {
		return r, nil, err
	}
	if line.End == nil {
		return line.recordLine, nil, nil
	}
	if err := in.decode(&line); !errors.Is(err, io.EOF) {
		return r, nil, in.failed(errors.New("something comes after the end"))
	}
	in.line-- // back at the end
	return r, line.End, nil
}

// decode reads a line. The error is io.EOF if there is none.
func (in *reader) decode(into any) error {
	in.line++
	if !in.lines.Scan() {
		if err := in.lines.Err(); err != nil {
			return in.failed(err)
		}
		return io.EOF
	}
	d := json.NewDecoder(bytes.NewReader(in.lines.Bytes()))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return in.failed(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return in.failed(errors.New("there is more on the line than one value"))
	}
	return nil
}

// check tells what is wrong with a record that comes after a revision.
func (r recordLine) check(after record.Revision, head header) error {
	switch {
	case r.Revision <= after || r.Revision > head.Head:
		return fmt.Errorf("revision %d comes after %d, and the head is %d", r.Revision, after, head.Head)
	case r.Deleted && r.Revision <= head.Floor:
		return fmt.Errorf("a tombstone at revision %d, and the floor is %d", r.Revision, head.Floor)
	case r.Deleted != (r.Data == nil):
		return errors.New("a record has data and a tombstone has none")
	}
	kept := record.Record{ID: r.ID, Revision: r.Revision, SchemaVersion: r.SchemaVersion, ClientID: r.ClientID}
	if r.Data != nil {
		kept.Data = *r.Data
	}
	return record.Check(kept)
}
