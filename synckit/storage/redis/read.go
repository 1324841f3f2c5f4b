package redis

import (
	"context"
	_ "embed" // scripts
	stderrors "errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/storage/internal/stored"
)

//go:embed reviews.lua
var reviewsSource string

var reviewsScript = redis.NewScript(reviewsSource)

// Fields of an entry of the log: the names are short for they stand there each time.
const (
	fieldID        = "i"
	fieldType      = "t"
	fieldAggregate = "a"
	fieldData      = "d"
	fieldMetadata  = "m"
	fieldKind      = "k"
	fieldVersion   = "v"
	fieldOrigin    = "o"
	fieldClock     = "c" // set when it was stored; else empty
	fieldTime      = "u" // likewise
)

// chunk is how many entries are asked for at once.
const chunk = 200

// row is an event as it stands in the log.
type row struct {
	position      uint64
	event         synckit.EncodedEvent
	kind, version string
	origin        string
}

func parseRow(m redis.XMessage) (row, error) {
	number, _, _ := strings.Cut(m.ID, "-")
	at, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return row{}, fmt.Errorf("entry %.40q of the log: %w", m.ID, err)
	}
	field := func(name string) string { text, _ := m.Values[name].(string); return text }
	r := row{position: at, kind: field(fieldKind), version: field(fieldVersion), origin: field(fieldOrigin)}
	r.event = synckit.EncodedEvent{
		ID: field(fieldID), Type: field(fieldType), AggregateID: field(fieldAggregate),
		Data: []byte(field(fieldData)), Metadata: []byte(field(fieldMetadata)),
	}
	if field(fieldClock) == "" {
		return r, nil
	}
	clock, err := strconv.ParseUint(field(fieldClock), 10, 64)
	micros, failed := strconv.ParseInt(field(fieldTime), 10, 64)
	if err != nil || failed != nil {
		return row{}, fmt.Errorf("entry %d of the log has no clock", at)
	}
	r.event = r.event.Stamped(clock, time.UnixMicro(micros))
	return r, nil
}

// between reads up to limit messages of a stream after a position.
func (s *Store) between(ctx context.Context, stream string, after uint64, limit int) ([]redis.XMessage, error) {
	if after == math.MaxUint64 || limit < 1 {
		return nil, nil // nothing can come after
	}
	return s.client.XRangeN(ctx, stream, position(after+1), "+", int64(limit)).Result()
}

// page reads entries of the log.
func (s *Store) page(ctx context.Context, after uint64, limit int) ([]synckit.Entry, error) {
	var entries []synckit.Entry
	for len(entries) < limit {
		want := min(limit-len(entries), chunk)
		messages, err := s.between(ctx, s.keys.log(), after, want)
		if err != nil {
			return nil, err
		}
		more, err := s.entries(ctx, messages)
		if err != nil {
			return nil, err
		}
		entries = append(entries, more...)
		if len(messages) < want {
			break
		}
		after = uint64(more[len(more)-1].Position)
	}
	return entries, nil
}

