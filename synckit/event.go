package synckit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"syncline/synckit/errors"
)

// Event is something that happened to an aggregate. It never changes.
type Event interface {
	// ID tells the event apart from all others, on all nodes. 1 to 255 bytes.
	ID() string
	// Type says what happened. Types that begin with "synckit." are reserved.
	Type() string
	// AggregateID names what it happened to. Events of one aggregate can conflict.
	AggregateID() string
	// Data is what encoding/json can marshal. Of an event that comes from a store
	// or a transport it is a json.RawMessage; DecodeData reads both.
	Data() interface{}
	// Metadata is about the event: its time, its author. May be nil. A log adds
	// the keys ClockKey and TimeKey.
	Metadata() map[string]interface{}
}

// EventWithVersion is an event and the version that it was given.
type EventWithVersion struct {
	Event   Event
	Version Version
}

// MarshalJSON writes the event as Encode does, and the version as text: the form
// in which the HTTP transport sends events. Without it the content of an app's
// own event type would be missing, for its fields are not exported.
func (e EventWithVersion) MarshalJSON() ([]byte, error) {
	if e.Event == nil {
		return nil, invalid("", fmt.Errorf("there is no event"))
	}
	encoded, err := Encode(e.Event)
	if err != nil {
		return nil, err
	}
	wire := struct {
		Event   EncodedEvent `json:"event"`
		Version string       `json:"version"`
	}{Event: encoded}
	if e.Version != nil {
		wire.Version = e.Version.String()
	}
	return json.Marshal(wire)
}

// NewEvent is a ready Event. It keeps data and metadata as they are: do not
// change them afterwards.
func NewEvent(id, eventType, aggregateID string, data interface{}, metadata map[string]interface{}) Event {
	return &event{id: id, eventType: eventType, aggregateID: aggregateID, data: data, metadata: metadata}
}

type event struct {
	id, eventType, aggregateID string
	data                       interface{}
	metadata                   map[string]interface{}
	written                    json.RawMessage // metadata as Encode writes it; nil: that is to be found out
	// encoded is what Encode gave: an event is encoded once from where it is stored or read to where
	// it is sent. nil: it was not yet.
	encoded atomic.Pointer[EncodedEvent]
}

func (e *event) ID() string                       { return e.id }
func (e *event) Type() string                     { return e.eventType }
func (e *event) AggregateID() string              { return e.aggregateID }
func (e *event) Data() interface{}                { return e.data }
func (e *event) Metadata() map[string]interface{} { return e.metadata }

// DecodeData reads an event's data into what into points to, by way of JSON.
func DecodeData(e Event, into interface{}) error {
	data, err := encodeData(e.Data())
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

func encodeData(data interface{}) (json.RawMessage, error) {
	if raw, ok := data.(json.RawMessage); ok {
		return raw, nil
	}
	return json.Marshal(data)
}

// EncodedEvent is an event as stores keep it and transports carry it. Two events
// are the same if their encodings are.
type EncodedEvent struct {
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	AggregateID string          `json:"aggregate_id"`
	Data        json.RawMessage `json:"data,omitempty"`     // compact JSON
	Metadata    json.RawMessage `json:"metadata,omitempty"` // compact JSON object, keys sorted
}

// maxNameBytes bounds an event's ID, type and aggregate ID.
const maxNameBytes = 255

// Encode checks an event and encodes it. Its error has the code InvalidEvent. What it gives may be
// given again: do not change its bytes.
func Encode(e Event) (EncodedEvent, error) {
	known, ok := e.(*event)
	if !ok {
		return encode(e)
	}
	if done := known.encoded.Load(); done != nil {
		return *done, nil
	}
	encoded, err := encode(e)
	if err == nil {
		known.encoded.Store(&encoded)
	}
	return encoded, err
}

func encode(e Event) (EncodedEvent, error) {
	encoded := EncodedEvent{ID: e.ID(), Type: e.Type(), AggregateID: e.AggregateID()}
	if err := encoded.check(); err != nil {
		return EncodedEvent{}, err
	}
	var err error
	if encoded.Data, err = encodeData(e.Data()); err == nil {
		encoded.Data, err = compact(encoded.Data)
	}
	if err != nil {
		return EncodedEvent{}, invalid(encoded.ID, fmt.Errorf("data is not JSON: %w", err))
	}
	if known, ok := e.(*event); ok && known.written != nil {
		encoded.Metadata = known.written
	} else if len(e.Metadata()) > 0 {
		if encoded.Metadata, err = json.Marshal(e.Metadata()); err != nil {
			return EncodedEvent{}, invalid(encoded.ID, fmt.Errorf("metadata is not JSON: %w", err))
		}
	}
	return encoded, nil
}

func (e EncodedEvent) check() error {
	switch {
	case e.ID == "" || len(e.ID) > maxNameBytes:
		return invalid(e.ID, fmt.Errorf("an event's id has 1 to %d bytes", maxNameBytes))
	case len(e.Type) > maxNameBytes:
		return invalid(e.ID, fmt.Errorf("an event's type has up to %d bytes", maxNameBytes))
	case len(e.AggregateID) > maxNameBytes:
		return invalid(e.ID, fmt.Errorf("an aggregate's id has up to %d bytes", maxNameBytes))
	}
	return nil
}

// Decode gives the event. Its data is a json.RawMessage.
func (e EncodedEvent) Decode() (Event, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	if _, _, only := onlyMarks(e.Metadata); only {
		clock, at, _ := bytes.Cut(e.Metadata[len(beforeClock):len(e.Metadata)-1], []byte(beforeTime))
		return &event{
			id: e.ID, eventType: e.Type, aggregateID: e.AggregateID, data: e.Data, written: e.Metadata,
			metadata: map[string]interface{}{ClockKey: json.Number(clock), TimeKey: json.Number(at)},
		}, nil
	}
	var metadata map[string]interface{}
	if len(e.Metadata) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(e.Metadata))
		decoder.UseNumber() // so that encoding it again gives the same
		if err := decoder.Decode(&metadata); err != nil {
			return nil, invalid(e.ID, fmt.Errorf("metadata is not a JSON object: %w", err))
		}
	}
	return NewEvent(e.ID, e.Type, e.AggregateID, e.Data, metadata), nil
}

// compact leaves out white space, checks the syntax, and escapes as json.Marshal
// does: an encoding that is marshalled on its way stays what it was.
func compact(data json.RawMessage) (json.RawMessage, error) { return json.Marshal(data) }

// Same tells whether two encodings are of one event: all but clock and time counts.
func (e EncodedEvent) Same(other EncodedEvent) bool {
	return e.ID == other.ID && e.Type == other.Type && e.AggregateID == other.AggregateID &&
		bytes.Equal(e.Data, other.Data) && (bytes.Equal(e.Metadata, other.Metadata) ||
		bytes.Equal(setMarks(e.Metadata, 0, 0), setMarks(other.Metadata, 0, 0)))
}

func invalid(id string, err error) error {
	return errors.New(errors.InvalidEvent, "encode event", err, errors.Metadata{"event": id})
}
