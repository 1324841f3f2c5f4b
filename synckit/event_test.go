package synckit_test

import (
	"encoding/json"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
)

func TestEncodeAndDecode(t *testing.T) {
	t.Parallel()
	e := synckit.NewEvent("e1", "Created", "x", map[string]int{"n": 1}, map[string]interface{}{"big": json.Number("12345678901234567890"), "b": nil})
	encoded, err := synckit.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := encoded.Decode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := synckit.Encode(decoded)
	check(t, "error", err, nil)
	check(t, "same", encoded.Same(again), true)
	check(t, "metadata", string(again.Metadata), `{"b":null,"big":12345678901234567890}`)
	var data struct{ N int }
	check(t, "decode data", synckit.DecodeData(decoded, &data), nil)
	check(t, "data", data.N, 1)
	check(t, "decode own data", synckit.DecodeData(e, &data), nil)
}

func TestEventsThatCannotBeEncoded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	for name, e := range map[string]synckit.Event{
		"no id":              synckit.NewEvent("", "t", "a", nil, nil),
		"long id":            synckit.NewEvent(long, "t", "a", nil, nil),
		"long type":          synckit.NewEvent("e", long, "a", nil, nil),
		"long aggregate":     synckit.NewEvent("e", "t", long, nil, nil),
		"data no JSON":       synckit.NewEvent("e", "t", "a", make(chan int), nil),
		"broken raw data":    synckit.NewEvent("e", "t", "a", json.RawMessage("{"), nil),
		"metadata no JSON":   synckit.NewEvent("e", "t", "a", nil, map[string]interface{}{"c": make(chan int)}),
		"nothing whatsoever": synckit.NewEvent("", "", "", nil, nil),
	} {
		_, err := synckit.Encode(e)
		if errors.CodeOf(err) != errors.InvalidEvent {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := synckit.EncodedEvent{}.Decode()
	checkCode(t, err, errors.InvalidEvent)
	_, err = synckit.EncodedEvent{ID: "e", Metadata: json.RawMessage("[1]")}.Decode()
	checkCode(t, err, errors.InvalidEvent)
	if synckit.DecodeData(synckit.NewEvent("e", "t", "a", make(chan int), nil), nil) == nil {
		t.Error("a channel was decoded")
	}
}

func TestEventsAsJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal([]synckit.EventWithVersion{
		{Event: synckit.NewEvent("e1", "Created", "x", 1, nil), Version: cursor.IntegerCursor{Seq: 7}},
		{Event: synckit.NewEvent("e2", "Created", "x", nil, map[string]interface{}{"k": "v"})},
	})
	check(t, "error", err, nil)
	check(t, "text", string(text), `[{"event":{"id":"e1","type":"Created","aggregate_id":"x","data":1},"version":"7"},`+
		`{"event":{"id":"e2","type":"Created","aggregate_id":"x","data":null,"metadata":{"k":"v"}},"version":""}]`)
	for _, bad := range []synckit.EventWithVersion{{}, {Event: newEvent("", "x")}} {
		if _, err := json.Marshal(bad); err == nil {
			t.Error("no error")
		}
	}
}

func TestClocks(t *testing.T) {
	t.Parallel()
	encoded, err := synckit.Encode(synckit.NewEvent("e", "t", "a", nil, map[string]interface{}{"k": "v"}))
	check(t, "error", err, nil)
	check(t, "none", encoded.Clock(), 0)
	with := encoded.WithClock(7)
	check(t, "clock", with.Clock(), 7)
	check(t, "same", with.Same(encoded), true)
	check(t, "taken away", string(with.WithClock(0).Metadata), string(encoded.Metadata))
	check(t, "bounded", encoded.WithClock(1<<60).Clock(), 1<<53-1)
	check(t, "only a clock", string(synckit.EncodedEvent{ID: "e"}.WithClock(3).Metadata), `{"synckit.clock":3}`)
	check(t, "no metadata left", len(synckit.EncodedEvent{ID: "e"}.WithClock(3).WithClock(0).Metadata), 0)
	for _, test := range []struct {
		value interface{}
		want  uint64
	}{
		{7, 7},
		{uint64(8), 8},
		{9.0, 9},
		{json.Number("10"), 10},
		{-1, 0},
		{1.5, 0},
		{"11", 0},
		{json.Number("1e3"), 0},
		{uint64(1) << 60, 0},
		{nil, 0},
	} {
		e := synckit.NewEvent("e", "t", "a", nil, map[string]interface{}{synckit.ClockKey: test.value})
		check(t, "clock of an event", synckit.ClockOf(e), test.want)
	}
	check(t, "metadata that is no object", synckit.EncodedEvent{ID: "e", Metadata: json.RawMessage(`[1]`)}.WithClock(1).Clock(), 0)
}

