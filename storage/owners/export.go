package owners

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"syncline/ent"
	"syncline/ent/account"
	entrecord "syncline/ent/record"
	"syncline/ent/restoredhead"
	"syncline/record"
	"syncline/storage"
)

// An export is lines of JSON: a header, a line for each record and tombstone in order
// of revision, and an end, without which a file was cut short.

const format = "syncline owner 1"

type header struct {
	Format     string            `json:"format"`
	Owner      string            `json:"owner"`
	Head       record.Revision   `json:"head"`
	Floor      record.Revision   `json:"floor"`
	FenceToken record.FenceToken `json:"fenceToken"`
	// RestoredHead is for devices that come from here: what they have above it may not
	// be in the export.
	RestoredHead record.Revision `json:"restoredHead"`
	ExportedAt   time.Time       `json:"exportedAt"`
}

type recordLine struct {
	ID            *string         `json:"id"`
	Revision      record.Revision `json:"revision"`
	Deleted       bool            `json:"deleted,omitempty"`
	SchemaVersion string          `json:"schemaVersion,omitempty"`
	ClientID      string          `json:"clientId,omitempty"`
	UpdatedAt     time.Time       `json:"updatedAt"`
	Data          *[]byte         `json:"data,omitempty"`
}

type end struct {
	Ends Counts `json:"end"`
}

// Counts is how much was exported or imported.
type Counts struct {
	Records    int64 `json:"records"`
	Bytes      int64 `json:"bytes"` // of their data
	Tombstones int64 `json:"tombstones"`
}

// pageRows is how many records are read or written at a time.
const pageRows = 500

// Export writes all that an owner has, as it is at one instant, but for locks and
// mutation ids. progress is called now and then with what was written so far. The
// error may be ErrUnknown.
func Export(ctx context.Context, db *storage.DB, owner record.Owner, to io.Writer, now time.Time, progress func(Counts)) (Counts, error) {
	tx, err := db.Read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return Counts{}, fmt.Errorf("begin to read: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // there is nothing to lose
	a, err := tx.Account.Query().Where(account.ID(owner[:])).Only(ctx)
	if ent.IsNotFound(err) || err == nil && a.Head == 0 {
		return Counts{}, ErrUnknown
	}
	if err != nil {
		return Counts{}, fmt.Errorf("read the account: %w", err)
	}
	restored, err := restoredHead(ctx, tx, a)
	if err != nil {
		return Counts{}, fmt.Errorf("read what was restored: %w", err)
	}
	out := bufio.NewWriter(to)
	lines := json.NewEncoder(out)
	err = lines.Encode(header{
		Format: format, Owner: owner.String(), Head: record.Revision(a.Head), Floor: record.Revision(a.Floor),
		FenceToken: record.FenceToken(a.FenceToken), RestoredHead: restored, ExportedAt: now.UTC(),
	})
	var counts Counts
	for after := a.Erased; err == nil; {
		page, failed := tx.Record.Query().
			Where(entrecord.Owner(owner[:]), entrecord.RevisionGT(after)).
			Order(ent.Asc(entrecord.FieldRevision)).Limit(pageRows).All(ctx)
		if failed != nil {
			return counts, fmt.Errorf("read records after revision %d: %w", after, failed)
		}
		for _, r := range page {
			if after = r.Revision; r.Deleted && after <= a.Floor { // it was to be purged, and that failed
				continue
			}
			line := recordLine{
				ID: &r.ID, Revision: record.Revision(r.Revision), Deleted: r.Deleted, SchemaVersion: r.SchemaVersion, ClientID: r.ClientID,
				UpdatedAt: time.UnixMicro(r.UpdatedAt).UTC(),
			}
			if r.Deleted {
				counts.Tombstones++
			} else {
				line.Data = &[]byte{} // empty data is not missing
				if r.Data != nil {
					*line.Data = append(*line.Data, *r.Data...)
				}
				counts.Records++
				counts.Bytes += int64(len(*line.Data))
			}
			if err = lines.Encode(line); err != nil {
				break
			}
		}
		progress(counts)
		if len(page) < pageRows {
			break
		}
	}
	if err == nil {
		err = lines.Encode(end{counts})
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return counts, fmt.Errorf("write the export: %w", err)
	}
	return counts, nil
}

// restoredHead is the head in a database that was never restored. Where it was, some
// device may not have heard of it: it is what such a device is told there.
func restoredHead(ctx context.Context, tx *ent.Tx, a *ent.Account) (record.Revision, error) {
	first, err := tx.RestoredHead.Query().Where(restoredhead.Owner(a.ID)).Order(restoredhead.ByID()).First(ctx)
	if err == nil {
		return record.Revision(max(first.Head, a.Erased)), nil
	}
	if !ent.IsNotFound(err) {
		return 0, err
	}
	epochs, err := tx.Epoch.Query().Count(ctx)
	if err != nil || epochs > 1 {
		return record.Revision(a.Erased), err
	}
	return record.Revision(a.Head), nil
}
