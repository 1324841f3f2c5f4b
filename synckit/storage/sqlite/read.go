package sqlite

import (
	"context"
	"database/sql"
	stderrors "errors"
	"math"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/storage/internal/stored"
)

// row is an event as it stands in the table.
type row struct {
	position                   int64
	event                      synckit.EncodedEvent
	versionKind, version, from string
	confirmed                  bool
}

type scanner interface{ Scan(into ...any) error }

func scanRow(from scanner) (row, error) {
	var r row
	err := from.Scan(&r.position, &r.event.ID, &r.event.Type, &r.event.AggregateID, (*[]byte)(&r.event.Data),
		(*[]byte)(&r.event.Metadata), &r.versionKind, &r.version, &r.from, &r.confirmed)
	return r, err
}

func (s *Store) entry(r row, own synckit.Version) (synckit.Entry, error) {
	event, err := r.event.Decode()
	if err != nil {
		return synckit.Entry{}, err
	}
	position := synckit.Position(r.position)
	return synckit.Entry{
		EventWithVersion: synckit.EventWithVersion{Event: event, Version: stored.At(own, position)},
		Position:         position,
		Origin:           r.from,
		Confirmed:        r.confirmed,
	}, nil
}

// entries reads the entries of a query that come after a version.
func (s *Store) entries(ctx context.Context, since stored.Since, query string, args ...any) ([]synckit.Entry, error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err tells
	var found []synckit.Entry
	for rows.Next() {
		r, err := scanRow(rows)
		if err != nil {
			return nil, err
		}
		own, err := s.parse.Version(r.versionKind, r.version)
		if err != nil {
			return nil, err
		}
		if !since.Passes(own) {
			continue
		}
		entry, err := s.entry(r, own)
		if err != nil {
			return nil, err
		}
		found = append(found, entry)
	}
	return found, rows.Err()
}

// Load implements synckit.EventStore.
func (s *Store) Load(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	return s.load(ctx, since, s.statements.load)
}

// LoadByAggregate implements synckit.EventStore.
func (s *Store) LoadByAggregate(ctx context.Context, aggregateID string, since synckit.Version) ([]synckit.EventWithVersion, error) {
	return s.load(ctx, since, s.statements.loadAggregate, aggregateID)
}

func (s *Store) load(ctx context.Context, version synckit.Version, query string, args ...any) ([]synckit.EventWithVersion, error) {
	var entries []synckit.Entry
	err := s.do(ctx, "load", func() error {
		since, err := s.after(ctx, version)
		if err != nil {
			return err
		}
		entries, err = s.entries(ctx, since, query, append([]any{integer(since.Position)}, args...)...)
		return err
	})
	if err != nil {
		return nil, err
	}
	events := make([]synckit.EventWithVersion, len(entries))
	for i, e := range entries {
		events[i] = e.EventWithVersion
	}
	return events, nil
}

// after finds the place of a version that only its place tells about.
func (s *Store) after(ctx context.Context, version synckit.Version) (stored.Since, error) {
	since := stored.After(version)
	if !since.ByPlace() {
		return since, nil
	}
	kind, text := stored.Kind(version)
	var place int64
	if err := s.read.QueryRowContext(ctx, s.statements.place, kind, text).Scan(&place); err != nil || place == 0 {
		return since, err
	}
	return stored.Since{Position: synckit.Position(place)}, nil
}

// integer keeps a position that no log reaches from turning negative.
func integer(p synckit.Position) int64 { return int64(min(p, math.MaxInt64)) }

// LatestVersion implements synckit.EventStore: a cursor.IntegerCursor.
func (s *Store) LatestVersion(ctx context.Context) (synckit.Version, error) {
	var latest int64
	err := s.do(ctx, "latest version", func() error {
		return s.read.QueryRowContext(ctx, s.statements.latest).Scan(&latest)
	})
	if err != nil {
		return nil, err
	}
	return cursor.IntegerCursor{Seq: uint64(latest)}, nil
}

// Read implements synckit.Log.
func (s *Store) Read(ctx context.Context, after synckit.Position, limit int) (entries []synckit.Entry, err error) {
	err = s.do(ctx, "read", func() error {
		entries, err = s.entries(ctx, stored.Since{}, s.statements.page, integer(after), max(limit, 0))
		return err
	})
	return entries, err
}

// Aggregate implements synckit.Log.
func (s *Store) Aggregate(ctx context.Context, aggregateID string) (entries []synckit.Entry, err error) {
	err = s.do(ctx, "read aggregate", func() error {
		entries, err = s.entries(ctx, stored.Since{}, s.statements.aggregate, aggregateID)
		return err
	})
	return entries, err
}

// Cursor implements synckit.Log.
func (s *Store) Cursor(ctx context.Context, peer string, direction synckit.Direction) (value string, err error) {
	err = s.do(ctx, "read cursor", func() error {
		err := s.read.QueryRowContext(ctx, s.statements.cursor, peer, string(direction)).Scan(&value)
		if stderrors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return value, err
}

// Reviews implements synckit.Log. after may be a review that was decided since.
func (s *Store) Reviews(ctx context.Context, after string, limit int) (reviews []synckit.Review, err error) {
	const op = "list reviews"
	err = s.do(ctx, op, func() error {
		var place int64
		if after != "" {
			err := s.read.QueryRowContext(ctx, s.statements.reviewPlace, after).Scan(&place)
			if stderrors.Is(err, sql.ErrNoRows) {
				return stored.NotWaiting(op, after)
			}
			if err != nil {
				return err
			}
		}
		reviews, err = s.reviews(ctx, place, limit)
		return err
	})
	return reviews, err
}

// ReviewMark implements synckit.ReviewMarker. Who is added gets a place above all others,
// so the newest place and the number of those that wait tell.
func (s *Store) ReviewMark(ctx context.Context) (mark string, err error) {
	err = s.do(ctx, "mark reviews", func() error {
		return s.read.QueryRowContext(ctx, s.statements.reviewMark).Scan(&mark)
	})
	return mark, err
}

// Review implements synckit.ReviewFinder.
func (s *Store) Review(ctx context.Context, id string) (review synckit.Review, err error) {
	const op = "find review"
	err = s.do(ctx, op, func() error {
		var content []byte
		err := s.read.QueryRowContext(ctx, s.statements.reviewOf, id).Scan(&content)
		if stderrors.Is(err, sql.ErrNoRows) {
			return stored.NotWaiting(op, id)
		}
		if err == nil {
			review, err = s.parse.Review(content)
		}
		return err
	})
	return review, err
}

func (s *Store) reviews(ctx context.Context, after int64, limit int) ([]synckit.Review, error) {
	rows, err := s.read.QueryContext(ctx, s.statements.review, after, max(limit, 0))
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err tells
	var found []synckit.Review
	for rows.Next() {
		var content []byte
		if err := rows.Scan(&content); err != nil {
			return nil, err
		}
		review, err := s.parse.Review(content)
		if err != nil {
			return nil, err
		}
		found = append(found, review)
	}
	return found, rows.Err()
}
