package badger

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/dgraph-io/badger/v4"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/storage/internal/stored"
)

// Load implements synckit.EventStore.
func (s *Store) Load(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	return s.load(ctx, since, (*Store).eachEvent)
}

// LoadByAggregate implements synckit.EventStore.
func (s *Store) LoadByAggregate(ctx context.Context, aggregateID string, since synckit.Version) ([]synckit.EventWithVersion, error) {
	return s.load(ctx, since, func(s *Store, txn *badger.Txn, after synckit.Position, f each) error {
		return s.eachOf(txn, aggregateID, after, f)
	})
}

// each is called with entries in order, until it says that it has enough. own is
// the event's own version.
type each func(position synckit.Position, e stored.Event) (more bool, err error)

func (s *Store) load(ctx context.Context, version synckit.Version,
	walk func(s *Store, txn *badger.Txn, after synckit.Position, f each) error,
) (events []synckit.EventWithVersion, err error) {
	err = s.view(ctx, "load", func(txn *badger.Txn) error {
		since, err := s.after(ctx, txn, version)
		if err != nil {
			return err
		}
		return walk(s, txn, since.Position, func(position synckit.Position, e stored.Event) (bool, error) {
			own, err := s.parse.Version(e.Kind, e.Version)
			if err != nil || !since.Passes(own) {
				return true, err
			}
			event, err := e.Decode()
			events = append(events, synckit.EventWithVersion{Event: event, Version: stored.At(own, position)})
			return ctx.Err() == nil, err
		})
	})
	if err = s.whole(ctx, "load", err); err != nil {
		return nil, err
	}
	return events, nil
}

// whole gives the context's error for a walk that ended early because of it.
func (s *Store) whole(ctx context.Context, op string, err error) error {
	if err == nil && ctx.Err() != nil {
		return stored.Ended(op, ctx.Err())
	}
	return err
}

// after finds the place of a version that only its place tells about.
func (s *Store) after(ctx context.Context, txn *badger.Txn, version synckit.Version) (stored.Since, error) {
	since := stored.After(version)
	if !since.ByPlace() {
		return since, nil
	}
	kind, text := stored.Kind(version)
	found := since
	err := s.eachEvent(txn, 0, func(position synckit.Position, e stored.Event) (bool, error) {
		if e.Kind == kind && e.Version == text {
			found = stored.Since{Position: position}
			return false, nil
		}
		return ctx.Err() == nil, nil
	})
	return found, err
}

// eachEvent walks the log.
func (s *Store) eachEvent(txn *badger.Txn, after synckit.Position, f each) error {
	if after == math.MaxUint64 {
		return nil // nothing can come after
	}
	options := badger.DefaultIteratorOptions
	options.Prefix = []byte(prefixEvents)
	events := txn.NewIterator(options)
	defer events.Close()
	for events.Seek(eventKey(after + 1)); events.Valid(); events.Next() {
		item := events.Item()
		position := binary.BigEndian.Uint64(item.Key()[1:])
		var event stored.Event
		err := item.Value(func(value []byte) (err error) {
			event, err = stored.ParseEvent(value)
			return err
		})
		if err != nil {
			return err
		}
		if more, err := f(synckit.Position(position), event); !more || err != nil {
			return err
		}
	}
	return nil
}

// eachOf walks one aggregate's events.
func (s *Store) eachOf(txn *badger.Txn, aggregateID string, after synckit.Position, f each) error {
	if after == math.MaxUint64 {
		return nil // nothing can come after
	}
	options := badger.DefaultIteratorOptions
	options.PrefetchValues = false
	options.Prefix = aggregatePrefix(aggregateID)
	positions := txn.NewIterator(options)
	defer positions.Close()
	for positions.Seek(aggregateKey(aggregateID, after+1)); positions.Valid(); positions.Next() {
		position := synckit.Position(binary.BigEndian.Uint64(positions.Item().Key()[len(options.Prefix):]))
		event, err := getEvent(txn, position)
		if err != nil {
			return err
		}
		if more, err := f(position, event); !more || err != nil {
			return err
		}
	}
	return nil
}

func getEvent(txn *badger.Txn, position synckit.Position) (stored.Event, error) {
	value, err := get(txn, eventKey(position))
	if err != nil {
		return stored.Event{}, err
	}
	return stored.ParseEvent(value)
}

// LatestVersion implements synckit.EventStore: a cursor.IntegerCursor.
func (s *Store) LatestVersion(ctx context.Context) (synckit.Version, error) {
	var latest uint64
	err := s.view(ctx, "latest version", func(txn *badger.Txn) (err error) {
		latest, err = getNumber(txn, keyLatest)
		return err
	})
	if err != nil {
		return nil, err
	}
	return cursor.IntegerCursor{Seq: latest}, nil
}

