package entstore

// The statements of reads that Ent's typed queries cannot say: a page that the
// database itself bounds by bytes.

import (
	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	entrecord "syncline/ent/record"
	"syncline/record"
)

// recordColumns are those of a record in the order of scanRecord, the data last.
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
// there is any.
func feedQuery(name string, owner record.Owner, span record.Span) (string, []any) {
	where := spanPredicate(owner, span)
	if name == dialect.Postgres {
		where = entsql.And(where, withinBytes(owner, span))
	}
	return entsql.Dialect(name).
		Select(recordColumns...).
		From(entsql.Table(entrecord.Table)).
		Where(where).
		OrderBy(entrecord.FieldRevision).
		Limit(span.Limit + 1).
		Query()
}

func spanPredicate(owner record.Owner, span record.Span) *entsql.Predicate {
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
	return where
}

// withinBytes holds for the records of a page and the one after it, and few
// more: a record is left out if those up to the one but last before it exceed
// the span's bytes. SQLite makes each row as it is asked for, and the reader
// just stops; PostgreSQL sends all that the statement selects, so it must know
// where to stop. The inner statement reads lengths only, which PostgreSQL keeps
// apart from large data.
func withinBytes(owner record.Owner, span record.Span) *entsql.Predicate {
	sizes := entsql.Dialect(dialect.Postgres).
		Select(entrecord.FieldRevision).
		AppendSelectExprAs(entsql.Raw("coalesce(sum(length(data)) OVER "+
			"(ORDER BY revision ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING), 0)"), "before").
		From(entsql.Table(entrecord.Table)).
		Where(spanPredicate(owner, span)).
		OrderBy(entrecord.FieldRevision).
		Limit(span.Limit + 1).
		As("sizes")
	last := entsql.Dialect(dialect.Postgres).
		Select(entsql.Max(entrecord.FieldRevision)).
		From(sizes).
		Where(entsql.LTE("before", span.MaxBytes))
	return entsql.P(func(b *entsql.Builder) {
		b.Ident(entrecord.FieldRevision).WriteString(" <= ").Wrap(func(b *entsql.Builder) { b.Join(last) })
	})
}
