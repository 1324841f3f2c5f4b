package stored

import (
	"encoding/binary"
	"errors"

	"syncline/synckit"
)

// Event is what a store of bytes keeps of an entry.
type Event struct {
	synckit.EncodedEvent
	Kind, Version string // of the event's own version
	Origin        string
}

// Bytes encodes the event: each field after its length, so that any bytes may
// stand in it.
func (e Event) Bytes() []byte {
	var b []byte
	for _, field := range []string{e.ID, e.Type, e.AggregateID, string(e.Data), string(e.Metadata), e.Kind, e.Version, e.Origin} {
		b = binary.AppendUvarint(b, uint64(len(field)))
		b = append(b, field...)
	}
	return b
}

// ParseEvent reads what Bytes gave.
func ParseEvent(b []byte) (Event, error) {
	var fields [8]string
	for i := range fields {
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return Event{}, errDamaged
		}
		end := n + int(length)
		fields[i], b = string(b[n:end]), b[end:]
	}
	return Event{
		EncodedEvent: synckit.EncodedEvent{
			ID: fields[0], Type: fields[1], AggregateID: fields[2], Data: []byte(fields[3]), Metadata: []byte(fields[4]),
		},
		Kind: fields[5], Version: fields[6], Origin: fields[7],
	}, nil
}

var errDamaged = errors.New("what is stored of an event is damaged")
