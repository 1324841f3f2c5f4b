package main

import (
	"fmt"
	"sync"

	"syncline/synckit"
)

// line is something that happened, for the page's terminal.
type line struct {
	Number    int            `json:"number"`
	Kind      string         `json:"kind"` // event, resolution, conflict or network
	Device    string         `json:"device"`
	Text      string         `json:"text"`
	Event     string         `json:"event,omitempty"` // its id
	Type      string         `json:"type,omitempty"`
	Aggregate string         `json:"aggregate,omitempty"`
	Version   string         `json:"version,omitempty"`
	Origin    string         `json:"origin,omitempty"` // the peer that it came from
	Metadata  map[string]any `json:"metadata,omitempty"`
}

func lineOf(device string, e synckit.Entry) line {
	l := line{
		Kind: "event", Device: device, Event: e.Event.ID(), Type: e.Event.Type(), Aggregate: e.Event.AggregateID(),
		Version: fmt.Sprint(e.Version), Origin: e.Origin, Metadata: e.Event.Metadata(),
		Text: text([]synckit.EventWithVersion{e.EventWithVersion}),
	}
	if r, ok := synckit.ReadResolution(e.Event); ok {
		l.Kind, l.Text = "resolution", fmt.Sprintf("%d kept, %d superseded", len(r.Kept), len(r.Superseded))
	}
	return l
}

// maxLines is how much of what happened is kept for pages that are opened later.
const maxLines = 200

// activity is what happened last, and a signal that there is something to show.
type activity struct {
	mu      sync.Mutex
	lines   []line
	number  int
	changed chan struct{} // closed at the next change
}

func newActivity() *activity { return &activity{changed: make(chan struct{})} }

func (a *activity) add(l line) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.number++
	l.Number = a.number
	a.lines = append(a.lines, l)
	if len(a.lines) > maxLines {
		a.lines = a.lines[len(a.lines)-maxLines:]
	}
	a.signal()
}

// touch says that the state has changed, though there is no line to show.
func (a *activity) touch() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.signal()
}

func (a *activity) signal() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// since gives the lines after a number, and a channel that is closed when there
// is more.
func (a *activity) since(number int) ([]line, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, l := range a.lines {
		if l.Number > number {
			return append([]line(nil), a.lines[i:]...), a.changed
		}
	}
	return nil, a.changed
}
