// Package sealed encrypts events on their way: what leaves the node is sealed, what comes is
// opened, by any transport. Peers and servers keep what they cannot read.
//
//	codec, err := sealed.WithKeys(key) // seal.NewKey(identity)
//	…
//	transport := sealed.Over(synclinetransport.New(client, nil), codec, sealed.Options{})
//
// The local log holds events as they are. Of an event on its way everybody sees the ID, the
// aggregate, the version, the clock and time that the log gave it, and about how large it
// is. Type, data and metadata are sealed, and bound to ID and aggregate: what somebody
// changes or puts in another's place is not opened. Resolutions are sealed like any other.
//
// An event that cannot be opened, for its key is not here or it was changed, is never data: it
// waits in the reviews as it came (synckit.SealedType), and is pulled again when other keys are there.
package sealed

import (
	"context"
	"encoding/base64"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"unicode/utf8"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// Place is what a box is bound to.
type Place struct{ EventID, AggregateID string }

// Codec seals and opens. It is safe for concurrent use.
type Codec interface {
	// Seal makes a box of an event's content. It makes the same box of the same content at the
	// same place, always: an event is pushed again where an answer got lost, and nodes
	// that decide alike write the same events. An error of code TooLarge, InvalidEvent or
	// another that is final refuses the event; one that may pass by itself
	// (errors.IsRetryable), such as any without a code, ends the push, to be tried again.
	Seal(ctx context.Context, place Place, content []byte) ([]byte, error)
	// Open gives what Seal was given at this place, or an error. One that may pass by itself
	// (errors.IsRetryable), such as any without a code, ends the pull, to be tried again; with
	// any other, of code InvalidEvent for example, the event waits in the reviews.
	Open(ctx context.Context, place Place, box []byte) ([]byte, error)
	// Opens names the keys that are there, for synckit.ReadingTransport.
	Opens() string
}

// Options are what is not required.
type Options struct {
	// AcceptPlain takes events that come unsealed, too, as they were written before they were
	// sealed. Whoever can write to the peer's log can then write events. Else they wait in the
	// reviews.
	AcceptPlain bool
}

// content is what a box holds.
type content struct {
	Type     string          `json:"type"`
	Data     json.RawMessage `json:"data,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"` // without clock and time
}

// seal gives an event as it leaves the node.
func (t *Transport) seal(ctx context.Context, e synckit.EventWithVersion) (synckit.EventWithVersion, error) {
	encoded, err := synckit.Encode(e.Event)
	if err != nil {
		return e, err
	}
	where := errors.Metadata{"event": encoded.ID}
	if !utf8.ValidString(encoded.Type) {
		return e, errors.New(errors.InvalidEvent, "seal event", fmt.Errorf("type %q is not UTF-8", encoded.Type), where)
	}
	plain, err := json.Marshal(content{Type: encoded.Type, Data: encoded.Data, Metadata: encoded.WithClock(0).Metadata})
	if err != nil {
		return e, errors.New(errors.InvalidEvent, "seal event", err, where)
	}
	box, err := t.codec.Seal(ctx, placeOf(encoded), plain)
	if err != nil {
		return e, failed(errors.Unavailable, "seal event", err, encoded.ID)
	}
	text, err := json.Marshal(base64.StdEncoding.EncodeToString(box))
	if err != nil {
		return e, failed(errors.InvalidEvent, "seal event", err, encoded.ID)
	}
	sealed := synckit.EncodedEvent{ID: encoded.ID, Type: synckit.SealedType, AggregateID: encoded.AggregateID, Data: text}
	event, err := marked(sealed, encoded).Decode()
	return synckit.EventWithVersion{Event: event, Version: e.Version}, err
}

var errPlain = stderrors.New("the event came unsealed")

// open gives an event as it is.
func (t *Transport) open(ctx context.Context, e synckit.EventWithVersion) (synckit.EventWithVersion, error) {
	if e.Event.Type() != synckit.SealedType {
		if t.options.AcceptPlain {
			return e, nil
		}
		return e, failed(errors.InvalidEvent, "open event", errPlain, e.Event.ID())
	}
	encoded, err := synckit.Encode(e.Event)
	if err != nil {
		return e, err
	}
	var text string
	if err := json.Unmarshal(encoded.Data, &text); err != nil {
		return e, failed(errors.InvalidEvent, "open event", err, encoded.ID)
	}
	box, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return e, failed(errors.InvalidEvent, "open event", err, encoded.ID)
	}
	plain, err := t.codec.Open(ctx, placeOf(encoded), box)
	if err != nil {
		return e, failed(errors.Unavailable, "open event", err, encoded.ID)
	}
	var c content
	if err := json.Unmarshal(plain, &c); err != nil {
		return e, failed(errors.InvalidEvent, "open event", err, encoded.ID)
	}
	opened := synckit.EncodedEvent{ID: encoded.ID, Type: c.Type, AggregateID: encoded.AggregateID, Data: c.Data, Metadata: c.Metadata}
	if len(opened.Data) == 0 {
		opened.Data = json.RawMessage("null")
	}
	event, err := marked(opened, encoded).Decode()
	return synckit.EventWithVersion{Event: event, Version: e.Version}, err
}

// marked is an event with another one's clock and time.
func marked(e, as synckit.EncodedEvent) synckit.EncodedEvent { return e.Stamped(as.Clock(), as.Time()) }

func placeOf(e synckit.EncodedEvent) Place {
	return Place{EventID: e.ID, AggregateID: e.AggregateID}
}

// failed is an error about an event. It keeps the code that it has; without one it gets code.
func failed(code errors.Code, op string, err error, id string) error {
	if has := errors.CodeOf(err); has != "" {
		code = has
	}
	return errors.New(code, op, err, errors.Metadata{"event": id})
}
