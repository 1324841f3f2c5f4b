// Package wire is how transports write events and errors as JSON.
package wire

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
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
	if err == nil {
		err = synckit.CheckClock(e.Event)
	}
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
	if err == nil {
		err = synckit.CheckClock(event)
	}
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

// Received is an event as a peer sends it, which may be none.
type Received struct {
	Event
	text []byte // what came; of JSON it is kept only if it is no event
	err  error
}

// Receive is an event that came otherwise than as JSON. text is what came.
func Receive(e Event, text []byte) Received { return Received{Event: e, text: text} }

// NoEvent is what came and could not be read at all.
func NoEvent(text []byte, err error) Received { return Received{text: text, err: err} }

// UnmarshalJSON implements json.Unmarshaler. What is no event is none of JSON's
// failures: the others of its page are read all the same.
func (r *Received) UnmarshalJSON(text []byte) error {
	*r = Received{}
	if r.err = json.Unmarshal(text, &r.Event); r.err != nil {
		r.text = bytes.Clone(text)
	}
	return nil
}

// ReadAll reads a JSON array of events. They are read one by one only if one of them is none:
// that goes through the text twice as often.
func ReadAll(text []byte) ([]Received, error) {
	var sound []Event
	if json.Unmarshal(text, &sound) == nil {
		all := make([]Received, len(sound))
		for i, e := range sound {
			all[i].Event = e
		}
		return all, nil
	}
	var all []Received
	err := json.Unmarshal(text, &all)
	return all, err
}

// DecodeAll reads a page's events. Those that cannot be read are told of beside the
// others: whoever writes to a peer's log must not be able to keep others from reading
// it. Its error is the context's.
func DecodeAll(ctx context.Context, events []Received, parse VersionParser) (page synckit.Page, err error) {
	for _, r := range events {
		e, err := synckit.EventWithVersion{}, r.err
		if err == nil {
			e, err = r.Decode(ctx, parse)
		}
		switch {
		case err == nil:
			page.Events = append(page.Events, e)
		case ctx.Err() != nil: // the parser may have failed for that
			return synckit.Page{}, context.Cause(ctx)
		default:
			page.Unreadable = append(page.Unreadable, r.unreadable(e.Event, err))
		}
	}
	return page, nil
}

func (r Received) unreadable(e synckit.Event, err error) synckit.Unreadable {
	name := "event " + r.Event.Event.ID
	if r.Event.Event.ID == "" {
		sum := sha256.Sum256(r.text)
		name = "text " + base64.RawURLEncoding.EncodeToString(sum[:])
	}
	err = fmt.Errorf("%.300s: %w", name, err)
	return synckit.Unreadable{Name: name, Event: e, Err: errors.New(cmp.Or(errors.CodeOf(err), errors.InvalidEvent), "read event", err)}
}
