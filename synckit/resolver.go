package synckit

import "context"

// ConflictResolver decides between events of one aggregate that were written
// without knowing of one another.
//
// It returns the events that count, in the order in which they do: any of local
// and remote, and new ones that it makes, such as a merge. Those of local and
// remote that it leaves out stay in the log but no longer count. A new event
// needs an ID that follows from its inputs, or nodes that resolve the same
// conflict would each add their own.
//
// A resolver that does not care which side is called local gives the same answer
// on all nodes. Where nodes decide differently all the same, they end up with
// one of the decisions, the same on all.
type ConflictResolver interface {
	// Resolve decides one conflict. ErrReview leaves it to a person: the remote
	// events wait in the log's reviews while everything else goes on. Another
	// error stops the pull before these events; the next one tries again.
	Resolve(ctx context.Context, local, remote []EventWithVersion) ([]EventWithVersion, error)
}

// StoreResolver is a ConflictResolver that looks at what a store holds, such as at
// the state on which both sides build. A manager asks it once for the one to use.
type StoreResolver interface {
	ConflictResolver
	// ForStore gives a resolver that looks at a store. It leaves its own receiver
	// as it is.
	ForStore(store EventStore) ConflictResolver
}
