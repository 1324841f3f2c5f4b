package evolve_test

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/evolve"
	"syncline/synckit/resolve"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

// lines makes a list of what was one text.
func lines(data json.RawMessage) (json.RawMessage, error) {
	var old struct {
		Text *string `json:"text"`
	}
	if err := json.Unmarshal(data, &old); err != nil {
		return nil, err
	}
	if old.Text == nil {
		return nil, stderrors.New("there is no text")
	}
	return json.Marshal(map[string]any{"lines": strings.Split(*old.Text, "\n")})
}

func shapes(t *testing.T) *evolve.Shapes {
	t.Helper()
	s, err := evolve.New(
		evolve.Step{From: evolve.Shape{Type: "NoteSet"}, To: evolve.Shape{Type: "NoteSet", Version: 2}, Data: lines},
		evolve.Step{From: evolve.Shape{Type: "NoteSet", Version: 2}, To: evolve.Shape{Type: "NoteWritten"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func note(id, eventType, data string, metadata map[string]any) synckit.Event {
	return synckit.NewEvent(id, eventType, "n", json.RawMessage(data), metadata)
}

func show(e synckit.Event) string {
	var data json.RawMessage
	if err := synckit.DecodeData(e, &data); err != nil {
		return err.Error()
	}
	return fmt.Sprint(e.ID(), " ", evolve.ShapeOf(e), " ", string(data), " ", e.Metadata()["by"])
}

func TestLift(t *testing.T) {
	t.Parallel()
	s := shapes(t)
	for want, e := range map[string]synckit.Event{
		`a {NoteWritten 0} {"lines":["x","y"]} me`: note("a", "NoteSet", `{"text":"x\ny"}`, map[string]any{"by": "me"}),
		`b {NoteWritten 0} {"lines":[]} <nil>`:     note("b", "NoteSet", `{"lines":[]}`, map[string]any{evolve.VersionKey: 2}),
		`c {NoteWritten 0} {"lines":[]} <nil>`:     note("c", "NoteSet", `{"lines":[]}`, map[string]any{evolve.VersionKey: json.Number("2")}),
		`d {NoteWritten 0} {} <nil>`:               note("d", "NoteWritten", `{}`, nil),
		`e {Other 7} 1 <nil>`:                      note("e", "Other", `1`, map[string]any{evolve.VersionKey: 7.0}),
		`f {NoteSet 1} 1 <nil>`:                    note("f", "NoteSet", `1`, map[string]any{evolve.VersionKey: 1}), // none leads from there
	} {
		lifted, err := s.Lift(e)
		if err != nil || show(lifted) != want {
			t.Errorf("%s: %v, %v", want, lifted, err)
		}
	}
	for e, want := range map[synckit.Event]errors.Code{
		note("newer", "NoteSet", `1`, map[string]any{evolve.VersionKey: 3}): errors.Unsupported,
		note("bad", "NoteSet", `{}`, nil):                                   errors.InvalidEvent,
	} {
		if _, err := s.Lift(e); errors.CodeOf(err) != want {
			t.Errorf("%s: %v", e.ID(), err)
		}
	}
	if e := s.NewEvent("g", "NoteSet", "n", 1, map[string]any{"by": "me"}); show(e) != "g {NoteSet 2} 1 me" {
		t.Error(show(e))
	}
	if e := s.NewEvent("h", "NoteWritten", "n", 1, nil); show(e) != "h {NoteWritten 0} 1 <nil>" {
		t.Error(show(e))
	}
}

func TestWhatIsNoWayForward(t *testing.T) {
	t.Parallel()
	a, b, c := evolve.Shape{Type: "A"}, evolve.Shape{Type: "B"}, evolve.Shape{Type: "B", Version: 1}
	for name, steps := range map[string][]evolve.Step{
		"two from one": {{From: a, To: b}, {From: a, To: c}},
		"a circle":     {{From: a, To: b}, {From: b, To: c}, {From: c, To: a}},
		"nowhere":      {{From: a, To: a}},
	} {
		if _, err := evolve.New(steps...); errors.CodeOf(err) != errors.InvalidOptions {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := evolve.New(evolve.Step{From: a, To: b, Data: func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage("{"), nil }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lift(note("x", "A", "1", nil)); errors.CodeOf(err) != errors.InvalidEvent {
		t.Errorf("a step that gives no JSON: %v", err)
	}
}

// Nodes of an old and a new release sync: each reads what it can, both keep all, a conflict is
// merged in the new shape, and events stay as they were written.
func TestReleasesSideBySide(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), shapes(t)
	hub := memory.New()
	old, present := node(t, hub, nil), node(t, hub, s.Resolver(resolve.ThreeWayMerge{}))
	store(t, old, note("first", "NoteSet", `{"text":"x"}`, nil))
	mustSync(t, old, present)
	store(t, old, note("second", "NoteSet", `{"text":"x\ny"}`, nil))
	store(t, present, s.NewEvent("title", "NoteWritten", "n", map[string]any{"title": "t"}, nil))
	mustSync(t, old, present, old)
	events, err := present.Effective(ctx, "n")
	if err != nil {
		t.Fatal(err)
	}
	known, newer, err := s.LiftAll(events)
	if err != nil || len(newer) > 0 {
		t.Fatalf("%v, %v", newer, err)
	}
	state, err := synckit.Fold(known, map[string]any{}, func(state map[string]any, e synckit.Event) (map[string]any, error) {
		return state, synckit.DecodeData(e, &state)
	})
	if want := "map[lines:[x y] title:t]"; err != nil || fmt.Sprint(state) != want {
		t.Errorf("%v, %v, want %s", state, err, want)
	}
	theirs, err := old.Effective(ctx, "n")
	if err != nil || ids(theirs) != ids(events) {
		t.Errorf("%s, %v, want %s", ids(theirs), err, ids(events))
	}
	all, err := old.store.LoadByAggregate(ctx, "n", nil)
	if err != nil || show(all[0].Event) != `first {NoteSet 0} {"text":"x"} <nil>` {
		t.Errorf("%v, %v", all, err)
	}
	store(t, present, note("newer", "NoteSet", `[]`, map[string]any{evolve.VersionKey: 3}))
	mustSync(t, present, old)
	if theirs, err = old.Effective(ctx, "n"); err != nil {
		t.Fatal(err)
	}
	if _, newer, err := s.LiftAll(theirs); err != nil || ids(newer) != "newer" {
		t.Errorf("%s, %v", ids(newer), err)
	}
}

// What a resolver makes of lifted events has their shape, and so is not lifted once more.
func TestWhatAResolverMakesHasThePresentShape(t *testing.T) {
	t.Parallel()
	s, err := evolve.New(evolve.Step{From: evolve.Shape{Type: "NoteSet"}, To: evolve.Shape{Type: "NoteSet", Version: 2}, Data: lines})
	if err != nil {
		t.Fatal(err)
	}
	hub := memory.New()
	a, b := node(t, hub, s.Resolver(resolve.ThreeWayMerge{})), node(t, hub, s.Resolver(resolve.ThreeWayMerge{}))
	store(t, a, note("one", "NoteSet", `{"text":"x"}`, nil))
	store(t, b, note("two", "NoteSet", `{"text":"x\ny"}`, nil))
	mustSync(t, a)
	if r := mustSync(t, b); r.ConflictsResolved != 1 {
		t.Fatalf("%+v", r)
	}
	mustSync(t, a, b)
	var made []string
	for _, d := range []device{a, b} {
		events, err := d.Effective(t.Context(), "n")
		if err != nil || len(events) != 1 {
			t.Fatalf("%s, %v", ids(events), err)
		}
		known, newer, err := s.LiftAll(events)
		if err != nil || len(newer) > 0 {
			t.Fatalf("%s, %v", ids(newer), err)
		}
		e := known[0].Event
		if want := fmt.Sprint(e.ID(), ` {NoteSet 2} {"lines":["x","y"]} <nil>`); show(e) != want || !strings.HasSuffix(e.ID(), "@2") {
			t.Errorf("%s, want %s", show(e), want)
		}
		made = append(made, e.ID())
	}
	if made[0] != made[1] {
		t.Errorf("made %v", made)
	}
}

// A conflict with what a newer release wrote is not for this one to decide.
func TestAConflictWithANewerRelease(t *testing.T) {
	t.Parallel()
	s, hub := shapes(t), memory.New()
	a, b := node(t, hub, nil), node(t, hub, s.Resolver(resolve.LastWriteWins{}))
	store(t, a, note("newer", "NoteSet", `[]`, map[string]any{evolve.VersionKey: 3}))
	mustSync(t, a)
	store(t, b, note("mine", "NoteSet", `{"text":""}`, nil))
	if r := mustSync(t, b); r.ReviewsAdded != 1 || r.ConflictsResolved != 0 {
		t.Errorf("%+v", r)
	}
}

// looking is a resolver that looks at the store.
type looking struct {
	synckit.EventStore
	saw *[]string
}

func (l looking) ForStore(store synckit.EventStore) synckit.ConflictResolver {
	return looking{store, l.saw}
}

func (l looking) Resolve(ctx context.Context, local, _ []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	all, err := l.Load(ctx, nil)
	one, oneErr := l.LoadByAggregate(ctx, "n", nil)
	for _, e := range append(all, one...) {
		*l.saw = append(*l.saw, e.Event.Type())
	}
	return local, stderrors.Join(err, oneErr)
}

// What a resolver reads of the store is in the present shape, too.
func TestAResolverThatLooksAtTheStore(t *testing.T) {
	t.Parallel()
	var saw []string
	hub := memory.New()
	a, b := node(t, hub, nil), node(t, hub, shapes(t).Resolver(looking{saw: &saw}))
	store(t, a, note("theirs", "NoteSet", `{"text":"x"}`, nil))
	mustSync(t, a)
	store(t, b, note("mine", "NoteSet", `{"text":""}`, nil))
	if r := mustSync(t, b); r.ConflictsResolved != 1 || fmt.Sprint(saw) != "[NoteWritten NoteWritten]" {
		t.Errorf("%+v, saw %v", r, saw)
	}
}

type device struct {
	*synckit.Manager
	store *memory.Store
}

func node(t *testing.T, hub synckit.EventStore, resolver synckit.ConflictResolver) device {
	log := memory.New()
	m := synckit.NewSyncManager(log, memtransport.New("hub", hub), &synckit.SyncOptions{ConflictResolver: resolver})
	t.Cleanup(func() { m.Close() })
	return device{m, log}
}

func store(t *testing.T, d device, e synckit.Event) {
	t.Helper()
	if err := d.store.Store(context.Background(), e, nil); err != nil {
		t.Fatal(err)
	}
}

func mustSync(t *testing.T, devices ...device) (r *synckit.SyncResult) {
	t.Helper()
	for _, d := range devices {
		var err error
		if r, err = d.Sync(t.Context()); err != nil || len(r.Errors) > 0 {
			t.Fatalf("%v, %v", err, r.Errors)
		}
	}
	return r
}

func ids(events []synckit.EventWithVersion) string {
	all := make([]string, len(events))
	for i, e := range events {
		all[i] = e.Event.ID()
	}
	return strings.Join(all, " ")
}
