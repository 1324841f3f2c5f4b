package resolve

import (
	"context"
	"fmt"
	"slices"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// Rule resolves some conflicts in one way.
type Rule struct {
	Name string // shown to those who ask why
	When Condition
	Then synckit.ConflictResolver
}

// Rules resolves each conflict by the first rule that holds.
type Rules struct {
	Rules []Rule
	// Fallback resolves what no rule holds of; nil: Review.
	Fallback synckit.ConflictResolver
	// Decided is called after each decision, with what was decided and why. It may
	// be called again for a conflict that is resolved again because its commit did
	// not go through. nil: nobody is told.
	Decided func(ctx context.Context, decision Decision)
}

var (
	_ synckit.StoreResolver      = (*Rules)(nil)
	_ synckit.ExplainingResolver = (*Rules)(nil)
)

// ForStore implements synckit.StoreResolver, for its rules' resolvers.
func (r *Rules) ForStore(store synckit.EventStore) synckit.ConflictResolver {
	looking := *r
	looking.Fallback = forStore(r.Fallback, store)
	looking.Rules = slices.Clone(r.Rules)
	for i := range looking.Rules {
		looking.Rules[i].Then = forStore(looking.Rules[i].Then, store)
	}
	return &looking
}

// Decision tells what a rule decided, and why.
type Decision struct {
	Conflict
	Rule   string // empty: the fallback
	Reason string // the rule's condition
	// Kept is the answer; Dropped are the events of both sides that it left out.
	Kept, Dropped []synckit.EventWithVersion
	// Err is why there is no answer: synckit.ErrReview, or the resolver's failure.
	Err error
}

// NewRules checks rules: each needs a resolver.
func NewRules(fallback synckit.ConflictResolver, rules ...Rule) (*Rules, error) {
	for i, rule := range rules {
		if rule.Then == nil {
			return nil, errors.New(errors.InvalidOptions, "make rules", fmt.Errorf("rule %d, %q, has no resolver", i+1, rule.Name))
		}
	}
	return &Rules{Rules: rules, Fallback: fallback}, nil
}

// Resolve implements synckit.ConflictResolver.
func (r *Rules) Resolve(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	kept, _, err := r.Explain(ctx, local, remote)
	return kept, err
}

// Explain implements synckit.ExplainingResolver: the rule is the one that held, and those in it
// where a rule's resolver has rules of its own, with slashes between.
func (r *Rules) Explain(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, synckit.Reason, error) {
	decision := Decision{Conflict: Conflict{local, remote}}
	resolver := r.choose(&decision)
	var reason synckit.Reason
	decision.Kept, reason, decision.Err = synckit.ResolveExplained(ctx, resolver, local, remote)
	switch {
	case reason.Rule == "":
		reason.Rule = decision.Rule
	case decision.Rule != "":
		reason.Rule = decision.Rule + "/" + reason.Rule
	}
	if reason.Why == "" {
		reason.Why = decision.Reason
	} else {
		reason.Why = decision.Reason + "; " + reason.Why
	}
	if decision.Err == nil {
		decision.Dropped = without(decision.Events(), decision.Kept)
	}
	if r.Decided != nil {
		r.Decided(ctx, decision)
	}
	return decision.Kept, reason, decision.Err
}

func (r *Rules) choose(decision *Decision) synckit.ConflictResolver {
	for _, rule := range r.Rules {
		if rule.When.Holds(decision.Conflict) {
			decision.Rule, decision.Reason = rule.Name, rule.When.String()
			return rule.Then
		}
	}
	decision.Reason = "no rule holds"
	if r.Fallback == nil {
		return Review{Reason: decision.Reason}
	}
	return r.Fallback
}

func without(events, kept []synckit.EventWithVersion) []synckit.EventWithVersion {
	stays := map[string]bool{}
	for _, e := range kept {
		stays[e.Event.ID()] = true
	}
	var dropped []synckit.EventWithVersion
	for _, e := range events {
		if !stays[e.Event.ID()] {
			dropped = append(dropped, e)
		}
	}
	return dropped
}
