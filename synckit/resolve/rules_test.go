package resolve_test

import (
	"context"
	stderrors "errors"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/resolve"
)

func typed(id, eventType, aggregate string, data any, metadata map[string]any) synckit.EventWithVersion {
	return synckit.EventWithVersion{Event: synckit.NewEvent(id, eventType, aggregate, data, metadata)}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	conflict := resolve.Conflict{
		Local: events{
			typed("l1", "Renamed", "order-7", map[string]any{"name": "a", "price": 1}, map[string]any{"by": "ada", "origin": "phone"}),
		},
		Remote: events{
			versioned(t, typed("r1", "Priced", "order-7", map[string]any{"price": 2}, map[string]any{"level": 3}), "7.0@laptop"),
			typed("r2", "Noted", "order-7", "text", nil),
		},
	}
	yes, no := resolve.Condition{}, resolve.Not(resolve.Condition{})
	for _, c := range []struct {
		condition resolve.Condition
		want      bool
		text      string
	}{
		{yes, true, `always`},
		{no, false, `not (always)`},
		{resolve.EventType("Priced", "x"), true, `type is "Priced" or "x"`},
		{resolve.EventType("x"), false, `type is "x"`},
		{resolve.OnlyEventTypes("Renamed", "Priced", "Noted"), true, `all types are "Renamed" or "Priced" or "Noted"`},
		{resolve.OnlyEventTypes("Renamed", "Priced"), false, `all types are "Renamed" or "Priced"`},
		{resolve.Aggregate("user-*", "order-*"), true, `aggregate matches "user-*" or "order-*"`},
		{resolve.Aggregate("order", "["), false, `aggregate matches "order" or "["`},
		{resolve.Changed("name"), true, `changed "name"`},
		{resolve.Changed("size", "text"), false, `changed "size" or "text"`},
		{resolve.BothChanged("name", "price"), true, `both changed "name" or "price"`},
		{resolve.BothChanged("name"), false, `both changed "name"`},
		{resolve.Metadata("by", "ada"), true, `metadata "by" is "ada"`},
		{resolve.Metadata("level", "3"), true, `metadata "level" is "3"`},
		{resolve.Metadata("by", "bob"), false, `metadata "by" is "bob"`},
		{resolve.Metadata("none", "<nil>"), false, `metadata "none" is "<nil>"`},
		{resolve.Origin("phone"), true, `origin is "phone"`},
		{resolve.Origin("laptop"), true, `origin is "laptop"`},
		{resolve.Origin("server"), false, `origin is "server"`},
		{resolve.And(yes, resolve.EventType("Noted")), true, `(always) and (type is "Noted")`},
		{resolve.And(yes, no), false, `(always) and (not (always))`},
		{resolve.And(), true, ``},
		{resolve.Or(no, yes), true, `(not (always)) or (always)`},
		{resolve.Or(no, no), false, `(not (always)) or (not (always))`},
		{resolve.Or(), false, ``},
		{resolve.When("three events", func(c resolve.Conflict) bool { return len(c.Events()) == 3 }), true, "three events"},
	} {
		if got := c.condition.Holds(conflict); got != c.want {
			t.Errorf("%s: %t", c.condition, got)
		}
		swapped := resolve.Conflict{Local: conflict.Remote, Remote: conflict.Local}
		if c.condition.Holds(swapped) != c.want {
			t.Errorf("%s cares which side is called local", c.condition)
		}
		if c.condition.String() != c.text {
			t.Errorf("reads %s, want %s", c.condition, c.text)
		}
	}
	if (resolve.Conflict{}).AggregateID() != "" {
		t.Error("no events are of an aggregate")
	}
}

func TestTheFirstRuleThatHoldsDecides(t *testing.T) {
	t.Parallel()
	var told []resolve.Decision
	rules, err := resolve.NewRules(resolve.AdditiveMerge{},
		resolve.Rule{Name: "prices", When: resolve.BothChanged("price"), Then: resolve.Review{Reason: "two prices"}},
		resolve.Rule{Name: "changes", When: resolve.EventType("Changed"), Then: resolve.LastWriteWins{}},
		resolve.Rule{Name: "never asked", When: resolve.EventType("Changed"), Then: resolve.FirstWriteWins{}},
	)
	if err != nil {
		t.Fatal(err)
	}
	rules.Decided = func(_ context.Context, d resolve.Decision) { told = append(told, d) }

	kept, err := rules.Resolve(t.Context(), events{timed("a", 1)}, events{timed("b", 2)})
	if err != nil || ids(kept) != "b" {
		t.Errorf("kept %s, %v", ids(kept), err)
	}
	d := told[0]
	if d.Rule != "changes" || d.Reason != `type is "Changed"` || ids(d.Kept) != "b" || ids(d.Dropped) != "a" || d.Err != nil || ids(d.Local) != "a" {
		t.Errorf("told %+v", d)
	}

	price := func(id string) events { return events{typed(id, "Changed", "x", map[string]any{"price": id}, nil)} }
	if _, err := rules.Resolve(t.Context(), price("a"), price("b")); !stderrors.Is(err, synckit.ErrReview) {
		t.Errorf("got %v", err)
	}
	if d := told[1]; d.Rule != "prices" || !stderrors.Is(d.Err, synckit.ErrReview) || d.Kept != nil || d.Dropped != nil {
		t.Errorf("told %+v", d)
	}

	other := func(id string) events { return events{typed(id, "Counted", "x", 1, nil)} }
	kept, err = rules.Resolve(t.Context(), other("a"), other("b"))
	if err != nil || ids(kept) != "a b" {
		t.Errorf("kept %s, %v", ids(kept), err)
	}
	if d := told[2]; d.Rule != "" || d.Reason != "no rule holds" {
		t.Errorf("told %+v", d)
	}
}

func TestWithoutAFallbackAPersonIsAsked(t *testing.T) {
	t.Parallel()
	rules, err := resolve.NewRules(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rules.Resolve(t.Context(), events{timed("a", 1)}, events{timed("b", 2)}); !stderrors.Is(err, synckit.ErrReview) {
		t.Errorf("got %v", err)
	}
}

func TestARuleNeedsAResolver(t *testing.T) {
	t.Parallel()
	if _, err := resolve.NewRules(nil, resolve.Rule{Name: "empty"}); errors.CodeOf(err) != errors.InvalidOptions {
		t.Errorf("got %v", err)
	}
}
