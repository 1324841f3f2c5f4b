package synckittest

import (
	"context"
	"slices"

	"syncline/synckit"
)

// MockConflictResolver is a synckit.ConflictResolver that keeps all events, the
// remote ones first.
type MockConflictResolver struct {
	ResolveFunc func(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error)

	calls
}

var _ synckit.ConflictResolver = (*MockConflictResolver)(nil)

// Resolve implements synckit.ConflictResolver.
func (m *MockConflictResolver) Resolve(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	m.record(Call{Method: "Resolve", Events: slices.Concat(local, remote)})
	if m.ResolveFunc != nil {
		return m.ResolveFunc(ctx, local, remote)
	}
	return slices.Concat(remote, local), nil
}