// fetch reads entries by their positions, but for those that were dropped.
func (s *Store) fetch(ctx context.Context, positions []uint64) ([]synckit.Entry, error) {
	if len(positions) == 0 {
		return nil, nil
	}
	found, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, at := range positions {
			p.XRange(ctx, s.keys.log(), position(at), position(at))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	messages := make([]redis.XMessage, 0, len(found))
	for _, command := range found {
		messages = append(messages, command.(*redis.XMessageSliceCmd).Val()...)
	}
	return s.entries(ctx, messages)
}

// entries are messages as entries of the log.
func (s *Store) entries(ctx context.Context, messages []redis.XMessage) ([]synckit.Entry, error) {
	entries := make([]synckit.Entry, len(messages))
	var own []int // those of which a peer may have told that it has them
	var bits []any
	for i, m := range messages {
		r, err := parseRow(m)
		if err != nil {
			return nil, err
		}
		version, err := s.parse.Version(r.kind, r.version)
		if err != nil {
			return nil, damaged(r, err)
		}
		event, err := r.event.Decode()
		if err != nil {
			return nil, damaged(r, err)
		}
		at := synckit.Position(r.position)
		entries[i] = synckit.Entry{
			EventWithVersion: synckit.EventWithVersion{Event: event, Version: stored.At(version, at)},
			Position:         at, Origin: r.origin, Confirmed: r.origin != "",
		}
		if r.origin == "" {
			own = append(own, i)
			bits = append(bits, "u1", position(r.position))
		}
	}
	if len(own) == 0 {
		return entries, nil
	}
	confirmed, err := s.client.BitFieldRO(ctx, s.keys.confirmed(), bits...).Result()
	if err != nil {
		return nil, err
	}
	if len(confirmed) != len(own) {
		return nil, errAnswer
	}
	for i, at := range own {
		entries[at].Confirmed = confirmed[i] == 1
	}
	return entries, nil
}

func damaged(r row, err error) error {
	return errors.New(errors.StorageFailed, "read", err, errors.Metadata{"event": r.event.ID})
}

// latest is the position of the newest entry; 0 before the first.
func (s *Store) latest(ctx context.Context) (uint64, error) {
	latest, err := s.client.HGet(ctx, s.keys.state(), "latest").Uint64()
	if stderrors.Is(err, redis.Nil) {
		return 0, nil
	}
	return latest, err
}

func parsePositions(texts []string) ([]uint64, error) {
	positions := make([]uint64, len(texts))
	for i, text := range texts {
		var err error
		if positions[i], err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, err
		}
	}
	if len(positions) == 0 {
		return nil, errAnswer
	}
	return positions, nil
}

// Load implements synckit.EventStore.
func (s *Store) Load(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	return s.load(ctx, since, func(after uint64) ([]synckit.Entry, error) { return s.page(ctx, after, chunk) })
}

// LoadByAggregate implements synckit.EventStore.
func (s *Store) LoadByAggregate(ctx context.Context, aggregateID string, since synckit.Version) ([]synckit.EventWithVersion, error) {
	return s.load(ctx, since, func(after uint64) ([]synckit.Entry, error) { return s.pageOf(ctx, aggregateID, after) })
}

// pageOf reads entries of an aggregate. Where some are dropped meanwhile, it looks again what there is.
func (s *Store) pageOf(ctx context.Context, aggregateID string, after uint64) ([]synckit.Entry, error) {
	for attempt := 1; ; attempt++ {
		positions, err := s.positionsOf(ctx, aggregateID, after)
		if err != nil {
			return nil, err
		}
		entries, err := s.fetch(ctx, positions)
		if err != nil || len(entries) == len(positions) {
			return entries, err
		}
		if attempt == maxAttempts {
			return nil, fmt.Errorf("entries after %d of the log are missing", after)
		}
	}
}

// maxAttempts bounds how often entries may be dropped while they are read.
const maxAttempts = 100

func (s *Store) positionsOf(ctx context.Context, aggregateID string, after uint64) ([]uint64, error) {
	found, err := s.between(ctx, s.keys.index(aggregateID), after, chunk)
	if err != nil {
		return nil, err
	}
	positions := make([]uint64, len(found))
	for i, m := range found {
		number, _, _ := strings.Cut(m.ID, "-")
		if positions[i], err = strconv.ParseUint(number, 10, 64); err != nil {
			return nil, err
		}
	}
	return positions, nil
}