// Metadata that is nothing but a log's marks is read and written by a shorter way. It comes to
// the same as the long one, which the same marks take beside another key.
func TestMarksAloneAreReadAsBesideOthers(t *testing.T) {
	t.Parallel()
	for _, marks := range []string{
		`"synckit.clock":1,"synckit.time":1`,
		`"synckit.clock":42,"synckit.time":1764500000000000`,
		`"synckit.clock":9007199254740991,"synckit.time":9007199254740991`,
		`"synckit.clock":9007199254740992,"synckit.time":1`,
		`"synckit.clock":1,"synckit.time":9007199254740992`,
		`"synckit.clock":1,"synckit.time":99999999999999999999999`,
		`"synckit.clock":0,"synckit.time":1`,
		`"synckit.clock":1,"synckit.time":0`,
		`"synckit.clock":1e3,"synckit.time":1`,
		`"synckit.clock":-1,"synckit.time":1`,
		`"synckit.clock":1.5,"synckit.time":1`,
		`"synckit.clock":"1","synckit.time":1`,
		`"synckit.clock":null,"synckit.time":1`,
		`"synckit.clock":1, "synckit.time":1`,
		`"synckit.time":1,"synckit.clock":1`,
		`"synckit.clock":1`,
		`"synckit.time":1`,
		`"synckit.clock":1,"synckit.time":1,"synckit.time":2`,
	} {
		alone := synckit.EncodedEvent{ID: "a", Type: "T", AggregateID: "x", Data: json.RawMessage("1"), Metadata: json.RawMessage("{" + marks + "}")}
		beside := alone
		beside.Metadata = json.RawMessage("{" + marks + `,"zzz":1}`)
		check(t, marks+": clock", alone.Clock(), beside.Clock())
		check(t, marks+": time", alone.Time(), beside.Time())
		check(t, marks+": other clock", string(alone.WithClock(7).Metadata) == "", string(beside.WithClock(7).Metadata) == "")
		check(t, marks+": no clock", alone.WithClock(0).Same(alone), true)
		first, err := alone.Decode()
		check(t, marks+": error", err, nil)
		second, err := beside.Decode()
		check(t, marks+": error beside", err, nil)
		metadata := second.Metadata()
		delete(metadata, "zzz")
		check(t, marks+": metadata", first.Metadata(), metadata)
		check(t, marks+": clock of the event", synckit.ClockOf(first), synckit.ClockOf(second))
		again, err := synckit.Encode(first)
		check(t, marks+": error again", err, nil)
		plain, err := synckit.Encode(synckit.NewEvent("a", "T", "x", json.RawMessage("1"), first.Metadata()))
		check(t, marks+": error plain", err, nil)
		check(t, marks+": written", string(again.Metadata), string(plain.Metadata))
	}
	for _, broken := range []string{`{"synckit.clock":1,"synckit.time":1`, `{"synckit.clock":1,"synckit.time":1}}`, `{"synckit.clock":01,"synckit.time":1}`, `{"synckit.clock":,"synckit.time":1}`} {
		_, err := synckit.EncodedEvent{ID: "a", Metadata: json.RawMessage(broken)}.Decode()
		if errors.CodeOf(err) != errors.InvalidEvent && !strings.HasSuffix(broken, "}}") { // a decoder stops after the first value
			t.Errorf("%s: %v", broken, err)
		}
	}
}
