package wire_test

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/wire"
)

func event(id string, data any, v synckit.Version) synckit.EventWithVersion {
	return synckit.EventWithVersion{Event: synckit.NewEvent(id, "Noted", "n", data, map[string]any{"<": 1.5}), Version: v}
}

func TestEventsArriveByteForByte(t *testing.T) {
	t.Parallel()
	for _, data := range []string{`"<&>\u2028"`, "\"\u2028\"", `1e400`, `{"b":1,"a":2,"b":3}`, `null`, "\"\xff\""} {
		sent, err := wire.Encode(event("a", json.RawMessage(data), cursor.IntegerCursor{Seq: 7}))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(sent)
		if err != nil {
			t.Fatal(err)
		}
		var got wire.Event
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, sent) {
			t.Errorf("%+v came as %+v", sent, got)
		}
		e, err := got.Decode(t.Context(), wire.Parse)
		if again, err := wire.Encode(e); err != nil || !reflect.DeepEqual(again, sent) {
			t.Errorf("%+v came out as %+v, %v", sent, again, err)
		}
		if err != nil || e.Version != (cursor.IntegerCursor{Seq: 7}) {
			t.Errorf("%v, %v", e.Version, err)
		}
	}
}

func TestWhatJSONWouldChangeIsRefused(t *testing.T) {
	t.Parallel()
	events := []synckit.EventWithVersion{
		event("\xff", 1, nil), event("good", 1, nil), event("", 1, nil), event("a", func() {}, nil), event("b", 1, version("\xff")),
	}
	encoded, outcome := wire.EncodeAll(events)
	if len(encoded) != 1 || len(outcome.Refused) != 4 {
		t.Errorf("%d, %v", len(encoded), outcome.Refused)
	}
	for id, err := range outcome.Refused {
		if errors.CodeOf(err) != errors.InvalidEvent {
			t.Errorf("%q: %v", id, err)
		}
	}
}

type version string

func (v version) Compare(synckit.Version) int { return 0 }
func (v version) String() string              { return string(v) }
func (v version) IsZero() bool                { return false }

