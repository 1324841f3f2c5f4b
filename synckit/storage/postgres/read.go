package postgres

import (
	"context"
	stderrors "errors"
	"math"

	"github.com/jackc/pgx/v5"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/storage/internal/stored"
)

// row is an event as it stands in the table.
type row struct {
	position  int64
	event     synckit.EncodedEvent
	kind      string
	version   []byte
	origin    []byte
	confirmed bool
}

func scanRow(from pgx.CollectableRow) (row, error) { return scan(from) }

// knownRow is a row that may have been dropped.
type knownRow struct {
	row
	dropped bool
}

func scanKnown(from pgx.CollectableRow) (r knownRow, err error) {
	r.row, err = scan(from, &r.dropped)
	return r, err
}

func scan(from pgx.CollectableRow, more ...any) (row, error) {
	var r row
	var id, eventType, aggregateID []byte
	err := from.Scan(append([]any{
		&r.position, &id, &eventType, &aggregateID, (*[]byte)(&r.event.Data), (*[]byte)(&r.event.Metadata),
		&r.kind, &r.version, &r.origin, &r.confirmed,
	}, more...)...)
	r.event.ID, r.event.Type, r.event.AggregateID = string(id), string(eventType), string(aggregateID)
	return r, err
}

func (s *Store) entry(r row, own synckit.Version) (synckit.Entry, error) {
	event, err := r.event.Decode()
	if err != nil {
		return synckit.Entry{}, errors.New(errors.StorageFailed, "read", err, errors.Metadata{"event": r.event.ID})
	}
	position := synckit.Position(r.position)
	return synckit.Entry{
		EventWithVersion: synckit.EventWithVersion{Event: event, Version: stored.At(own, position)},
		Position:         position, Origin: string(r.origin), Confirmed: r.confirmed,
	}, nil
}

// entries reads what a query finds and passes.
func (s *Store) entries(ctx context.Context, since stored.Since, query string, args ...any) ([]synckit.Entry, error) {
	rows, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, scanRow)
	if err != nil {
		return nil, err
	}
	entries := make([]synckit.Entry, 0, len(found))
	for _, r := range found {
		own, err := s.parse.Version(r.kind, string(r.version))
		if err != nil {
			return nil, errors.New(errors.StorageFailed, "read", err, errors.Metadata{"event": r.event.ID})
		}
		if !since.Passes(own) {
			continue
		}
		e, err := s.entry(r, own)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// Load implements synckit.EventStore.
func (s *Store) Load(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	return s.loadAfter(ctx, since, s.statements.load)
}

// LoadByAggregate implements synckit.EventStore.
func (s *Store) LoadByAggregate(ctx context.Context, aggregateID string, since synckit.Version) ([]synckit.EventWithVersion, error) {
	return s.loadAfter(ctx, since, s.statements.loadAggregate, []byte(aggregateID))
}

func (s *Store) loadAfter(ctx context.Context, version synckit.Version, query string, args ...any) (events []synckit.EventWithVersion, err error) {
	err = s.do(ctx, "load", func() error {
		since := stored.After(version)
		if since.ByPlace() {
			kind, text := stored.Kind(version)
			var place int64
			if err := s.pool.QueryRow(ctx, s.statements.place, kind, []byte(text)).Scan(&place); err != nil {
				return err
			}
			if place > 0 {
				since = stored.Since{Position: synckit.Position(place)}
			}
		}
		entries, err := s.entries(ctx, since, query, append([]any{integer(since.Position)}, args...)...)
		if err != nil {
			return err
		}
		events = make([]synckit.EventWithVersion, len(entries))
		for i, e := range entries {
			events[i] = e.EventWithVersion
		}
		return nil
	})
	return events, err
}

// integer keeps a position that no log reaches from turning negative.
func integer(p synckit.Position) int64 { return int64(min(p, math.MaxInt64)) }

// LatestVersion implements synckit.EventStore: a cursor.IntegerCursor.
func (s *Store) LatestVersion(ctx context.Context) (synckit.Version, error) {
	var latest int64
	err := s.do(ctx, "latest version", func() error {
		return s.pool.QueryRow(ctx, s.statements.latest).Scan(&latest)
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
		entries, err = s.entries(ctx, stored.Since{}, s.statements.aggregate, []byte(aggregateID))
		return err
	})
	return entries, err
}

// Cursor implements synckit.Log.
func (s *Store) Cursor(ctx context.Context, peer string, direction synckit.Direction) (value string, err error) {
	err = s.do(ctx, "read cursor", func() error {
		var kept []byte
		err := s.pool.QueryRow(ctx, s.statements.cursor, []byte(peer), []byte(direction)).Scan(&kept)
		if stderrors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		value = string(kept)
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
			err := s.pool.QueryRow(ctx, s.statements.reviewPlace, []byte(after)).Scan(&place)
			if stderrors.Is(err, pgx.ErrNoRows) {
				return stored.NotWaiting(op, after)
			}
			if err != nil {
				return err
			}
		}
		rows, err := s.pool.Query(ctx, s.statements.review, place, max(limit, 0))
		if err != nil {
			return err
		}
		kept, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		if err != nil {
			return err
		}
		for _, content := range kept {
			review, err := s.parse.Review(content)
			if err != nil {
				return err
			}
			reviews = append(reviews, review)
		}
		return nil
	})
	return reviews, err
}

// Review implements synckit.ReviewFinder.
func (s *Store) Review(ctx context.Context, id string) (review synckit.Review, err error) {
	const op = "find review"
	err = s.do(ctx, op, func() error {
		var content []byte
		err := s.pool.QueryRow(ctx, s.statements.reviewOf, []byte(id)).Scan(&content)
		if stderrors.Is(err, pgx.ErrNoRows) {
			return stored.NotWaiting(op, id)
		}
		if err == nil {
			review, err = s.parse.Review(content)
		}
		return err
	})
	return review, err
}

// ReviewMark implements synckit.ReviewMarker. Who is added gets a place above all others,
// so the newest place and the number of those that wait tell.
func (s *Store) ReviewMark(ctx context.Context) (mark string, err error) {
	err = s.do(ctx, "mark reviews", func() error {
		return s.pool.QueryRow(ctx, s.statements.reviewMark).Scan(&mark)
	})
	return mark, err
}
