package stored

import (
	"fmt"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// Clocks sets the clocks of events as they are appended to a log, in one commit.
type Clocks struct {
	// Highest finds the highest clock of an aggregate before the commit.
	Highest func(aggregateID string) (uint64, error)
	known   map[string]uint64
}

// Set gives an event the clock that it is stored with. One that comes from
// elsewhere keeps its own, and so does one written here that has one, unless
// anew is set.
func (c *Clocks) Set(event synckit.EncodedEvent, origin string, anew bool) (synckit.EncodedEvent, error) {
	if !anew && (origin != "" || event.Clock() > 0) {
		return event, nil
	}
	highest, err := c.highest(event.AggregateID)
	return event.WithClock(highest + 1), err
}

// Appended takes note of an event that was appended.
func (c *Clocks) Appended(event synckit.EncodedEvent) error {
	highest, err := c.highest(event.AggregateID)
	if err == nil {
		c.known[event.AggregateID] = max(highest, event.Clock())
	}
	return err
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
