// Package codec gives events' data Go types: a registry knows for each kind of data how it
// becomes JSON and back. An event names its kind in its metadata, so that any node that
// knows the kind reads it.
//
//	var notes = codec.NewRegistry()
//	notes.Register(codec.JSON[Note]("note"))
//	event, err := notes.NewEvent("n1", "NoteWritten", "notes", "note", Note{Text: "hello"}, nil)
//	value, err := notes.Decode(event) // a Note
package codec

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// Codec writes values of one kind as JSON and reads them.
type Codec interface {
	// Kind names the codec.
	Kind() string
	// Encode writes a value.
	Encode(value any) (json.RawMessage, error)
	// Decode reads what Encode wrote.
	Decode(data json.RawMessage) (any, error)
}

// KindKey is the metadata key under which NewEvent names an event's kind.
const KindKey = "kind"

// kindKeys are those under which Decode looks for it.
var kindKeys = [...]string{KindKey, "codec_kind", "data_kind"}

// JSON is a codec for a Go type, by encoding/json. Decode gives a T.
func JSON[T any](kind string) Codec { return jsonCodec[T](kind) }

type jsonCodec[T any] string

func (c jsonCodec[T]) Kind() string { return string(c) }

func (c jsonCodec[T]) Encode(value any) (json.RawMessage, error) {
	typed, ok := value.(T)
	if !ok {
		return nil, fmt.Errorf("codec: kind %.80q is of %T, not of %T", string(c), typed, value)
	}
	return json.Marshal(typed)
}

func (c jsonCodec[T]) Decode(data json.RawMessage) (any, error) {
	var typed T
	err := json.Unmarshal(data, &typed)
	return typed, err
}

// Registry knows codecs by their kinds. It is safe for concurrent use.
type Registry struct {
	mu     sync.RWMutex
	codecs map[string]Codec
}

// NewRegistry gives an empty registry.
func NewRegistry() *Registry { return &Registry{codecs: map[string]Codec{}} }

// DefaultRegistry is that of Register and Get.
var DefaultRegistry = NewRegistry()

// Register adds a codec to the DefaultRegistry, in place of another of its kind.
func Register(c Codec) { DefaultRegistry.Register(c) }

// Get finds a codec in the DefaultRegistry.
func Get(kind string) (Codec, bool) { return DefaultRegistry.Get(kind) }

// Register adds a codec, in place of another of its kind.
func (r *Registry) Register(c Codec) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.codecs[c.Kind()] = c
}

// Get finds a codec.
func (r *Registry) Get(kind string) (Codec, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	c, ok := r.codecs[kind]
	return c, ok
}

// Kinds are those for which there is a codec, sorted.
func (r *Registry) Kinds() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.codecs))
}

// NewEvent makes an event of a value, with its kind in its metadata. Its error has the code
// Unsupported for a kind without a codec, and InvalidEvent for a value that is not of it.
func (r *Registry) NewEvent(id, eventType, aggregateID, kind string, value any, metadata map[string]any) (synckit.Event, error) {
	const op = "encode data"
	c, ok := r.Get(kind)
	if !ok {
		return nil, unknown(op, id, kind)
	}
	data, err := c.Encode(value)
	if err != nil {
		return nil, errors.New(errors.InvalidEvent, op, err, errors.Metadata{"event": id, "kind": kind})
	}
	named := maps.Clone(metadata)
	if named == nil {
		named = map[string]any{}
	}
	named[KindKey] = kind
	return synckit.NewEvent(id, eventType, aggregateID, data, named), nil
}

// Decode reads an event's data by the codec of its kind: that of the metadata's "kind", or
// else "codec_kind" or "data_kind". Its error has the code Unsupported where there is no
// kind, or none with a codec: the event is then one for synckit.DecodeData. It has the code
// InvalidEvent where the codec fails.
func (r *Registry) Decode(e synckit.Event) (any, error) {
	const op = "decode data"
	var c Codec
	kind, metadata := "", e.Metadata()
	for _, key := range kindKeys {
		if named, ok := metadata[key].(string); ok && c == nil {
			kind = named
			c, _ = r.Get(named)
		}
	}
	if c == nil {
		return nil, unknown(op, e.ID(), kind)
	}
	var data json.RawMessage
	err := synckit.DecodeData(e, &data)
	if err == nil {
		var value any
		if value, err = c.Decode(data); err == nil {
			return value, nil
		}
	}
	return nil, errors.New(errors.InvalidEvent, op, err, errors.Metadata{"event": e.ID(), "kind": c.Kind()})
}

func unknown(op, id, kind string) error {
	return errors.New(errors.Unsupported, op, fmt.Errorf("there is no codec for kind %.80q", kind), errors.Metadata{"event": id})
}
