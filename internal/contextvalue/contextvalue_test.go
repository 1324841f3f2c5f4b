package contextvalue_test

import (
	"context"
	"testing"

	"syncline/internal/contextvalue"
)

type other struct{ n int }

func TestValuesAreFoundByType(t *testing.T) {
	t.Parallel()
	if contextvalue.Of[int](t.Context()) != nil {
		t.Error("a value is there that nobody put")
	}
	ctx, number := contextvalue.New[int](t.Context())
	*number = 1
	ctx, named := contextvalue.New[other](ctx)
	named.n = 2
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if got := contextvalue.Of[int](ctx); got != number || *got != 1 {
		t.Errorf("got %v, want what was put", got)
	}
	if got := contextvalue.Of[other](ctx); got != named {
		t.Errorf("got %v, want what was put", got)
	}
	inner, innermost := contextvalue.New[int](ctx)
	if contextvalue.Of[int](inner) != innermost || contextvalue.Of[int](ctx) != number {
		t.Error("the innermost value is not the one that counts, or not within its own context only")
	}
	if contextvalue.Of[string](inner) != nil || contextvalue.Of[*int](inner) != nil {
		t.Error("a value of another type is found")
	}
	cancel()
	if inner.Err() == nil {
		t.Error("a context does not end with the one around it")
	}
}

func TestAValueIsOneAllocation(t *testing.T) { // not parallel: others' allocations would be counted
	ctx := t.Context()
	if all := testing.AllocsPerRun(100, func() {
		inner, value := contextvalue.New[other](ctx)
		value.n = 3
		if contextvalue.Of[other](inner).n != 3 {
			t.Error("lost")
		}
	}); all > 1 {
		t.Errorf("%.0f allocations", all)
	}
}
