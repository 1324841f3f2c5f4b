package sealed

import (
	"context"
	stderrors "errors"
	"strings"

	"syncline/client/seal"
	"syncline/synckit/errors"
)

// WithKeys seals by the first key, in the format of docs/encryption.md, and opens what any of
// the keys has sealed. An event may have about 48 KiB over a Syncline server, 64 over other transports.
//
// A key is put in the first place for good: an event whose push was not answered is sealed again when
// it is pushed again, and a peer that has it under another key refuses it then.
func WithKeys(first seal.Key, others ...seal.Key) (Codec, error) {
	c := keys(append([]seal.Key{first}, others...))
	for _, k := range c {
		if _, err := k.SealSame(seal.Record{}); err != nil {
			return nil, errors.New(errors.InvalidOptions, "seal events", err)
		}
	}
	return c, nil
}

type keys []seal.Key

// schema keeps boxes of events apart from those of an owner's other records; the aggregate
// follows it.
const schema = "synckit/sealed/1\x00"

func (c keys) Seal(_ context.Context, place Place, content []byte) ([]byte, error) {
	box, err := c[0].SealSame(seal.Record{ID: place.EventID, SchemaVersion: schema + place.AggregateID, Data: content})
	switch {
	case err == nil:
		return box, nil
	case stderrors.Is(err, seal.ErrTooLarge):
		return nil, errors.New(errors.TooLarge, "seal by key", err)
	default:
		return nil, errors.New(errors.InvalidEvent, "seal by key", err)
	}
}

func (c keys) Open(_ context.Context, place Place, box []byte) (content []byte, err error) {
	for _, k := range c {
		var opened seal.Record
		opened, err = k.Open(seal.Stored{ID: place.EventID, SchemaVersion: schema + place.AggregateID, Box: box})
		if err == nil {
			return opened.Data, nil
		}
		if !stderrors.Is(err, seal.ErrWrongKey) {
			break
		}
	}
	return nil, errors.New(errors.InvalidEvent, "open by key", err)
}

// Opens names the keys by their owners.
func (c keys) Opens() string {
	owners := make([]string, len(c))
	for i, k := range c {
		owners[i] = k.Owner().String()
	}
	return strings.Join(owners, " ")
}
