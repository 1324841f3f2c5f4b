package rulefile_test

import (
	"context"
	stderrors "errors"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/resolve"
	"syncline/synckit/resolve/rulefile"
	"syncline/synckit/storage/memory"
)

const asYAML = `
fallback: last_write_wins
groups:
  trial: { enabled: false }
  always: {}
rules:
  - name: prices are for people
    when: { type: [PriceSet], changed: [amount] }
    then: review
  - name: left out
    group: trial
    then: first_write_wins
  - name: drafts
    group: always
    when:
      any:
        - aggregate: ["draft-*"]
        - metadata: { state: draft }
      not: { origin: [import] }
    then: mine
  - name: all of it
    when: { all: [ { only_types: [A] }, { both_changed: [x] } ] }
    then: additive_merge
`

const asJSON = `{
	"fallback": "last_write_wins",
	"groups": {"trial": {"enabled": false}, "always": {}},
	"rules": [
		{"name": "prices are for people", "when": {"type": ["PriceSet"], "changed": ["amount"]}, "then": "review"},
		{"name": "left out", "group": "trial", "then": "first_write_wins"},
		{"name": "drafts", "group": "always", "then": "mine", "when": {
			"any": [{"aggregate": ["draft-*"]}, {"metadata": {"state": "draft"}}], "not": {"origin": ["import"]}}},
		{"name": "all of it", "when": {"all": [{"only_types": ["A"]}, {"both_changed": ["x"]}]}, "then": "additive_merge"}
	]
}`

var none = resolve.Func(func(context.Context, []synckit.EventWithVersion, []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	return nil, nil
})

func event(id, eventType, aggregate string, data, metadata map[string]any) []synckit.EventWithVersion {
	return []synckit.EventWithVersion{{Event: synckit.NewEvent(id, eventType, aggregate, data, metadata)}}
}

// Each conflict is resolved by the rule that is meant, in either language.
func TestRulesOfAFile(t *testing.T) {
	t.Parallel()
	type set = map[string]any
	for language, text := range map[string]string{"YAML": asYAML, "JSON": asJSON} {
		var decided resolve.Decision
		rules, err := rulefile.Parse([]byte(text), rulefile.Options{
			Resolvers: map[string]synckit.ConflictResolver{"mine": none},
			Decided:   func(_ context.Context, d resolve.Decision) { decided = d },
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			local, remote []synckit.EventWithVersion
			rule          string
			kept          int
		}{
			{event("a", "PriceSet", "x", set{"amount": 1}, nil), event("b", "Renamed", "x", nil, nil), "prices are for people", 0},
			{event("a", "PriceSet", "x", set{"other": 1}, nil), event("b", "Renamed", "x", nil, nil), "", 1},
			{event("a", "Edited", "draft-1", nil, nil), event("b", "Edited", "draft-1", nil, nil), "drafts", 0},
			{event("a", "Edited", "x", nil, set{"state": "draft"}), event("b", "Edited", "x", nil, nil), "drafts", 0},
			{event("a", "Edited", "draft-1", nil, set{"origin": "import"}), event("b", "Edited", "draft-1", nil, nil), "", 1},
			{event("a", "A", "x", set{"x": 1}, nil), event("b", "A", "x", set{"x": 2}, nil), "all of it", 2},
			{event("a", "A", "x", set{"x": 1}, nil), event("b", "B", "x", set{"x": 2}, nil), "", 1},
		} {
			kept, err := rules.Resolve(t.Context(), test.local, test.remote)
			if decided.Rule != test.rule || len(kept) != test.kept {
				t.Errorf("%s, %v: rule %q kept %d (%v), want %q and %d", language, test.local, decided.Rule, len(kept), err, test.rule, test.kept)
			}
			if review := test.rule == "prices are for people"; stderrors.Is(err, synckit.ErrReview) != review {
				t.Errorf("%s: %v", test.rule, err)
			}
		}
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for _, test := range [][2]string{
		{"rules: [", "yaml"},
		{"rules: {}\n", "rules"},
		{"rulez: []", "rulez"},
		{"rules: [{then: nobody}]", "nobody"},
		{"rules: [{name: x}]", `"x"`},
		{"fallback: nobody", "fallback"},
		{"rules: [{then: review, group: g}]", `"g"`},
		{"rules: [{then: review, when: {}}]", "nothing"},
		{"rules: [{then: review, wenn: {}}]", "wenn"},
		{"rules: []\n---\nrules: []", "after"},
		{"rules: [{then: review, when: {aggregate: ['[']}}]", "aggregate"},
		{"rules: [{then: review, when: {all: [{}]}}]", "all: condition 1"},
		{"rules: [{then: review, when: {any: [{type: [A]},{}]}}]", "any: condition 2"},
		{"rules: [{then: review, when: {not: {}}}]", "not"},
		{"groups: {g: {enabled: false}}\nrules: [{then: nobody, group: g}]", "nobody"},
		{"# " + strings.Repeat("x", rulefile.MaxBytes), "bytes"},
	} {
		text, says := test[0], test[1]
		_, err := rulefile.Parse([]byte(text), rulefile.Options{})
		if errors.CodeOf(err) != errors.InvalidOptions || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60s: %v", text, err)
		}
	}
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, rulefile.MaxBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(dir, "none"), large, dir} {
		if _, err := rulefile.Load(name, rulefile.Options{}); errors.CodeOf(err) != errors.InvalidOptions {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := rulefile.Watch(t.Context(), name, rulefile.WatchOptions{}); errors.CodeOf(err) != errors.InvalidOptions {
			t.Errorf("watch %s: %v", name, err)
		}
	}
	empty, err := rulefile.Parse(nil, rulefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := empty.Resolve(t.Context(), event("a", "A", "x", nil, nil), nil); !stderrors.Is(err, synckit.ErrReview) {
		t.Errorf("without any rule: %v", err)
	}
}

// A change holds from the next conflict on; one that cannot be used changes nothing.
func TestAWatchedFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "rules.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	write("fallback: additive_merge")
	changed := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watched, err := rulefile.Watch(ctx, name, rulefile.WatchOptions{
		Interval: time.Millisecond,
		Changed: func(err error) {
			select {
			case changed <- err:
			case <-ctx.Done():
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	store := memory.New()
	defer store.Close()
	keeps := func(want int) {
		t.Helper()
		for _, resolver := range []synckit.ConflictResolver{watched, watched.ForStore(store)} {
			kept, err := resolver.Resolve(t.Context(), event("a", "A", "x", nil, nil), event("b", "A", "x", nil, nil))
			if err != nil || len(kept) != want {
				t.Errorf("kept %d, want %d: %v", len(kept), want, err)
			}
		}
	}
	keeps(2)
	write("fallback: last_write_wins")
	if err := <-changed; err != nil {
		t.Error(err)
	}
	keeps(1)
	write("fallback: nobody")
	if err := <-changed; errors.CodeOf(err) != errors.InvalidOptions {
		t.Error(err)
	}
	keeps(1)
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := <-changed; errors.CodeOf(err) != errors.InvalidOptions {
		t.Error(err)
	}
	keeps(1)
	write("fallback: additive_merge")
	if err := <-changed; err != nil {
		t.Error(err)
	}
	keeps(2)
}

func Example() {
	rules, err := rulefile.Watch(context.Background(), "rules.yaml", rulefile.WatchOptions{
		Changed: func(err error) { log.Printf("rules: %v", err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = synckit.NewManager(synckit.WithSQLite("events.db"), synckit.WithNullTransport(), synckit.WithConflictResolver(rules))
	if err != nil {
		log.Fatal(err)
	}
}
