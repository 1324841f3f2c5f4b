package synckit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// ClockKey is the metadata key of an event's clock: one more than the highest
// clock among the events of its aggregate that its writer's log held. So an
// event's clock is above those of all that its writer knew of, on every node and
// over every transport, and Effective orders by it. A Log sets it; it is no part
// of what makes two events the same.
const ClockKey = "synckit.clock"

// TimeKey is the metadata key of an event's time, in microseconds since 1970: when
// it was stored by its writer's log, by a hybrid logical clock. It is the wall
// clock's time, or one microsecond above the latest time that the log has seen if
// that is later, but does not follow times that are more than MaxAhead ahead: such a
// clock is wrong. A Log sets it together with the clock; it is no part of what makes
// two events the same. What a resolver makes has a time just after those of the events
// between which it decided.
const TimeKey = "synckit.time"

// MaxAhead is how far ahead of the wall clock an event's time may be and still be
// believed.
const MaxAhead = 24 * time.Hour

// maxClock is the largest clock that JSON numbers carry exactly everywhere. A
// larger one, which only a faulty peer sends, is refused (CheckClock), and counts as none where an
// earlier release has taken it.
const maxClock = 1<<53 - 1

// Clock is the event's clock; 0 if it has none.
func (e EncodedEvent) Clock() uint64 { clock, _ := e.marks(); return clock }

// Time is the event's time; zero if it has none.
func (e EncodedEvent) Time() time.Time { _, micros := e.marks(); return timeOf(micros) }

func (e EncodedEvent) marks() (clock, micros uint64) {
	if clock, micros, only := onlyMarks(e.Metadata); only {
		return clock, micros
	}
	var metadata struct {
		Clock json.Number `json:"synckit.clock"`
		Time  json.Number `json:"synckit.time"`
	}
	if len(e.Metadata) == 0 || json.Unmarshal(e.Metadata, &metadata) != nil {
		return 0, 0
	}
	return parseClock(metadata.Clock.String()), parseClock(metadata.Time.String())
}

// The metadata of an event whose app gave it none, as setMarks writes it.
const (
	beforeClock = `{"` + ClockKey + `":`
	beforeTime  = `,"` + TimeKey + `":`
)

// onlyMarks reads metadata that has a clock and a time and nothing else, in the one way in
// which Encode would write it: most events have no other, and each is read often.
func onlyMarks(metadata json.RawMessage) (clock, micros uint64, only bool) {
	rest, ok := bytes.CutPrefix(metadata, []byte(beforeClock))
	if !ok {
		return 0, 0, false
	}
	clock, rest, ok = cutNumber(rest)
	if !ok {
		return 0, 0, false
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(beforeTime)); !ok {
		return 0, 0, false
	}
	micros, rest, ok = cutNumber(rest)
	return clock, micros, ok && len(rest) == 1 && rest[0] == '}'
}

// cutNumber reads a number above 0 and up to maxClock as strconv writes it.
func cutNumber(text []byte) (n uint64, rest []byte, ok bool) {
	digits := 0
	for digits < len(text) && '0' <= text[digits] && text[digits] <= '9' && n <= maxClock {
		n = 10*n + uint64(text[digits]-'0')
		digits++
	}
	return n, text[digits:], digits > 0 && text[0] != '0' && n <= maxClock
}

func timeOf(micros uint64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(micros)).UTC()
}

// WithClock is the event with another clock; 0 takes away both clock and time.
func (e EncodedEvent) WithClock(clock uint64) EncodedEvent {
	_, micros := e.marks()
	if clock == 0 {
		micros = 0
	}
	e.Metadata = setMarks(e.Metadata, min(clock, maxClock), micros)
	return e
}

// Stamped is the event with the clock and the time that a log gives it.
func (e EncodedEvent) Stamped(clock uint64, at time.Time) EncodedEvent {
	e.Metadata = setMarks(e.Metadata, min(clock, maxClock), uint64(max(at.UnixMicro(), 0)))
	return e
}

// TimeOf is an event's time; zero if it has none.
func TimeOf(e Event) time.Time { return timeOf(numberOf(e.Metadata()[TimeKey])) }

// CheckClock tells why an event from elsewhere is not taken: its clock or its time is no number above 0
// that JSON carries exactly everywhere. As such numbers count as none, a log that passed the event
// on would give it a clock of its own, and it would not stand in the same place on all nodes. The
// error has the code InvalidEvent.
func CheckClock(e Event) error {
	metadata := e.Metadata()
	for _, key := range []string{ClockKey, TimeKey} {
		if value, there := metadata[key]; there && numberOf(value) == 0 {
			return invalid(e.ID(), fmt.Errorf("%s is %.40q, which is no number from 1 to 2^53-1", key, fmt.Sprint(value)))
		}
	}
	return nil
}

// ClockOf is an event's clock; 0 if it has none.
func ClockOf(e Event) uint64 { return numberOf(e.Metadata()[ClockKey]) }

func numberOf(value interface{}) uint64 {
	switch clock := value.(type) {
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

// setMarks gives metadata with another clock and time, in the one way in which Encode
// would write it. What is no JSON object stays as it is.
func setMarks(metadata json.RawMessage, clock, micros uint64) json.RawMessage {
	_, _, only := onlyMarks(metadata)
	if only && clock == 0 && micros == 0 {
		return nil
	}
	if (only || len(metadata) == 0) && clock > 0 && micros > 0 { // as most apps' events are
		text := strconv.AppendUint([]byte(beforeClock), clock, 10)
		return append(strconv.AppendUint(append(text, beforeTime...), micros, 10), '}')
	}
	values := map[string]interface{}{}
	if len(metadata) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(metadata))
		decoder.UseNumber()
		if decoder.Decode(&values) != nil {
			return metadata
		}
	}
	delete(values, ClockKey)
	delete(values, TimeKey)
	if clock > 0 {
		values[ClockKey] = clock
	}
	if micros > 0 {
		values[TimeKey] = micros
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
