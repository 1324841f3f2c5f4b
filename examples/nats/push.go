package natstransport

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/version"
)

// message is what the stream keeps of an event.
type message struct {
	Event   synckit.EncodedEvent `json:"event"`
	Version string               `json:"version,omitempty"`
}

func encode(e synckit.EventWithVersion) (message, []byte, error) {
	encoded, err := synckit.Encode(e.Event)
	if err != nil {
		return message{}, nil, err
	}
	for _, text := range []string{encoded.ID, encoded.Type, encoded.AggregateID} {
		if !utf8.ValidString(text) { // JSON would make it another text
			return message{}, nil, errors.New(errors.InvalidEvent, "push", fmt.Errorf("%q is not UTF-8", text))
		}
	}
	m := message{Event: encoded}
	if _, elsewhere := e.Version.(cursor.IntegerCursor); e.Version != nil && !elsewhere {
		m.Version = e.Version.String()
	}
	data, err := json.Marshal(m)
	return m, data, err
}

func decode(data []byte, sequence uint64) (synckit.EventWithVersion, error) {
	var m message
	if err := json.Unmarshal(data, &m); err != nil {
		return synckit.EventWithVersion{}, errors.New(errors.InvalidEvent, "pull", err)
	}
	event, err := m.Event.Decode()
	if err != nil {
		return synckit.EventWithVersion{}, err
	}
	e := synckit.EventWithVersion{Event: event, Version: cursor.IntegerCursor{Seq: sequence}}
	if m.Version != "" {
		e.Version, err = version.Parse(m.Version)
	}
	return e, err
}

// Push implements synckit.Transport. It waits for each event to be stored before
// it sends the next: that keeps their order, whatever fails.
func (t *Transport) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	outcome := &synckit.PushError{Refused: map[string]error{}}
	for _, e := range events {
		err := t.pushOne(ctx, e)
		switch code := errors.CodeOf(err); {
		case err == nil:
			outcome.Stored = append(outcome.Stored, e.Event.ID())
		case code == errors.InvalidEvent, code == errors.TooLarge, code == errors.EventIDReused:
			outcome.Refused[e.Event.ID()] = err
		default:
			outcome.Err = err
			return outcome
		}
	}
	if len(outcome.Refused) > 0 {
		return outcome
	}
	return nil
}

func (t *Transport) pushOne(ctx context.Context, e synckit.EventWithVersion) error {
	m, data, err := encode(e)
	if err != nil {
		return err
	}
	return t.call(ctx, "push", func(ctx context.Context) error {
		subject := t.subject(m.Event.ID)
		_, err := t.js.Publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(0))
		if isTaken(err) {
			return t.compare(ctx, subject, m)
		}
		return err
	})
}

// isTaken tells whether a subject has a message already.
func isTaken(err error) bool {
	var failed *jetstream.APIError
	return stderrors.As(err, &failed) && (failed.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		failed.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// compare tells whether what is there is the same event.
func (t *Transport) compare(ctx context.Context, subject string, m message) error {
	stream, err := t.js.Stream(ctx, t.stream)
	if err != nil {
		return err
	}
	there, err := stream.GetLastMsgForSubject(ctx, subject)
	if err != nil {
		return err
	}
	var other message
	if err := json.Unmarshal(there.Data, &other); err != nil || !other.Event.Same(m.Event) {
		return errors.New(errors.EventIDReused, "push", err, errors.Metadata{"event": m.Event.ID})
	}
	return nil
}
