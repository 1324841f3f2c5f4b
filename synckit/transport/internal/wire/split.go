package wire

// structure is more than the JSON of an event has beside its parts.
const structure = 80

// maxEscape is how many bytes JSON makes of one of a text, at most.
const maxEscape = 6

// Size is how many bytes of JSON an event has at most.
func Size(e Event) int {
	names := len(e.Event.ID) + len(e.Event.Type) + len(e.Event.AggregateID) + len(e.Version)
	return structure + maxEscape*names + len(e.Event.Data) + len(e.Event.Metadata)
}

// Split parts events into runs of up to some events and bytes of JSON. An event
// that is larger goes alone.
func Split(events []Event, most, bytes int) [][]Event {
	var parts [][]Event
	start, size := 0, 0
	for i, e := range events {
		if i > start && (i-start >= most || size+Size(e) > bytes) {
			parts = append(parts, events[start:i])
			start, size = i, 0
		}
		size += Size(e)
	}
	if start < len(events) {
		parts = append(parts, events[start:])
	}
	return parts
}

// IDs are those of events.
func IDs(events []Event) []string {
	all := make([]string, len(events))
	for i, e := range events {
		all[i] = e.Event.ID
	}
	return all
}