func TestVersions(t *testing.T) {
	t.Parallel()
	own := wire.VersionParser(func(_ context.Context, text string) (synckit.Version, error) {
		if !strings.HasPrefix(text, "v") {
			return nil, io.ErrUnexpectedEOF
		}
		return version(text), nil
	})
	for text, want := range map[string]synckit.Version{"": nil, "v1": version("v1"), "5": cursor.IntegerCursor{Seq: 5}} {
		if got, err := wire.ParseVersion(t.Context(), own.OrOwn, text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if _, err := wire.ParseVersion(t.Context(), own.OrOwn, "?"); errors.CodeOf(err) != errors.InvalidVersion || !stderrors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}

// What is no event does not keep others from being read, whatever it is.
func TestAPageIsReadAroundWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	text := `[{"event":{"id":"a","type":"t","aggregate_id":"x"}}, {"event":{"id":7}}, {"event":{"id":"b","metadata":1}}, {}, 5, null,
		{"event":{"id":"c"},"version":"noon"}, {"event":{"id":"d"},"version":"7"}]`
	received, err := wire.ReadAll([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	page, err := wire.DecodeAll(t.Context(), received, wire.Parse)
	if err != nil || len(page.Events) != 2 || page.Events[0].Event.ID() != "a" || page.Events[1].Event.ID() != "d" {
		t.Fatalf("%v, %v", page.Events, err)
	}
	var codes []errors.Code
	names := map[string]bool{}
	for _, u := range page.Unreadable {
		codes, names[u.Name] = append(codes, errors.CodeOf(u.Err)), true
	}
	want := "[INVALID_EVENT INVALID_EVENT INVALID_EVENT INVALID_EVENT INVALID_EVENT INVALID_VERSION]"
	if fmt.Sprint(codes) != want || len(names) < 5 || page.Unreadable[5].Event == nil {
		t.Errorf("%v, %v", codes, names)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := wire.DecodeAll(ended, received, wire.Parse); !stderrors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// A page is read alike whether all of its events are sound or not.
func TestAPageOfSoundEvents(t *testing.T) {
	t.Parallel()
	sound := `{"event":{"id":"a","type":"t","aggregate_id":"x","data":[1, 2],"metadata":{"m":1}},"version":"7"},{"event":{"id":"b"}},null`
	var read []synckit.Page
	for _, text := range []string{"[" + sound + "]", "[" + sound + ",5]"} {
		received, err := wire.ReadAll([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		page, err := wire.DecodeAll(t.Context(), received, wire.Parse)
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, page)
	}
	if !reflect.DeepEqual(read[0].Events, read[1].Events) || len(read[0].Events) != 2 || len(read[0].Unreadable) != 1 || len(read[1].Unreadable) != 2 {
		t.Errorf("%+v\n%+v", read[0], read[1])
	}
	for _, text := range []string{"", "{}", "[", "5"} {
		if all, err := wire.ReadAll([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, all)
		}
	}
}

func BenchmarkReadAll(b *testing.B) {
	var events []wire.Event
	for i := range 100 {
		e, err := wire.Encode(event(fmt.Sprint("event-", i), map[string]any{"n": i, "text": strings.Repeat("text ", 20)}, cursor.IntegerCursor{Seq: uint64(i)}))
		if err != nil {
			b.Fatal(err)
		}
		events = append(events, e)
	}
	text, err := json.Marshal(events)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.ReadAll(text); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAPeerIsToldWhatConcernsIt(t *testing.T) {
	t.Parallel()
	secret := stderrors.New("/var/lib/secret")
	for _, c := range []struct {
		err       error
		code      errors.Code
		retryable bool
	}{
		{errors.New(errors.EventIDReused, "x", nil), errors.EventIDReused, false},
		{errors.New(errors.CursorLost, "x", nil), errors.CursorLost, false},
		{errors.New(errors.StorageFailed, "x", secret), errors.Unavailable, true},
		{errors.New(errors.Closed, "x", secret), errors.Unavailable, true},
		{errors.New(errors.Internal, "x", secret), errors.Internal, true},
		{errors.New(errors.Timeout, "x", secret), errors.Timeout, true},
		{context.DeadlineExceeded, errors.Timeout, true},
		{secret, errors.Unavailable, true},
	} {
		fault := wire.NewFault(c.err)
		back := fault.Error("push")
		if fault.Code != c.code || errors.CodeOf(back) != c.code || errors.IsRetryable(back) != c.retryable {
			t.Errorf("%v: %+v, %v", c.err, fault, back)
		}
		if strings.Contains(fault.Message, "secret") {
			t.Errorf("%v: the peer is told %q", c.err, fault.Message)
		}
	}
	if err := (wire.Fault{}).Error("push"); errors.CodeOf(err) != errors.Internal {
		t.Errorf("%v", err)
	}
}

func TestOutcomesArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	sent := &synckit.PushError{Stored: []string{"a"}, Err: errors.New(errors.StorageFailed, "x", nil)}
	wire.Refuse(sent, "b", errors.New(errors.TooLarge, "x", nil))
	got := wire.NewPushAnswer(sent).Outcome()
	if len(got.Stored) != 1 || errors.CodeOf(got.Refused["b"]) != errors.TooLarge || errors.CodeOf(got.Err) != errors.Unavailable {
		t.Errorf("%+v", got)
	}
	into := &synckit.PushError{Stored: []string{"z"}}
	wire.Merge(into, got)
	if len(into.Stored) != 2 || len(into.Refused) != 1 || into.Err == nil || wire.Result(into) == nil {
		t.Errorf("%+v", into)
	}
	if err := wire.Result(&synckit.PushError{Stored: []string{"a"}}); err != nil {
		t.Errorf("%v", err)
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	var events []wire.Event
	for _, size := range []int{10, 10, 10, 500, 10, 10} {
		e, err := wire.Encode(event(strings.Repeat("x", 1+len(events)), strings.Repeat("x", size), nil))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(e)
		if err != nil || len(text) > wire.Size(e) {
			t.Errorf("%d bytes, where Size says up to %d: %v", len(text), wire.Size(e), err)
		}
		events = append(events, e)
	}
	for _, c := range []struct {
		most, bytes int
		want        []int
	}{
		{100, 1 << 20, []int{6}},
		{2, 1 << 20, []int{2, 2, 2}},
		{100, 400, []int{2, 1, 1, 2}},
		{1, 1, []int{1, 1, 1, 1, 1, 1}},
	} {
		parts := wire.Split(events, c.most, c.bytes)
		var sizes []int
		total := 0
		for _, p := range parts {
			sizes = append(sizes, len(p))
			total += len(wire.IDs(p))
		}
		if !reflect.DeepEqual(sizes, c.want) || total != len(events) {
			t.Errorf("up to %d events, %d bytes: %v, want %v", c.most, c.bytes, sizes, c.want)
		}
	}
}
