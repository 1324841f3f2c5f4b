package cursor

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"syncline/synckit"
)

// The kinds of this package's cursors.
const (
	KindInteger = "integer"
	KindVector  = "vector"
)

// Cursor is a place in a log that goes over the wire with its kind.
type Cursor interface {
	// Kind names the Codec that writes and reads it.
	Kind() string
}

// Codec writes and reads cursors of one kind.
type Codec interface {
	Kind() string
	Marshal(c Cursor) (json.RawMessage, error)
	Unmarshal(data json.RawMessage) (Cursor, error)
}

// WireCursor is a cursor as JSON: {"kind":"integer","data":7}.
type WireCursor struct {
	Kind string          `json:"kind"`
	Data json.RawMessage `json:"data"`
}

// MaxWireBytes bounds a cursor's data.
const MaxWireBytes = 64 << 10

var codecs = struct {
	sync.RWMutex
	byKind map[string]Codec
}{byKind: map[string]Codec{KindInteger: integerCodec{}, KindVector: vectorCodec{}}}

// Register adds a codec, in place of another of its kind. Those of this package are there
// already.
func Register(c Codec) {
	codecs.Lock()
	defer codecs.Unlock()
	codecs.byKind[c.Kind()] = c
}

// Lookup finds a codec.
func Lookup(kind string) (Codec, bool) {
	codecs.RLock()
	defer codecs.RUnlock()
	c, ok := codecs.byKind[kind]
	return c, ok
}

// InitDefaultCodecs registers the codecs of this package, should a program have put others
// in their place.
func InitDefaultCodecs() {
	Register(integerCodec{})
	Register(vectorCodec{})
}

// MarshalWire writes a cursor by the codec of its kind.
func MarshalWire(c Cursor) (*WireCursor, error) {
	if c == nil {
		return nil, fmt.Errorf("cursor: there is none")
	}
	codec, ok := Lookup(c.Kind())
	if !ok {
		return nil, unknown(c.Kind())
	}
	data, err := codec.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("cursor: write one of kind %q: %w", c.Kind(), err)
	}
	return &WireCursor{Kind: codec.Kind(), Data: data}, nil
}

// UnmarshalWire reads what MarshalWire wrote.
func UnmarshalWire(w *WireCursor) (Cursor, error) {
	if err := ValidateWireCursor(w); err != nil {
		return nil, err
	}
	codec, _ := Lookup(w.Kind)
	c, err := codec.Unmarshal(w.Data)
	if err != nil {
		return nil, fmt.Errorf("cursor: read one of kind %q: %w", w.Kind, err)
	}
	return c, nil
}

// ValidateWireCursor tells whether UnmarshalWire can be tried: the kind is known, and the
// data is not too large.
func ValidateWireCursor(w *WireCursor) error {
	if w == nil {
		return fmt.Errorf("cursor: there is none")
	}
	if len(w.Data) > MaxWireBytes {
		return fmt.Errorf("cursor: %d bytes are more than %d", len(w.Data), MaxWireBytes)
	}
	if _, ok := Lookup(w.Kind); !ok {
		return unknown(w.Kind)
	}
	return nil
}

func unknown(kind string) error {
	return fmt.Errorf("cursor: %.80q is no known kind", kind)
}

// Kind implements Cursor.
func (IntegerCursor) Kind() string { return KindInteger }

// NewInteger is the cursor at a position.
func NewInteger(seq uint64) IntegerCursor { return IntegerCursor{Seq: seq} }

type integerCodec struct{}

func (integerCodec) Kind() string { return KindInteger }

func (integerCodec) Marshal(c Cursor) (json.RawMessage, error) {
	if i, ok := c.(IntegerCursor); ok {
		return json.Marshal(i.Seq)
	}
	return nil, fmt.Errorf("%T is another", c)
}

func (integerCodec) Unmarshal(data json.RawMessage) (Cursor, error) {
	var seq *uint64
	if err := strictly(data, &seq); err != nil {
		return nil, err
	}
	if seq == nil {
		return nil, fmt.Errorf("null is no position")
	}
	return IntegerCursor{Seq: *seq}, nil
}

// VectorCursor is what of each node is known: a vector clock as a place to read on from.
type VectorCursor struct {
	Counters map[string]uint64
}

var _ synckit.CausalVersion = VectorCursor{}

// NewVector is a cursor of counters by node. Do not change them afterwards.
func NewVector(counters map[string]uint64) VectorCursor { return VectorCursor{Counters: counters} }

// Kind implements Cursor.
func (VectorCursor) Kind() string { return KindVector }

// Order implements synckit.CausalVersion, among cursors of this kind.
func (c VectorCursor) Order(other synckit.Version) synckit.Ordering {
	o, ok := other.(VectorCursor)
	if !ok {
		return synckit.Concurrent
	}
	switch less, more := o.exceeds(c), c.exceeds(o); {
	case less && more:
		return synckit.Concurrent
	case less:
		return synckit.Before
	case more:
		return synckit.After
	default:
		return synckit.Equal
	}
}

func (c VectorCursor) exceeds(o VectorCursor) bool {
	for node, counter := range c.Counters {
		if counter > o.Counters[node] {
			return true
		}
	}
	return false
}

// Compare implements synckit.Version: what knows less comes first; concurrent ones are in an
// order that is the same on all nodes. A version of another kind counts as before.
func (c VectorCursor) Compare(other synckit.Version) int {
	o, ok := other.(VectorCursor)
	if !ok {
		return 1
	}
	switch c.Order(o) {
	case synckit.Equal:
		return 0
	case synckit.Before:
		return -1
	case synckit.After:
		return 1
	default: // of the first node, by name, about which they differ, the higher counter is later
		nodes := slices.Sorted(maps.Keys(c.Counters))
		nodes = append(nodes, slices.Sorted(maps.Keys(o.Counters))...)
		slices.Sort(nodes)
		for _, node := range nodes {
			if order := cmp.Compare(c.Counters[node], o.Counters[node]); order != 0 {
				return order
			}
		}
		return 0
	}
}

// String implements synckit.Version: a JSON object of counters by node, sorted by node.
func (c VectorCursor) String() string {
	text, _ := json.Marshal(c.known()) // strings and integers always marshal
	return string(text)
}

// IsZero implements synckit.Version.
func (c VectorCursor) IsZero() bool { return len(c.known()) == 0 }

// known leaves out counters of 0, which say nothing.
func (c VectorCursor) known() map[string]uint64 {
	known := map[string]uint64{}
	for node, counter := range c.Counters {
		if counter > 0 {
			known[node] = counter
		}
	}
	return known
}

type vectorCodec struct{}

func (vectorCodec) Kind() string { return KindVector }

func (vectorCodec) Marshal(c Cursor) (json.RawMessage, error) {
	if v, ok := c.(VectorCursor); ok {
		return json.RawMessage(v.String()), nil
	}
	return nil, fmt.Errorf("%T is another", c)
}

func (vectorCodec) Unmarshal(data json.RawMessage) (Cursor, error) {
	var counters map[string]uint64
	err := strictly(data, &counters)
	return VectorCursor{Counters: counters}, err
}

// strictly reads one JSON value and nothing after it.
func strictly(data json.RawMessage, into any) error {
	return json.Unmarshal(bytes.TrimSpace(data), into)
}
