package convergence

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"syncline/auth/signing"
	"syncline/client/seal"
	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
	"syncline/synckit/transport/sealed"
)

// What nodes have that compact at random while they write, are offline and are killed: each event
// that was written counts once, in a snapshot or beside it, on all of them alike.

// sum is a snapshot that names what it was made of.
func sum(effective []synckit.EventWithVersion) (synckit.Event, error) {
	return synckit.NewEvent("", "Sum", "", contentOf(effective), nil), nil
}

// contentOf are the events that count, those in snapshots among them.
func contentOf(effective []synckit.EventWithVersion) (ids []string) {
	for _, e := range effective {
		if e.Event.Metadata()[synckit.SnapshotKey] != true {
			ids = append(ids, e.Event.ID())
			continue
		}
		var folded []string
		if err := synckit.DecodeData(e.Event, &folded); err != nil {
			panic(err)
		}
		ids = append(ids, folded...)
	}
	return ids
}

func compactionTrial(seed uint64, hub string, resolvers []resolverKind) trial {
	random := rand.New(rand.NewPCG(seed, 3))
	t := randomTrial(seed, hub, resolvers)
	t.nodes, t.steps, t.compacts = 2+random.IntN(3), 40+random.IntN(40), true
	if verify {
		t.steps *= 3
	}
	return t
}

func TestNodesThatCompactConverge(t *testing.T) {
	t.Parallel()
	for _, hub := range slices.Sorted(maps.Keys(hubs)) {
		for name, resolvers := range map[string][]resolverKind{"without resolver": resolverKinds[:1], "mixed": resolverKinds} {
			t.Run(hub+"/"+name, func(t *testing.T) {
				t.Parallel()
				trials := uint64(2)
				if verify {
					trials = 5
				}
				converge(t, trials, func(seed uint64) trial { return compactionTrial(seed, hub, resolvers) })
			})
		}
	}
}

// converge runs trials, in which something must be compacted.
func converge(t *testing.T, trials uint64, next func(seed uint64) trial) {
	t.Helper()
	seed, compactions := seedOf(t), 0
	for i := uint64(0); i < trials || compactions == 0; i++ {
		trial := next(seed + i)
		trial.compactions = &compactions
		if problems := run(t, trial); len(problems) > 0 {
			t.Fatal(report(trial, problems))
		}
	}
}

// checkCompacted compares the nodes, and one that has just begun, when all is done.
func (w *world) checkCompacted() {
	held, err := allThrough(w.t.Context(), w.connect(w.hub))
	if err != nil {
		w.problem("read the hub: %v", err)
		return
	}
	fresh := &node{w: w, name: "fresh", dir: w.t.TempDir()}
	fresh.open()
	defer fresh.close()
	for range 2 {
		if r, err := fresh.manager.Sync(w.t.Context()); err != nil || len(r.Errors) > 0 {
			w.problem("a node that begins: %v, %v", err, r.Errors)
		}
	}
	states := w.states(held)
	for _, n := range append(w.nodes, fresh) {
		events, err := n.log.Load(w.t.Context(), nil)
		if err != nil {
			w.problem("read %s: %v", n.name, err)
			return
		}
		for aggregate, state := range w.states(events) {
			if state != states[aggregate] {
				w.problem("%s: %s counts as %s, at the hub as %s", aggregate, n.name, state, states[aggregate])
			}
		}
	}
	everything := len(w.trial.resolvers) == 1 && w.trial.resolvers[0].make == nil
	w.checkContent(held, everything)
}

// checkContent asks that each event counts once at most, behind those that its writer knew, and, where nothing is
// decided, that each does.
func (w *world) checkContent(held []synckit.EventWithVersion, everything bool) {
	count := map[string]int{}
	for aggregate, group := range byAggregate(held) {
		counts := contentOf(synckit.Effective(group))
		for i, id := range counts {
			if count[id]++; count[id] == 2 && !w.twice {
				w.problem("%s: %s counts twice", aggregate, id)
			}
			for _, later := range counts[i+1:] {
				if everything && !w.twice && slices.Contains(w.knew[id], later) {
					w.problem("%s: %s counts before %s, which its writer knew", aggregate, id, later)
				}
			}
		}
	}
	for id := range w.knew {
		if everything && count[id] == 0 {
			w.problem("%s is lost", id)
		}
	}
}

// replacedHub is a memory hub that loses all when it is started again.
type replacedHub struct{ store *memory.Store }

func newReplacedHub(testing.TB) hub { return &replacedHub{memory.New()} }

func (h *replacedHub) connect() synckit.PagedTransport { return memtransport.New("hub", h.store) }

func (h *replacedHub) restart() { h.store = memory.New() }

// moveTo connects nodes to a hub that is another one now.
func (w *world) moveTo(h hub) {
	if _, replaced := h.(*replacedHub); !replaced {
		return
	}
	w.twice = true // from here on two snapshots of one aggregate may count
	for _, n := range w.nodes {
		n.reopen()
	}
}

// Nodes also converge where the peer loses all, and nothing that counted is lost.
func TestNodesThatCompactWithAPeerThatLosesAll(t *testing.T) {
	t.Parallel()
	converge(t, 5, func(seed uint64) trial { return compactionTrial(seed, "replaced", resolverKinds[:1]) })
}

// TestSealedNodesCompact has nodes compact what the hub cannot read.
func TestSealedNodesCompact(t *testing.T) {
	t.Parallel()
	codec := newCodec(t)
	for _, hub := range []string{"http", "syncline"} {
		t.Run(hub, func(t *testing.T) {
			t.Parallel()
			converge(t, 1, func(seed uint64) trial {
				trial := compactionTrial(seed, hub, resolverKinds[:1])
				trial.transport = func(inner synckit.PagedTransport) synckit.PagedTransport {
					return sealed.Over(inner, codec, sealed.Options{})
				}
				return trial
			})
		})
	}
}

func newCodec(t *testing.T) sealed.Codec {
	t.Helper()
	identity, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.NewKey(identity)
	if err != nil {
		t.Fatal(err)
	}
	codec, err := sealed.WithKeys(key)
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

// A log that drops more than it is told loses what counts.
func TestADropOfMoreIsFound(t *testing.T) {
	t.Parallel()
	mustBeFound(t, "is lost", func(seed uint64) trial {
		trial := compactionTrial(seed, "memory", resolverKinds[:1])
		trial.log = func(log synckit.Log) synckit.Log { return &greedy{log} }
		return trial
	})
}

type anyLog = synckit.Log

// greedy drops an aggregate's newest events, too.
type greedy struct{ anyLog }

func (g *greedy) Drop(ctx context.Context, aggregate string, ids []string) error {
	entries, err := g.Aggregate(ctx, aggregate)
	if err != nil {
		return err
	}
	for _, e := range entries[len(entries)/2:] {
		ids = append(ids, e.Event.ID())
	}
	return g.anyLog.(synckit.Dropper).Drop(ctx, aggregate, ids)
}
