package records

import (
	"context"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"syncline/ent"
	entrecord "syncline/ent/record"
	"syncline/record"
)

// Changes implements record.Store.
func (s *Store) Changes(ctx context.Context, owner record.Owner, span record.Span) (record.Snapshot, error) {
	if s.dialect == dialect.Postgres {
		return s.postgresChanges(ctx, owner, span)
	}
	var snapshot record.Snapshot
	err := s.snapshot(ctx, func(ctx context.Context, tx *ent.Tx) (err error) {
		snapshot, err = s.readFeed(ctx, tx, owner, span)
		return err
	})
	return snapshot, err
}

func (s *Store) readFeed(ctx context.Context, tx *ent.Tx, owner record.Owner, span record.Span) (snapshot record.Snapshot, err error) {
	if snapshot.Account, err = s.readAccount(ctx, tx, owner); err != nil {
		return snapshot, err
	}
	if span.Epoch != nil && *span.Epoch != snapshot.Epoch {
		snapshot.RestoredHead, err = restoredHead(ctx, tx, owner, *span.Epoch)
		snapshot.RestoredHead = max(snapshot.RestoredHead, snapshot.Erased)
		return snapshot, err
	}
	span.After = max(span.After, snapshot.Erased)
	if span.FromStart {
		span.SkipTombstones = snapshot.Head
	}
	query, args := feedQuery(owner, span)
	rows, err := tx.QueryContext(ctx, query, args...) //nolint:rowserrcheck // takePage does
	if err != nil {
		return snapshot, err
	}
	defer rows.Close() //nolint:errcheck // takePage tells what went wrong
	snapshot.Records, snapshot.More, err = takePage(rows, span, snapshot.Head)
	return snapshot, err
}

// recordColumns are those of a record in the order of scanner.columns, the data last.
var recordColumns = []string{
	entrecord.FieldID,
	entrecord.FieldRevision,
	entrecord.FieldDeleted,
	entrecord.FieldSchemaVersion,
	entrecord.FieldClientID,
	entrecord.FieldUpdatedAt,
	entrecord.FieldData,
}

// feedQuery selects a span's records in order of revision, and the next one if
// there is any. It does not mind their size: SQLite makes each row as it is asked
// for, and the reader just stops.
func feedQuery(owner record.Owner, span record.Span) (string, []any) {
	where := entsql.And(
		entsql.EQ(entrecord.FieldOwner, owner[:]),
		entsql.GT(entrecord.FieldRevision, int64(span.After)),
	)
	if span.SkipTombstones > span.After {
		where = entsql.And(where, entsql.Or(
			entsql.EQ(entrecord.FieldDeleted, false),
			entsql.GT(entrecord.FieldRevision, int64(span.SkipTombstones)),
		))
	}
	return entsql.Dialect(dialect.SQLite).
		Select(recordColumns...).
		From(entsql.Table(entrecord.Table)).
		Where(where).
		OrderBy(entrecord.FieldRevision).
		Limit(span.Limit + 1).
		Query()
}
