package codec_test

import (
	"encoding/json"
	"fmt"
	"log"
	"slices"
	"testing"

	"syncline/synckit"
	"syncline/synckit/codec"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
)

type note struct {
	Text string `json:"text"`
	Size int    `json:"size"`
}

// broken fails at whatever it is asked.
type broken struct{}

func (broken) Kind() string                        { return "broken" }
func (broken) Encode(any) (json.RawMessage, error) { return nil, fmt.Errorf("no") }
func (broken) Decode(json.RawMessage) (any, error) { return nil, fmt.Errorf("no") }

// A value goes into a store and comes back as what it was.
func TestValuesComeBack(t *testing.T) {
	t.Parallel()
	r := codec.NewRegistry()
	r.Register(codec.JSON[note]("note"))
	r.Register(codec.JSON[*note]("pointer"))
	if kinds := r.Kinds(); !slices.Equal(kinds, []string{"note", "pointer"}) {
		t.Errorf("kinds %q", kinds)
	}
	store := memory.New()
	defer store.Close()
	given := map[string]any{"by": "me"}
	for kind, value := range map[string]any{"note": note{"a", 1}, "pointer": &note{"b", 2}} {
		event, err := r.NewEvent(kind, "Written", "x", kind, value, given)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Store(t.Context(), event, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(given) != 1 {
		t.Errorf("what was given was changed: %v", given)
	}
	events, err := store.Load(t.Context(), nil)
	if err != nil || len(events) != 2 {
		t.Fatalf("%v, %v", events, err)
	}
	for _, e := range events {
		value, err := r.Decode(e.Event)
		if err != nil || e.Event.Metadata()["by"] != "me" {
			t.Errorf("%v, %v", err, e.Event.Metadata())
		}
		switch v := value.(type) {
		case note:
			if v != (note{"a", 1}) {
				t.Errorf("%+v", v)
			}
		case *note:
			if *v != (note{"b", 2}) {
				t.Errorf("%+v", v)
			}
		default:
			t.Errorf("%T", value)
		}
	}
}

// Programs that set the kind themselves, under either of three keys, are read.
func TestKindsStandUnderThreeKeys(t *testing.T) {
	t.Parallel()
	codec.Register(codec.JSON[note]("default note"))
	if c, ok := codec.Get("default note"); !ok || c.Kind() != "default note" {
		t.Error("it is not there")
	}
	for _, key := range []string{"kind", "codec_kind", "data_kind"} {
		e := synckit.NewEvent("e", "T", "x", note{"a", 1}, map[string]any{"kind": "some other thing", key: "default note"})
		value, err := codec.DefaultRegistry.Decode(e)
		if err != nil || value != (note{"a", 1}) {
			t.Errorf("%s: %v, %v", key, value, err)
		}
	}
}

func TestWhatCannotBe(t *testing.T) {
	t.Parallel()
	r := codec.NewRegistry()
	r.Register(codec.JSON[note]("note"))
	r.Register(broken{})
	of := func(kind any, data any) synckit.Event {
		return synckit.NewEvent("e", "T", "x", data, map[string]any{"kind": kind})
	}
	for name, test := range map[string]struct {
		run  func() error
		want errors.Code
	}{
		"no kind":           {func() error { _, err := r.Decode(synckit.NewEvent("e", "T", "x", 1, nil)); return err }, errors.Unsupported},
		"an unknown kind":   {func() error { _, err := r.Decode(of("other", 1)); return err }, errors.Unsupported},
		"a kind that isn't": {func() error { _, err := r.Decode(of(7, 1)); return err }, errors.Unsupported},
		"other data":        {func() error { _, err := r.Decode(of("note", "text")); return err }, errors.InvalidEvent},
		"no JSON":           {func() error { _, err := r.Decode(of("note", func() {})); return err }, errors.InvalidEvent},
		"a broken codec":    {func() error { _, err := r.Decode(of("broken", 1)); return err }, errors.InvalidEvent},
		"writing unknown":   {func() error { _, err := r.NewEvent("e", "T", "x", "other", 1, nil); return err }, errors.Unsupported},
		"writing a type":    {func() error { _, err := r.NewEvent("e", "T", "x", "note", 1, nil); return err }, errors.InvalidEvent},
		"writing broken":    {func() error { _, err := r.NewEvent("e", "T", "x", "broken", 1, nil); return err }, errors.InvalidEvent},
	} {
		if err := test.run(); errors.CodeOf(err) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func Example() {
	notes := codec.NewRegistry()
	notes.Register(codec.JSON[note]("note"))
	event, err := notes.NewEvent("n1", "NoteWritten", "notes", "note", note{Text: "hello", Size: 5}, nil)
	if err != nil {
		log.Fatal(err)
	}
	value, err := notes.Decode(event)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(value.(note).Text)
	// Output: hello
}
