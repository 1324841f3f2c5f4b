package redis

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed" // scripts
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/storage/internal/stored"
)

//go:embed commit.lua
var commitSource string

var commitScript = redis.NewScript(commitSource)

// Store implements synckit.EventStore.
func (s *Store) Store(ctx context.Context, event synckit.Event, version synckit.Version) error {
	_, err := s.commit(ctx, "store", stored.Single(event, version), true)
	return err
}

// Commit implements synckit.Log. Redis does nothing else meanwhile, so a commit has up to
// 20,000 events and 256 MiB; more is an error of code TooLarge.
func (s *Store) Commit(ctx context.Context, commit synckit.Commit) (synckit.Committed, error) {
	return s.commit(ctx, "commit", commit, false)
}

const (
	maxCommitEvents = 20_000
	maxCommitBytes  = 256 << 20
	// commitTimeout bounds how long a commit may take that nobody waits for any more.
	commitTimeout = 30 * time.Second
)

func (s *Store) commit(ctx context.Context, op string, commit synckit.Commit, clocksAnew bool) (committed synckit.Committed, err error) {
	encoded, err := stored.Encode(commit)
	if err != nil {
		return committed, err
	}
	c := s.call(commit, encoded, clocksAnew)
	if len(commit.Append) > maxCommitEvents || c.size > maxCommitBytes {
		return committed, errors.New(errors.TooLarge, op, fmt.Errorf("%d events and %d bytes in one commit", len(commit.Append), c.size))
	}
	err = s.do(ctx, op, func() error {
		// What is to be committed is carried through: to break off here would leave open
		// what became of it. The client may ask again: see done.
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
		defer cancel()
		answer, err := commitScript.Run(bound, s.client, c.keys, c.args...).Result()
		if err != nil {
			return err
		}
		committed, err = s.committed(op, commit, encoded, answer)
		return err
	})
	return committed, err
}

// call is a commit as its script takes it.
type call struct {
	keys []string
	args []any
	size int // in bytes
}

func (c *call) add(texts ...string) {
	for _, text := range texts {
		c.args = append(c.args, text)
		c.size += len(text)
	}
}

func (c *call) addNumber(n uint64) { c.add(strconv.FormatUint(n, 10)) }

func (s *Store) call(commit synckit.Commit, encoded stored.Encoded, clocksAnew bool) *call {
	now := time.Now()
	c := &call{keys: []string{
		s.keys.log(), s.keys.ids(), s.keys.heads(), s.keys.state(), s.keys.confirmed(), s.keys.cursors(),
		s.keys.places(), s.keys.waiting(), s.keys.reviews(), s.keys.done(rand.Text()),
	}}
	c.add(s.keys.channel())
	c.addNumber(uint64(now.UnixMicro()))
	c.addNumber(uint64(now.Add(synckit.MaxAhead).UnixMicro()))
	c.addNumber(uint64(len(commit.Unchanged)))
	for aggregate, expected := range commit.Unchanged {
		c.add(aggregate)
		c.addNumber(uint64(expected))
	}
	c.addNumber(uint64(len(commit.Append)))
	indexes := map[string]uint64{}
	for i, entry := range commit.Append {
		event := encoded.Events[i]
		index, ok := indexes[event.AggregateID]
		if !ok {
			c.keys = append(c.keys, s.keys.index(event.AggregateID))
			index = uint64(len(indexes) + 1)
			indexes[event.AggregateID] = index
		}
		c.addNumber(index)
		c.addEvent(event, entry, clocksAnew || entry.Origin == "" && event.Clock() == 0)
	}
	c.addNumber(uint64(len(commit.EndReviews)))
	c.add(commit.EndReviews...)
	c.addNumber(uint64(len(commit.AddReviews)))
	for i, review := range commit.AddReviews {
		c.add(review.ID, string(encoded.Reviews[i]))
	}
	c.addNumber(uint64(len(commit.Cursors)))
	for _, cursor := range commit.Cursors {
		c.add(cursorField(cursor.Peer, cursor.Direction), cursor.Value)
	}
	return c
}

func (c *call) addEvent(event synckit.EncodedEvent, entry synckit.Entry, stamp bool) {
	kind, version := stored.Kind(stored.Own(entry.Version))
	c.add(event.ID, event.Type, event.AggregateID, string(event.Data), string(event.Metadata), kind, version, entry.Origin, digest(event))
	c.addNumber(event.Clock())
	micros := int64(0)
	if at := event.Time(); !at.IsZero() {
		micros = at.UnixMicro()
	}
	c.addNumber(uint64(micros))
	if stamp {
		c.add("1")
	} else {
		c.add("0")
	}
}

// digest is equal for encodings of one event: as Same tells, clock and time do not count.
func digest(event synckit.EncodedEvent) string {
	event = event.WithClock(0)
	hash := sha256.New()
	var length [8]byte
	for _, field := range [][]byte{[]byte(event.Type), []byte(event.AggregateID), event.Data, event.Metadata} {
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		hash.Write(length[:])
		hash.Write(field)
	}
	return string(hash.Sum(nil))
}

// committed reads the script's answer.
func (s *Store) committed(op string, commit synckit.Commit, encoded stored.Encoded, answer any) (synckit.Committed, error) {
	text, ok := answer.(string)
	if !ok {
		return synckit.Committed{}, refusal(op, commit, answer)
	}
	fields := strings.Fields(text)
	numbers := make([]int, len(fields))
	for i, field := range fields {
		var err error
		if numbers[i], err = strconv.Atoi(field); err != nil {
			return synckit.Committed{}, errAnswer
		}
	}
	if len(numbers) < 2 {
		return synckit.Committed{}, errAnswer
	}
	committed := synckit.Committed{Latest: synckit.Position(numbers[0])}
	for _, number := range numbers[2:] {
		if number < 1 || number > len(encoded.Events) {
			return synckit.Committed{}, errAnswer
		}
		committed.Appended = append(committed.Appended, encoded.Events[number-1].ID)
	}
	s.tell(int64(numbers[1]))
	return committed, nil
}

// refusal is why a script changed nothing.
func refusal(op string, commit synckit.Commit, answer any) error {
	parts, _ := answer.([]any)
	texts := make([]string, 3)
	for i, part := range parts[:min(len(parts), len(texts))] {
		texts[i], _ = part.(string)
	}
	switch texts[0] {
	case "reused":
		return stored.Reused(op, texts[1])
	case "missing":
		return stored.NotWaiting(op, texts[1])
	case "outdated":
		newest, err := strconv.ParseUint(texts[2], 10, 64)
		if err != nil {
			return errAnswer
		}
		one := map[string]synckit.Position{texts[1]: commit.Unchanged[texts[1]]}
		return stored.CheckUnchanged(op, one, func(string) (synckit.Position, error) { return synckit.Position(newest), nil })
	default:
		return errAnswer
	}
}

var errAnswer = fmt.Errorf("an answer of another kind")
