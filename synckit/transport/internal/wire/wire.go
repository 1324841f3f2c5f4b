// Package wire is how transports write events and errors as JSON.
package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/version"
)

// Event is an event with its version as text; empty if it has none.
type Event struct {
	Event   synckit.EncodedEvent `json:"event"`
	Version string               `json:"version"`
}

// VersionParser reads a version's text.
type VersionParser func(ctx context.Context, text string) (synckit.Version, error)

// Parse is the VersionParser for the versions of this library.
func Parse(_ context.Context, text string) (synckit.Version, error) { return version.Parse(text) }

// OrOwn reads what parse cannot with Parse: events bring versions of this library
// along whatever an app's own look like.
func (parse VersionParser) OrOwn(ctx context.Context, text string) (synckit.Version, error) {
	v, err := parse(ctx, text)
	if err == nil {
		return v, nil
	}
	if own, ownErr := Parse(ctx, text); ownErr == nil {
		return own, nil
	}
	return nil, err
}

// Encode writes an event. Its error has the code InvalidEvent: JSON would turn
// text that is not UTF-8 into other text, and so make it another event.
func Encode(e synckit.EventWithVersion) (Event, error) {
	encoded, err := synckit.Encode(e.Event)
	if err != nil {
		return Event{}, err
	}
	return New(encoded, e.Version)
}

// New is Encode for an event that is encoded already.
func New(encoded synckit.EncodedEvent, v synckit.Version) (Event, error) {
	w := Event{Event: encoded}
	if v != nil {
		w.Version = v.String()
	}
	for _, text := range []string{encoded.ID, encoded.Type, encoded.AggregateID, w.Version} {
		if !utf8.ValidString(text) {
			return Event{}, errors.New(errors.InvalidEvent, "encode event", fmt.Errorf("%q is not UTF-8", text),
				errors.Metadata{"event": encoded.ID})
		}
	}
	return w, nil
}

// EncodeAll writes events. Those that cannot be are refused in the outcome.
func EncodeAll(events []synckit.EventWithVersion) ([]Event, *synckit.PushError) {
	outcome := &synckit.PushError{}
	all := make([]Event, 0, len(events))
	for _, e := range events {
		encoded, err := Encode(e)
		if err != nil {
			Refuse(outcome, e.Event.ID(), err)
			continue
		}
		all = append(all, encoded)
	}
	return all, outcome
}

// Decode reads the event. Its errors have the codes InvalidEvent and
// InvalidVersion; with the latter comes the event without its version.
func (e Event) Decode(ctx context.Context, parse VersionParser) (synckit.EventWithVersion, error) {
	if len(e.Event.Data) == 0 {
		e.Event.Data = json.RawMessage("null") // some leave out what is null
	}
	event, err := e.Event.Decode()
	if err != nil {
		return synckit.EventWithVersion{}, err
	}
	v, err := ParseVersion(ctx, parse, e.Version)
	return synckit.EventWithVersion{Event: event, Version: v}, err
}

// ParseVersion reads a version's text; empty is no version. Its error has the
// code InvalidVersion.
func ParseVersion(ctx context.Context, parse VersionParser, text string) (synckit.Version, error) {
	if text == "" {
		return nil, nil
	}
	v, err := parse(ctx, text)
	if err != nil {
		return nil, errors.New(errors.InvalidVersion, "read version", err)
	}
	return v, nil
}

// DecodeAll reads events.
func DecodeAll(ctx context.Context, events []Event, parse VersionParser) ([]synckit.EventWithVersion, error) {
	all := make([]synckit.EventWithVersion, len(events))
	for i, e := range events {
		var err error
		if all[i], err = e.Decode(ctx, parse); err != nil {
			return nil, err
		}
	}
	return all, nil
}
