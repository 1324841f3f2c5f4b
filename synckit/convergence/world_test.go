package convergence

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"syncline/internal/testservers"
	"syncline/synckit"
	"syncline/synckit/errors"
)

// trial says what to try.
type trial struct {
	seed       uint64
	hub        string
	store      string
	versions   string
	resolvers  []resolverKind // each node has one of them
	nodes      int
	aggregates int
	steps      int
	// transport is put around each node's; nil: nothing.
	transport func(synckit.PagedTransport) synckit.PagedTransport
	compacts  bool // nodes compact aggregates at times
	// compactions counts those that succeeded; may be nil.
	compactions *int
	log         func(synckit.Log) synckit.Log // put around each node's; nil: nothing
}

func (t trial) String() string {
	names := ""
	for _, r := range t.resolvers {
		names += " " + r.name
	}
	return fmt.Sprintf("SYNCLINE_SEED=%d: %d nodes, %d steps, %d aggregates, %s, %s, %s versions, resolvers%s",
		t.seed, t.nodes, t.steps, t.aggregates, t.hub, t.store, t.versions, names)
}

// world is a trial as it runs.
type world struct {
	t      testing.TB
	trial  trial
	random *rand.Rand
	hub    hub
	nodes  []*node
	redis  string // URL of a server of the trial's own, if the nodes need one
	bad    bool   // the network is
	stray  [][]synckit.EventWithVersion
	// knew has, for each event that an app has written, those of its aggregate
	// that its node held then.
	knew     map[string][]string
	problems []string
	twice    bool // an event may count twice
}

// run tries and gives what went wrong.
func run(t testing.TB, trial trial) (problems []string) {
	t.Helper()
	w := &world{
		t: t, trial: trial, random: rand.New(rand.NewPCG(trial.seed, 0)),
		hub: hubOf(t, trial.hub), knew: map[string][]string{}, bad: true,
	}
	if trial.store == "redis" {
		w.redis = testservers.StartRedis(t).URL()
	}
	for i := range trial.nodes {
		n := &node{w: w, name: fmt.Sprint("node", i), dir: t.TempDir()}
		n.resolver = trial.resolvers[w.random.IntN(len(trial.resolvers))].make
		n.open()
		w.nodes = append(w.nodes, n)
	}
	defer func() {
		for _, n := range w.nodes {
			n.close()
		}
	}()
	for range trial.steps {
		w.nodes[w.random.IntN(len(w.nodes))].step()
		if w.random.IntN(trial.steps) == 0 { // about once
			w.hub.restart()
			w.moveTo(w.hub)
		}
	}
	switch {
	case !w.settle():
	case trial.compacts:
		w.checkCompacted()
	default:
		w.check()
	}
	return w.problems
}

func hubOf(t testing.TB, name string) hub {
	if name == "replaced" {
		return newReplacedHub(t)
	}
	return hubs[name](t)
}

func (w *world) problem(format string, args ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

func (w *world) connect(h hub) synckit.PagedTransport {
	if w.trial.transport == nil {
		return h.connect()
	}
	return w.trial.transport(h.connect())
}

func (w *world) wrote(id string, known []synckit.EventWithVersion) {
	if w.trial.compacts {
		w.knew[id] = contentOf(synckit.Effective(known))
		return
	}
	ids := []string{}
	for _, e := range known {
		ids = append(ids, e.Event.ID())
	}
	w.knew[id] = ids
}

// maxRounds bounds how often nodes that are all online may have to sync until
// nothing is left to do.
const maxRounds = 40

// settle brings all online until nothing moves any more.
func (w *world) settle() bool {
	w.bad = false
	w.deliverStray()
	var failed error
	for range maxRounds {
		moved := 0
		for _, n := range w.nodes {
			r, err := n.manager.Sync(w.t.Context())
			switch {
			case err != nil && errors.IsRetryable(err): // such as a connection that the hub's restart broke
				failed = err
				moved++
			case err != nil || len(r.Errors) > 0:
				w.problem("%s: sync of nodes that are online: %v, %v", n.name, err, r.Errors)
				return false
			}
			moved += r.EventsPulled + r.EventsPushed + r.ReviewsAdded + n.decide()
		}
		if moved == 0 {
			return true
		}
	}
	w.problem("nodes that are all online are not done after %d rounds; the last failure: %v", maxRounds, failed)
	return false
}

// deliverStray lets pushes of dead processes arrive.
func (w *world) deliverStray() {
	for _, n := range w.nodes {
		w.stray = append(w.stray, n.transport.delayed...)
		n.transport.delayed = nil
	}
	transport := w.connect(w.hub)
	defer transport.Close()
	for _, events := range w.stray {
		if err := transport.Push(w.t.Context(), events); err != nil {
			w.problem("late push: %v", err)
		}
	}
}
