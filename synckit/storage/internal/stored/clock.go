package stored

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// Clocks sets the clocks of events as they are appended to a log, in one commit.
type Clocks struct {
	// Highest finds the highest clock of an aggregate before the commit.
	Highest func(aggregateID string) (uint64, error)
	// Times gives the times that go with clocks.
	Times    *Times
	known    map[string]uint64
	appended bool
	newest   time.Time // of the event that was appended last
}

// Set gives an event the clock that it is stored with. One that comes from
// elsewhere keeps its own, and so does one written here that has one, unless
// anew is set.
func (c *Clocks) Set(event synckit.EncodedEvent, origin string, anew bool) (synckit.EncodedEvent, error) {
	if !anew && (origin != "" || event.Clock() > 0) {
		return event, nil
	}
	highest, err := c.highest(event.AggregateID)
	return event.Stamped(highest+1, c.Times.next()), err
}

// Appended takes note of an event that was appended.
func (c *Clocks) Appended(event synckit.EncodedEvent) error {
	c.appended, c.newest = true, event.Time()
	c.Times.Seen(c.newest)
	highest, err := c.highest(event.AggregateID)
	if err == nil {
		c.known[event.AggregateID] = max(highest, event.Clock())
	}
	return err
}

// Mark is the cursor with which a log stores the greatest time that it has seen. It need not
// where the newest event has that time, or nothing was appended.
func (c *Clocks) Mark() (_ synckit.Cursor, needed bool) {
	if !c.appended {
		return synckit.Cursor{}, false
	}
	c.Times.mu.Lock()
	defer c.Times.mu.Unlock()
	last := c.Times.last
	return synckit.Cursor{Peer: MarkPeer, Direction: MarkDirection, Value: strconv.FormatInt(last.UnixMicro(), 10)},
		!last.IsZero() && (last.After(c.newest) || !Believed(c.newest))
}

// Where Mark is stored. No peer has such a name.
const (
	MarkPeer      = "synckit.log"
	MarkDirection = synckit.Direction("time")
)

// Resume goes on after what Mark stored; of another text it takes no note.
func (t *Times) Resume(value string) {
	if micros, err := strconv.ParseInt(value, 10, 64); err == nil {
		t.Seen(time.UnixMicro(micros))
	}
}

func (c *Clocks) highest(aggregateID string) (uint64, error) {
	if clock, ok := c.known[aggregateID]; ok {
		return clock, nil
	}
	clock, err := c.Highest(aggregateID)
	if err != nil {
		return 0, err
	}
	if c.known == nil {
		c.known = map[string]uint64{}
	}
	c.known[aggregateID] = clock
	return clock, nil
}

// Times is a log's hybrid logical clock: what it gives is above all that it has seen,
// but for times that are too far ahead to be true. The zero value has seen nothing.
type Times struct {
	mu   sync.Mutex
	last time.Time
}

func (t *Times) next() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now().Truncate(time.Microsecond)
	if least := t.last.Add(time.Microsecond); now.Before(least) {
		now = least
	}
	t.last = now
	return now
}

// Seen takes note of an event's time; of a zero one it does not.
func (t *Times) Seen(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.After(t.last) && Believed(at) {
		t.last = at
	}
}

// Believed tells whether a time is none that only a wrong clock gives.
func Believed(at time.Time) bool { return at.Before(time.Now().Add(synckit.MaxAhead)) }

// CheckUnchanged compares what a commit relies on with the newest positions of
// its aggregates.
func CheckUnchanged(op string, unchanged map[string]synckit.Position, newest func(aggregateID string) (synckit.Position, error)) error {
	for aggregate, expected := range unchanged {
		position, err := newest(aggregate)
		if err != nil {
			return err
		}
		if position > expected {
			return errors.New(errors.Outdated, op, fmt.Errorf("there is an entry at %d by now, not only up to %d", position, expected),
				errors.Metadata{"aggregate": aggregate})
		}
	}
	return nil
}