// Read implements synckit.Log.
func (s *Store) Read(ctx context.Context, after synckit.Position, limit int) (entries []synckit.Entry, err error) {
	err = s.view(ctx, "read", func(txn *badger.Txn) error {
		if limit < 1 {
			return nil
		}
		return s.eachEvent(txn, after, func(position synckit.Position, e stored.Event) (bool, error) {
			entry, err := s.entry(txn, position, e)
			entries = append(entries, entry)
			return len(entries) < limit, err
		})
	})
	return entries, err
}

// Aggregate implements synckit.Log.
func (s *Store) Aggregate(ctx context.Context, aggregateID string) (entries []synckit.Entry, err error) {
	err = s.view(ctx, "read aggregate", func(txn *badger.Txn) error {
		return s.eachOf(txn, aggregateID, 0, func(position synckit.Position, e stored.Event) (bool, error) {
			entry, err := s.entry(txn, position, e)
			entries = append(entries, entry)
			return ctx.Err() == nil, err
		})
	})
	return entries, s.whole(ctx, "read aggregate", err)
}

func (s *Store) entry(txn *badger.Txn, position synckit.Position, e stored.Event) (synckit.Entry, error) {
	own, err := s.parse.Version(e.Kind, e.Version)
	if err != nil {
		return synckit.Entry{}, err
	}
	event, err := e.Decode()
	if err != nil {
		return synckit.Entry{}, err
	}
	confirmed, err := get(txn, confirmedKey(position))
	return synckit.Entry{
		EventWithVersion: synckit.EventWithVersion{Event: event, Version: stored.At(own, position)},
		Position:         position,
		Origin:           e.Origin,
		Confirmed:        e.Origin != "" || confirmed != nil,
	}, err
}

// Cursor implements synckit.Log.
func (s *Store) Cursor(ctx context.Context, peer string, direction synckit.Direction) (string, error) {
	var value []byte
	err := s.view(ctx, "read cursor", func(txn *badger.Txn) (err error) {
		value, err = get(txn, cursorKey(peer, direction))
		return err
	})
	return string(value), err
}

// Reviews implements synckit.Log. after may be a review that was decided since.
func (s *Store) Reviews(ctx context.Context, after string, limit int) (reviews []synckit.Review, err error) {
	const op = "list reviews"
	err = s.view(ctx, op, func(txn *badger.Txn) error {
		var place uint64
		if after != "" {
			if place, err = getNumber(txn, placeKey(after)); err != nil {
				return err
			}
			if place == 0 {
				return stored.NotWaiting(op, after)
			}
		}
		reviews, err = s.reviews(txn, place, limit)
		return err
	})
	return reviews, err
}

// ReviewMark implements synckit.ReviewMarker. Who is added gets a place above all others,
// so the newest place and the number of those that wait tell.
func (s *Store) ReviewMark(ctx context.Context) (mark string, err error) {
	err = s.view(ctx, "mark reviews", func(txn *badger.Txn) error {
		newest, err := getNumber(txn, keyPlaces)
		options := badger.IteratorOptions{Prefix: []byte(prefixReviews)}
		reviews := txn.NewIterator(options)
		defer reviews.Close()
		waiting := 0
		for reviews.Rewind(); reviews.Valid(); reviews.Next() {
			waiting++
		}
		mark = fmt.Sprintf("%d %d", newest, waiting)
		return err
	})
	return mark, err
}

// Review implements synckit.ReviewFinder.
func (s *Store) Review(ctx context.Context, id string) (review synckit.Review, err error) {
	const op = "find review"
	err = s.view(ctx, op, func(txn *badger.Txn) error {
		place, err := getNumber(txn, placeKey(id))
		if err != nil {
			return err
		}
		content, err := get(txn, reviewKey(place))
		if err == nil && (place == 0 || content == nil) {
			return stored.NotWaiting(op, id)
		}
		if err == nil {
			review, err = s.parse.Review(content)
		}
		return err
	})
	return review, err
}

func (s *Store) reviews(txn *badger.Txn, after uint64, limit int) (found []synckit.Review, err error) {
	options := badger.DefaultIteratorOptions
	options.Prefix = []byte(prefixReviews)
	reviews := txn.NewIterator(options)
	defer reviews.Close()
	for reviews.Seek(reviewKey(after + 1)); reviews.Valid() && len(found) < limit; reviews.Next() {
		content, err := reviews.Item().ValueCopy(nil)
		if err != nil {
			return nil, err
		}
		review, err := s.parse.Review(content)
		if err != nil {
			return nil, err
		}
		found = append(found, review)
	}
	return found, nil
}
