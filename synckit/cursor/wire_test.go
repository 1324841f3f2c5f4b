package cursor_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/cursor"
)

func TestCursorsComeBackFromTheWire(t *testing.T) {
	t.Parallel()
	cursor.InitDefaultCodecs()
	for want, c := range map[string]cursor.Cursor{
		`{"kind":"integer","data":0}`:                     cursor.NewInteger(0),
		`{"kind":"integer","data":18446744073709551615}`:  cursor.NewInteger(1<<64 - 1),
		`{"kind":"vector","data":{}}`:                     cursor.NewVector(nil),
		`{"kind":"vector","data":{"a":1,"b":9007199254}}`: cursor.NewVector(map[string]uint64{"b": 9007199254, "a": 1, "none": 0}),
	} {
		w, err := cursor.MarshalWire(c)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(w)
		if err != nil || string(text) != want {
			t.Errorf("%s, want %s (%v)", text, want, err)
		}
		var read cursor.WireCursor
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		again, err := cursor.UnmarshalWire(&read)
		if err != nil || again.(synckit.Version).Compare(c.(synckit.Version)) != 0 {
			t.Errorf("%v came back as %v (%v)", c, again, err)
		}
	}
}

// custom is a program's own kind.
type custom string

func (custom) Kind() string { return "custom" }

type customCodec struct{ custom }

func (customCodec) Marshal(c cursor.Cursor) (json.RawMessage, error) { return json.Marshal(c) }
func (customCodec) Unmarshal(data json.RawMessage) (cursor.Cursor, error) {
	var c custom
	err := json.Unmarshal(data, &c)
	return c, err
}

func TestWireCursorsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]*cursor.WireCursor{
		"none":               nil,
		"of no kind":         {Data: json.RawMessage("1")},
		"of an unknown kind": {Kind: "other", Data: json.RawMessage("1")},
		"too large":          {Kind: cursor.KindVector, Data: json.RawMessage(`{"` + strings.Repeat("x", cursor.MaxWireBytes) + `":1}`)},
		"negative":           {Kind: cursor.KindInteger, Data: json.RawMessage("-1")},
		"null":               {Kind: cursor.KindInteger, Data: json.RawMessage("null")},
		"empty":              {Kind: cursor.KindInteger},
		"two values":         {Kind: cursor.KindInteger, Data: json.RawMessage("1 2")},
		"text":               {Kind: cursor.KindVector, Data: json.RawMessage(`{"a":"b"}`)},
	} {
		if c, err := cursor.UnmarshalWire(w); err == nil {
			t.Errorf("%s: %v", name, c)
		}
	}
	for name, c := range map[string]cursor.Cursor{"none": nil, "unknown": stranger{}} {
		if w, err := cursor.MarshalWire(c); err == nil {
			t.Errorf("%s: %v", name, w)
		}
	}
	cursor.Register(wrong{})
	if _, err := cursor.MarshalWire(wrong{}); err == nil {
		t.Error("a codec of another kind of cursor")
	}
}

// stranger has no codec.
type stranger struct{}

func (stranger) Kind() string { return "stranger" }

// wrong is a cursor that has the codec of another.
type wrong struct{}

func (wrong) Kind() string { return "wrong" }
func (wrong) Marshal(c cursor.Cursor) (json.RawMessage, error) {
	for _, kind := range []string{cursor.KindInteger, cursor.KindVector} {
		other, _ := cursor.Lookup(kind)
		if _, err := other.Marshal(c); err == nil {
			return json.RawMessage("0"), nil
		}
	}
	return nil, fmt.Errorf("neither takes it")
}
func (wrong) Unmarshal(json.RawMessage) (cursor.Cursor, error) { return wrong{}, nil }

func TestACodecOfOnesOwn(t *testing.T) {
	t.Parallel()
	cursor.Register(customCodec{custom("")})
	w, err := cursor.MarshalWire(custom("here"))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := cursor.UnmarshalWire(w); err != nil || c != custom("here") {
		t.Errorf("%v, %v", c, err)
	}
}

func TestVectorsAreOrdered(t *testing.T) {
	t.Parallel()
	v := func(a, b uint64) cursor.VectorCursor { return cursor.NewVector(map[string]uint64{"a": a, "b": b}) }
	for _, test := range []struct {
		one, other cursor.VectorCursor
		order      synckit.Ordering
		compare    int
	}{
		{v(1, 1), v(1, 1), synckit.Equal, 0},
		{v(0, 0), cursor.NewVector(nil), synckit.Equal, 0},
		{v(1, 1), v(1, 2), synckit.Before, -1},
		{v(3, 1), v(1, 1), synckit.After, 1},
		{v(2, 1), v(1, 2), synckit.Concurrent, 1},
		{v(1, 2), v(2, 1), synckit.Concurrent, -1},
	} {
		if o, c := test.one.Order(test.other), test.one.Compare(test.other); o != test.order || c != test.compare {
			t.Errorf("%v and %v: %v, %d", test.one, test.other, o, c)
		}
	}
	if !v(0, 0).IsZero() || v(0, 1).IsZero() {
		t.Error("zero")
	}
	if v(1, 1).Order(cursor.NewInteger(1)) != synckit.Concurrent || v(1, 1).Compare(cursor.NewInteger(1)) != 1 {
		t.Error("another kind")
	}
}
