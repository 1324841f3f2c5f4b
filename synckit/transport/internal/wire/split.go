package wire

import "encoding/json"

// Split parts events into runs of up to some events and bytes of JSON. An event
// that is larger goes alone.
func Split(events []Event, most, bytes int) ([][]Event, error) {
	var parts [][]Event
	start, size := 0, 0
	for i, e := range events {
		encoded, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		if i > start && (i-start >= most || size+len(encoded) > bytes) {
			parts = append(parts, events[start:i])
			start, size = i, 0
		}
		size += len(encoded) + len(",")
	}
	if start < len(events) {
		parts = append(parts, events[start:])
	}
	return parts, nil
}

// IDs are those of events.
func IDs(events []Event) []string {
	all := make([]string, len(events))
	for i, e := range events {
		all[i] = e.Event.ID
	}
	return all
}
