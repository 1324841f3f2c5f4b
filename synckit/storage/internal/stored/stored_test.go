package stored_test

import (
	"context"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/storage/internal/stored"
	"syncline/synckit/version"
)

func parsed(t testing.TB, text string) synckit.Version {
	t.Helper()
	v, err := version.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEventsAsBytes(t *testing.T) {
	t.Parallel()
	event := stored.Event{
		EncodedEvent: synckit.EncodedEvent{ID: "\x00é\xff", Type: "", AggregateID: "a", Data: []byte(`{"n":1}`), Metadata: []byte(`{}`)},
		Kind:         "vector", Version: `{"A":1}`, Origin: "peer",
	}
	kept := event.Bytes()
	back, err := stored.ParseEvent(kept)
	if err != nil || string(back.Bytes()) != string(kept) || back.ID != event.ID || back.Origin != "peer" || back.Version != event.Version {
		t.Errorf("came back as %+v, %v", back, err)
	}
	for end := range len(kept) {
		if _, err := stored.ParseEvent(kept[:end]); err == nil {
			t.Errorf("%d of %d bytes were read", end, len(kept))
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add(stored.Event{EncodedEvent: synckit.EncodedEvent{ID: "e"}, Origin: "p"}.Bytes())
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, kept []byte) {
		event, err := stored.ParseEvent(kept)
		if err != nil {
			return
		}
		if again, err := stored.ParseEvent(event.Bytes()); err != nil || string(again.Bytes()) != string(event.Bytes()) {
			t.Errorf("%q was read as %+v, then as %+v, %v", kept, event, again, err)
		}
	})
}

func TestDamagedReviews(t *testing.T) {
	t.Parallel()
	var parse stored.ParseVersion
	for _, kept := range []string{
		"", "{", `{"Local":[{}]}`, `{"Remote":[{"ID":""}]}`,
		`{"Local":[{"ID":"ZQ==","Data":1,"Kind":"vector","Version":"{"}]}`,
		`{"Local":[{"ID":"ZQ==","Data":1,"Kind":"position","Version":"x"}]}`,
	} {
		if r, err := parse.Review([]byte(kept)); err == nil {
			t.Errorf("%s was read as %+v", kept, r)
		}
	}
}

func TestReviewsOfInvalidEvents(t *testing.T) {
	t.Parallel()
	bad := []synckit.EventWithVersion{{Event: synckit.NewEvent("", "T", "x", nil, nil)}}
	for _, r := range []synckit.Review{{Local: bad}, {Remote: bad}} {
		if _, err := stored.Encode(synckit.Commit{AddReviews: []synckit.Review{r}}); errors.CodeOf(err) != errors.InvalidEvent {
			t.Errorf("got %v", err)
		}
	}
}

// own is a version of an app's own kind.
type own struct{ synckit.Version }

func (own) String() string { return "17" } // looks like a position

func TestVersionsOfAnAppsOwn(t *testing.T) {
	t.Parallel()
	kind, text := stored.Kind(own{})
	reads := stored.ParseVersion(func(string) (synckit.Version, error) { return own{}, nil })
	fails := stored.ParseVersion(func(string) (synckit.Version, error) { return nil, context.Canceled })
	if v, err := reads.Version(kind, text); err != nil || v != (own{}) {
		t.Errorf("read as %v, %v", v, err)
	}
	for name, parse := range map[string]stored.ParseVersion{"nobody reads it": nil, "it cannot be read": fails} {
		if v, err := parse.Version(kind, text); err != nil || v != nil {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

func TestSince(t *testing.T) {
	t.Parallel()
	position := cursor.IntegerCursor{Seq: 7}
	for _, v := range []synckit.Version{position, &position} {
		if got := stored.After(v); got.Position != 7 || got.Version != nil || got.ByPlace() || stored.Own(v) != nil {
			t.Errorf("after %v is %+v", v, got)
		}
	}
	vector, hlc := parsed(t, `{"A":1}`), parsed(t, "5.0@a")
	if stored.After(vector).ByPlace() || !stored.After(hlc).ByPlace() || stored.After(nil).ByPlace() {
		t.Error("only what is not causal has a place")
	}
	if !stored.After(vector).Passes(hlc) || !stored.After(hlc).Passes(nil) {
		t.Error("what cannot be judged must pass")
	}
	if stored.After(hlc).Passes(parsed(t, "4.0@a")) || !stored.After(hlc).Passes(parsed(t, "6.0@a")) {
		t.Error("times of one kind are in order")
	}
}

func TestEndedContexts(t *testing.T) {
	t.Parallel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	if err := stored.Ended("read", late.Err()); errors.CodeOf(err) != errors.Timeout {
		t.Errorf("got %v", err)
	}
	if err := stored.Ended("read", context.Canceled); err != context.Canceled { //nolint:errorlint // the same error
		t.Errorf("got %v", err)
	}
}

func TestClocksReportFailures(t *testing.T) {
	t.Parallel()
	clocks := stored.Clocks{Times: &stored.Times{}, Highest: func(string) (uint64, error) { return 0, context.Canceled }}
	if _, err := clocks.Set(synckit.EncodedEvent{ID: "e"}, "", false); err == nil {
		t.Error("a clock out of nothing")
	}
	if err := clocks.Appended(synckit.EncodedEvent{ID: "e"}); err == nil {
		t.Error("noted without the highest")
	}
	failing := func(string) (synckit.Position, error) { return 0, context.Canceled }
	if err := stored.CheckUnchanged("commit", map[string]synckit.Position{"x": 1}, failing); err == nil {
		t.Error("unchanged, though nobody could look")
	}
}

func TestReviewsAsBytes(t *testing.T) {
	t.Parallel()
	event := synckit.NewEvent("e\xff", "T", "x", "<&>", map[string]any{"n": 1})
	review := synckit.Review{
		ID: "r\xff", AggregateID: "x", Peer: "p", Reason: "why", Since: time.Unix(1_800_000_000, 5).UTC(),
		Local:  []synckit.EventWithVersion{{Event: event, Version: parsed(t, `{"A":1}`)}, {Event: event}},
		Remote: []synckit.EventWithVersion{{Event: event, Version: cursor.IntegerCursor{Seq: 9}}, {Event: event, Version: parsed(t, "5.0@a")}},
	}
	encoded, err := stored.Encode(synckit.Commit{
		AddReviews: []synckit.Review{review}, Append: []synckit.Entry{{EventWithVersion: review.Local[0]}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var parse stored.ParseVersion
	back, err := parse.Review(encoded.Reviews[0])
	if err != nil || back.ID != review.ID || back.Reason != "why" || !back.Since.Equal(review.Since) {
		t.Fatalf("came back as %+v, %v", back, err)
	}
	for i, want := range []string{`{"A":1}`, "9", "5.0@a"} {
		got := []synckit.EventWithVersion{back.Local[0], back.Remote[0], back.Remote[1]}[i]
		again, err := synckit.Encode(got.Event)
		if err != nil || !again.Same(encoded.Events[0]) || got.Version.String() != want {
			t.Errorf("event came back as %+v at %s, %v", again, got.Version, err)
		}
	}
	if back.Local[1].Version != nil {
		t.Errorf("a version out of nothing: %v", back.Local[1].Version)
	}
	if v, err := parse.Parse("9"); err != nil || v != (cursor.IntegerCursor{Seq: 9}) {
		t.Errorf("parsed %v, %v", v, err)
	}
}

func TestClocksRiseInACommit(t *testing.T) {
	t.Parallel()
	clocks := stored.Clocks{Times: &stored.Times{}, Highest: func(string) (uint64, error) { return 4, nil }}
	for i, c := range []struct {
		clock  uint64
		origin string
		anew   bool
		want   uint64
	}{{0, "", false, 5}, {0, "p", false, 0}, {9, "p", false, 9}, {0, "", false, 10}, {3, "", false, 3}, {3, "", true, 11}} {
		event, err := clocks.Set(synckit.EncodedEvent{ID: "e"}.WithClock(c.clock), c.origin, c.anew)
		if err != nil || event.Clock() != c.want {
			t.Errorf("event %d got clock %d, want %d (%v)", i, event.Clock(), c.want, err)
		}
		if err := clocks.Appended(event); err != nil {
			t.Error(err)
		}
	}
	newest := func(string) (synckit.Position, error) { return 7, nil }
	for position, want := range map[synckit.Position]errors.Code{6: errors.Outdated, 7: "", 8: ""} {
		if code := errors.CodeOf(stored.CheckUnchanged("commit", map[string]synckit.Position{"x": position}, newest)); code != want {
			t.Errorf("relying on %d: %q", position, code)
		}
	}
}
