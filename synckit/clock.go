package synckit

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// ClockKey is the metadata key of an event's clock: one more than the highest
// clock among the events of its aggregate that its writer's log held. So an
// event's clock is above those of all that its writer knew of, on every node and
// over every transport, and Effective orders by it. A Log sets it; it is no part
// of what makes two events the same.
const ClockKey = "synckit.clock"

// maxClock is the largest clock that JSON numbers carry exactly everywhere. A
// larger one, which only a faulty peer sends, counts as none.
const maxClock = 1<<53 - 1

// Clock is the event's clock; 0 if it has none.
func (e EncodedEvent) Clock() uint64 {
	var metadata struct {
		Clock json.Number `json:"synckit.clock"`
	}
	if len(e.Metadata) == 0 || json.Unmarshal(e.Metadata, &metadata) != nil {
		return 0
	}
	return parseClock(metadata.Clock.String())
}

// WithClock is the event with another clock; 0 takes it away.
func (e EncodedEvent) WithClock(clock uint64) EncodedEvent {
	e.Metadata = setClock(e.Metadata, min(clock, maxClock))
	return e
}

// ClockOf is an event's clock; 0 if it has none.
func ClockOf(e Event) uint64 {
	switch clock := e.Metadata()[ClockKey].(type) {
	case json.Number:
		return parseClock(clock.String())
	case float64:
		return parseClock(strconv.FormatFloat(clock, 'f', -1, 64))
	case uint64:
		return parseClock(strconv.FormatUint(clock, 10))
	case int:
		return parseClock(strconv.Itoa(clock))
	default:
		return 0
	}
}

func parseClock(text string) uint64 {
	clock, err := strconv.ParseUint(text, 10, 64)
	if err != nil || clock > maxClock {
		return 0
	}
	return clock
}

// setClock gives metadata with another clock, in the one way in which Encode
// would write it. What is no JSON object stays as it is.
func setClock(metadata json.RawMessage, clock uint64) json.RawMessage {
	values := map[string]interface{}{}
	if len(metadata) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(metadata))
		decoder.UseNumber()
		if decoder.Decode(&values) != nil {
			return metadata
		}
	}
	delete(values, ClockKey)
	if clock > 0 {
		values[ClockKey] = clock
	}
	if len(values) == 0 {
		return nil
	}
	encoded, err := json.Marshal(values)
	if err != nil {
		return metadata
	}
	return encoded
}
