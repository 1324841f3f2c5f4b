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
	"syncline/pubsub"
	"syncline/record"
	"syncline/storage"
)

var (
	errNoExport = errors.New("this is not an export of an owner")
	errCut      = errors.New("the export was cut short: it has no end")
)

const (
	// maxHeader is more than a header has as JSON.
	maxHeader = 64 << 10
	// maxLine is more than a record has as JSON, which takes six bytes for one of text at
	// most, and fewer for one of data.
	maxLine = 6*MaxBytes + 4<<10
)

// Import makes an owner as an export has it, with its revisions, in one transaction:
// all of it, or nothing. as, if it is not nil, is who gets the data in place of the
// owner that it is of. Errors name the line that is at fault, and may be ErrNotEmpty.
func Import(ctx context.Context, db *storage.DB, as *record.Owner, from io.Reader, now time.Time, progress func(Counts)) (record.Owner, Counts, error) {
	in := &reader{text: bufio.NewReaderSize(from, maxHeader)}
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
func (in *reader) into(ctx context.Context, tx *ent.Tx, owner record.Owner, head header, now time.Time, progress func(Counts)) (Counts, error) {
	made, err := Begin(ctx, tx, owner, progress)
	if err != nil {
		return Counts{}, err
	}
	through := 0 // the line of the last record
	lines := func(err error) error {
		if failed, ok := errors.AsType[*insertError](err); ok {
			return fmt.Errorf("lines %d to %d: %w", through-failed.rows+1, through, err)
		}
		return err
	}
	last := record.Revision(0)
	for {
		r, ends, err := in.next()
		if err != nil {
			return made.Counts, err
		}
		if ends != nil {
			if *ends != made.Counts {
				return made.Counts, in.failed(fmt.Errorf("the export says that it has %+v, and has %+v", *ends, made.Counts))
			}
			break
		}
		if err := r.check(last, head); err != nil {
			return made.Counts, in.failed(err)
		}
		last, through = r.Revision, in.line
		kept := record.Record{ID: *r.ID, Revision: r.Revision, Deleted: r.Deleted, SchemaVersion: r.SchemaVersion, ClientID: r.ClientID, UpdatedAt: r.UpdatedAt}
		if r.Data != nil {
			kept.Data = *r.Data
		}
		if err := made.Add(ctx, kept); err != nil {
			return made.Counts, lines(err)
		}
	}
	if err := made.Finish(ctx, History{head.Head, head.Floor, head.FenceToken}, now); err != nil {
		return made.Counts, lines(err)
	}
	if err := tx.RestoredHead.Create().SetOwner(owner[:]).SetID(storage.ImportedHead).SetHead(int64(head.RestoredHead)).Exec(ctx); err != nil {
		return made.Counts, fmt.Errorf("note the head: %w", err)
	}
	return made.Counts, nil
}

// reader reads the lines of an export.
type reader struct {
	text *bufio.Reader
	line int
}

func (in *reader) failed(err error) error { return fmt.Errorf("line %d: %w", in.line, err) }

func (in *reader) header(as *record.Owner) (owner record.Owner, h header, err error) {
	text, err := in.read(in.text.ReadSlice)
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		return owner, h, err
	}
	if err := in.decode(text, &h); h.Format != format {
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
	text, err := in.read(in.readLine)
	if err != nil {
		return r, nil, err
	}
	if len(text) == 0 {
		return r, nil, errCut
	}
	if err := in.decode(text, &line); err != nil {
		return r, nil, err
	}
	if line.End == nil {
		return line.recordLine, nil, nil
	}
	rest, err := in.read(in.readLine)
	if err != nil {
		return r, nil, err
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return r, nil, in.failed(errors.New("something comes after the end"))
	}
	in.line-- // back at the end
	return r, line.End, nil
}

// readLine is ReadBytes of text, but for lines over maxLine.
func (in *reader) readLine(delim byte) (line []byte, err error) {
	for {
		part, err := in.text.ReadSlice(delim)
		if len(line)+len(part) > maxLine {
			return nil, fmt.Errorf("it has more than %d bytes, which is no record", maxLine)
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// read reads a line, by a method of text or readLine. Where the file ends it is empty.
func (in *reader) read(line func(delim byte) ([]byte, error)) ([]byte, error) {
	in.line++
	text, err := line('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, in.failed(err)
	}
	return text, nil
}

func (in *reader) decode(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
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
	case r.ID == nil:
		return errors.New("a record has an id")
	case r.Revision <= after || r.Revision > head.Head:
		return fmt.Errorf("revision %d comes after %d, and the head is %d", r.Revision, after, head.Head)
	case r.Deleted && r.Revision <= head.Floor:
		return fmt.Errorf("a tombstone at revision %d, and the floor is %d", r.Revision, head.Floor)
	case r.Deleted != (r.Data == nil):
		return errors.New("a record has data and a tombstone has none")
	}
	kept := record.Record{ID: *r.ID, SchemaVersion: r.SchemaVersion, ClientID: r.ClientID}
	if r.Data != nil {
		kept.Data = *r.Data
	}
	return Check(kept)
}