// load reads all that comes after a version, page by page.
func (s *Store) load(ctx context.Context, version synckit.Version, page func(after uint64) ([]synckit.Entry, error)) (events []synckit.EventWithVersion, err error) {
	err = s.do(ctx, "load", func() error {
		since, err := s.place(ctx, stored.After(version))
		if err != nil {
			return err
		}
		return each(uint64(since.Position), page, func(e synckit.Entry) {
			if since.Passes(stored.Own(e.Version)) {
				events = append(events, e.EventWithVersion)
			}
		})
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// each calls f with all entries after a position.
func each(after uint64, page func(after uint64) ([]synckit.Entry, error), f func(synckit.Entry)) error {
	for {
		entries, err := page(after)
		if err != nil {
			return err
		}
		for _, e := range entries {
			f(e)
		}
		if len(entries) < chunk {
			return nil
		}
		after = uint64(entries[len(entries)-1].Position)
	}
}

// place finds where a version stands of which only its place tells what comes after.
func (s *Store) place(ctx context.Context, since stored.Since) (stored.Since, error) {
	if !since.ByPlace() {
		return since, nil
	}
	kind, text := stored.Kind(since.Version)
	for after := uint64(0); ; {
		messages, err := s.between(ctx, s.keys.log(), after, chunk)
		if err != nil || len(messages) == 0 {
			return since, err
		}
		for _, m := range messages {
			r, err := parseRow(m)
			if err != nil {
				return since, err
			}
			if r.kind == kind && r.version == text {
				return stored.Since{Position: synckit.Position(r.position)}, nil
			}
			after = r.position
		}
	}
}

// LatestVersion implements synckit.EventStore: a cursor.IntegerCursor.
func (s *Store) LatestVersion(ctx context.Context) (synckit.Version, error) {
	var latest uint64
	err := s.do(ctx, "latest version", func() (err error) {
		latest, err = s.latest(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return cursor.IntegerCursor{Seq: latest}, nil
}

// Read implements synckit.Log.
func (s *Store) Read(ctx context.Context, after synckit.Position, limit int) (entries []synckit.Entry, err error) {
	err = s.do(ctx, "read", func() error {
		entries, err = s.page(ctx, uint64(after), limit)
		return err
	})
	return entries, err
}

// Aggregate implements synckit.Log.
func (s *Store) Aggregate(ctx context.Context, aggregateID string) (entries []synckit.Entry, err error) {
	err = s.do(ctx, "read aggregate", func() error {
		page := func(after uint64) ([]synckit.Entry, error) { return s.pageOf(ctx, aggregateID, after) }
		return each(0, page, func(e synckit.Entry) { entries = append(entries, e) })
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// Cursor implements synckit.Log.
func (s *Store) Cursor(ctx context.Context, peer string, direction synckit.Direction) (value string, err error) {
	err = s.do(ctx, "read cursor", func() error {
		value, err = s.client.HGet(ctx, s.keys.cursors(), cursorField(peer, direction)).Result()
		if stderrors.Is(err, redis.Nil) {
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
		keys := []string{s.keys.places(), s.keys.waiting(), s.keys.reviews()}
		kept, err := reviewsScript.Run(ctx, s.client, keys, after, max(limit, 0)).StringSlice()
		if stderrors.Is(err, redis.Nil) {
			return stored.NotWaiting(op, after)
		}
		if err != nil {
			return err
		}
		for _, content := range kept {
			review, err := s.parse.Review([]byte(content))
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
		content, err := s.client.HGet(ctx, s.keys.reviews(), id).Bytes()
		if stderrors.Is(err, redis.Nil) {
			return stored.NotWaiting(op, id)
		}
		if err == nil {
			review, err = s.parse.Review(content)
		}
		return err
	})
	return review, err
}

// ReviewMark implements synckit.ReviewMarker. One that is added gets a place above all others,
// so the newest place and the number of those that wait tell.
func (s *Store) ReviewMark(ctx context.Context) (mark string, err error) {
	err = s.do(ctx, "mark reviews", func() error {
		var newest *redis.StringCmd
		var waiting *redis.IntCmd
		_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			newest, waiting = p.HGet(ctx, s.keys.state(), "places"), p.HLen(ctx, s.keys.reviews())
			return nil
		})
		if err != nil && !stderrors.Is(err, redis.Nil) {
			return err
		}
		mark = fmt.Sprintf("%s %d", newest.Val(), waiting.Val())
		return nil
	})
	return mark, err
}
