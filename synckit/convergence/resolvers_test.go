package convergence

import (
	"syncline/synckit"
	"syncline/synckit/resolve"
)

// resolverKind makes a resolver for a node.
type resolverKind struct {
	name string
	make func(store synckit.EventStore) synckit.ConflictResolver // nil: the node has none
}

func always(r synckit.ConflictResolver) func(synckit.EventStore) synckit.ConflictResolver {
	return func(synckit.EventStore) synckit.ConflictResolver { return r }
}

// resolverKinds are those of the library, and one that cares which side is its
// own, so that nodes decide differently.
var resolverKinds = []resolverKind{
	{"none", nil},
	{"last write wins", always(resolve.LastWriteWins{})},
	{"first write wins", always(resolve.FirstWriteWins{})},
	{"additive", always(resolve.AdditiveMerge{})},
	{"three-way merge", func(store synckit.EventStore) synckit.ConflictResolver {
		return resolve.ThreeWayMerge{Base: resolve.FromLog(store)}
	}},
	{"rules", func(store synckit.EventStore) synckit.ConflictResolver {
		return &resolve.Rules{
			Rules: []resolve.Rule{
				{Name: "first", When: resolve.Aggregate("*-0"), Then: resolve.FirstWriteWins{}},
				{Name: "asked", When: resolve.And(resolve.Aggregate("*-1"), resolve.BothChanged("field0")), Then: resolve.Review{}},
			},
			Fallback: resolve.ThreeWayMerge{Base: resolve.FromLog(store)},
		}
	}},
	{"review", always(resolve.Review{})},
	{"mine", always(resolve.Func(keepLocal))},
	{"mine first", always(resolve.Func(localFirst))},
}
