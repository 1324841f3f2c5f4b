package synckit

import (
	"context"
	"fmt"
	"strings"
)

// Reason is why a resolver decided as it did.
type Reason struct {
	// Resolver is which one decided: its type, such as "resolve.LastWriteWins", unless it
	// says otherwise.
	Resolver string `json:"resolver,omitempty"`
	// Rule is the name of the rule by which that one was chosen; empty: there are none, or none
	// held.
	Rule string `json:"rule,omitempty"`
	// Why is what the rule asked for, in words; may be empty.
	Why string `json:"why,omitempty"`
}

// ExplainingResolver is a ConflictResolver that tells why it decides as it does. One that asks
// another explains by ResolveExplained what that one says.
type ExplainingResolver interface {
	ConflictResolver
	// Explain is Resolve, with the reason. The reason stands with ErrReview and other errors,
	// too.
	Explain(ctx context.Context, local, remote []EventWithVersion) ([]EventWithVersion, Reason, error)
}

// ResolveExplained has a resolver decide, and tells why. Of one that does not explain itself
// it is known only which it is.
func ResolveExplained(ctx context.Context, r ConflictResolver, local, remote []EventWithVersion) ([]EventWithVersion, Reason, error) {
	if explaining, ok := r.(ExplainingResolver); ok {
		return explaining.Explain(ctx, local, remote)
	}
	kept, err := r.Resolve(ctx, local, remote)
	return kept, Reason{Resolver: strings.TrimPrefix(fmt.Sprintf("%T", r), "*")}, err
}
