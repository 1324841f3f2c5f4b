package resolve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"syncline/synckit"
	"syncline/synckit/resolve"
)

func edit(id, at string, data any) synckit.EventWithVersion {
	return synckit.EventWithVersion{Event: synckit.NewEvent(id, "NoteEdited", "note-1", data, map[string]any{"timestamp": at})}
}

// show gives the data of what was kept, or the error.
func show(kept []synckit.EventWithVersion, err error) string {
	if err != nil {
		return err.Error()
	}
	var texts []string
	for _, e := range kept {
		var data json.RawMessage
		_ = synckit.DecodeData(e.Event, &data)
		texts = append(texts, string(data))
	}
	return strings.Join(texts, "\n")
}

func ExampleLastWriteWins() {
	phone := edit("e1", "2026-11-22T09:00:00Z", map[string]any{"text": "from the phone"})
	laptop := edit("e2", "2026-11-22T09:00:05Z", map[string]any{"text": "from the laptop"})
	fmt.Println(show(resolve.LastWriteWins{}.Resolve(context.Background(), []synckit.EventWithVersion{phone}, []synckit.EventWithVersion{laptop})))
	// Output: {"text":"from the laptop"}
}

func ExampleFirstWriteWins() {
	ada := edit("e1", "2026-11-22T09:00:00Z", map[string]any{"seat": "12A", "for": "ada"})
	bob := edit("e2", "2026-11-22T09:00:05Z", map[string]any{"seat": "12A", "for": "bob"})
	fmt.Println(show(resolve.FirstWriteWins{}.Resolve(context.Background(), []synckit.EventWithVersion{bob}, []synckit.EventWithVersion{ada})))
	// Output: {"for":"ada","seat":"12A"}
}

func ExampleAdditiveMerge() {
	one := edit("e1", "", map[string]any{"added": "milk"})
	other := edit("e2", "", map[string]any{"added": "bread"})
	fmt.Println(show(resolve.AdditiveMerge{}.Resolve(context.Background(), []synckit.EventWithVersion{other}, []synckit.EventWithVersion{one})))
	// Output:
	// {"added":"milk"}
	// {"added":"bread"}
}

func ExampleThreeWayMerge() {
	r := resolve.ThreeWayMerge{
		Base: func(context.Context, []synckit.EventWithVersion, []synckit.EventWithVersion) (json.RawMessage, error) {
			return json.RawMessage(`{"title":"Trip","text":"","stars":1}`), nil
		},
	}
	phone := edit("e1", "2026-11-22T09:00:00Z", json.RawMessage(`{"title":"Trip to Rome","text":"","stars":5}`))
	laptop := edit("e2", "2026-11-22T09:00:05Z", json.RawMessage(`{"title":"Trip","text":"By train","stars":4}`))
	fmt.Println(show(r.Resolve(context.Background(), []synckit.EventWithVersion{phone}, []synckit.EventWithVersion{laptop})))
	// Output: {"stars":4,"text":"By train","title":"Trip to Rome"}
}

func ExampleFunc() {
	longest := resolve.Func(func(_ context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
		if len(remote) > len(local) {
			return remote, nil
		}
		return local, nil
	})
	fmt.Println(show(longest.Resolve(context.Background(), nil, []synckit.EventWithVersion{edit("e1", "", "only this")})))
	// Output: "only this"
}

func ExampleReview() {
	fmt.Println(show(resolve.Review{Reason: "prices are for a person to decide"}.Resolve(context.Background(), nil, nil)))
	// Output: synckit: left for review: prices are for a person to decide
}

func ExampleRules() {
	rules, err := resolve.NewRules(
		resolve.LastWriteWins{},
		resolve.Rule{
			Name: "prices by hand",
			When: resolve.And(resolve.Aggregate("note-*"), resolve.BothChanged("price"), resolve.Not(resolve.Metadata("test", "yes"))),
			Then: resolve.Review{},
		},
		resolve.Rule{Name: "merge notes", When: resolve.OnlyEventTypes("NoteEdited"), Then: resolve.ThreeWayMerge{}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	rules.Decided = func(_ context.Context, d resolve.Decision) {
		fmt.Printf("%s, because %s: %d dropped\n", d.Rule, d.Reason, len(d.Dropped))
	}
	phone := edit("e1", "2026-11-22T09:00:00Z", map[string]any{"text": "hi", "stars": 5})
	laptop := edit("e2", "2026-11-22T09:00:05Z", map[string]any{"text": "hello"})
	fmt.Println(show(rules.Resolve(context.Background(), []synckit.EventWithVersion{phone}, []synckit.EventWithVersion{laptop})))
	// Output:
	// merge notes, because all types are "NoteEdited": 2 dropped
	// {"stars":5,"text":"hello"}
}
