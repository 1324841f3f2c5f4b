package linearizability

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncline/internal/testservers"
)

// deployment is a way to run the service.
type deployment struct {
	name  string
	locks lockRules
	start func(t *testing.T, postgres *testservers.Postgres) []*testservers.Syncline
}

var deployments = []deployment{
	{"SQLite", lockRules{ttl: time.Second, fenceApart: false}, func(t *testing.T, _ *testservers.Postgres) []*testservers.Syncline {
		return []*testservers.Syncline{testservers.StartSyncline(t)}
	}},
	{"PostgreSQL", lockRules{ttl: time.Second, fenceApart: false}, func(t *testing.T, postgres *testservers.Postgres) []*testservers.Syncline {
		return startThree(t, "DATABASE_URL="+postgres.NewURL(t))
	}},
	{"Redis", lockRules{ttl: time.Second, fenceApart: true}, func(t *testing.T, postgres *testservers.Postgres) []*testservers.Syncline {
		return startThree(t, "DATABASE_URL="+postgres.NewURL(t), "REDIS_URL="+testservers.StartRedis(t).URL())
	}},
}

func startThree(t *testing.T, env ...string) []*testservers.Syncline {
	t.Helper()
	var servers []*testservers.Syncline
	for range 3 {
		servers = append(servers, testservers.StartSyncline(t, env...))
	}
	return servers
}

// Whatever clients do at once through any instance of any deployment, and
// whichever instance is killed meanwhile, they see one server.
func TestLinearizable(t *testing.T) {
	seed := newSeed(t)
	var all tally
	t.Run("deployments", func(t *testing.T) {
		postgres := testservers.StartPostgres(t)
		for i, d := range deployments {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				runDeployment(t, d, postgres, newRandom(seed, i), &all)
			})
		}
	})
	if !t.Failed() {
		all.records.assert(t, "records", ifLong(200, 20))
		all.locks.assert(t, "locks", ifLong(150, 20))
	}
}

// kinds are what is recorded on each deployment.
var kinds = []struct {
	name               string
	rounds, longRounds int
	side, longSide     int // histories of a round
	locks, kill        bool
}{
	{"records", 1, 7, 4, 5, false, false},
	{"records and kills", 1, 7, 4, 5, false, true},
	{"locks", 1, 3, 4, 10, true, false},
	{"locks and kills", 1, 3, 4, 10, true, true},
}

func runDeployment(t *testing.T, d deployment, postgres *testservers.Postgres, random *rand.Rand, all *tally) {
	servers := newInstances(d.start(t, postgres))
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			model, of, history := recordModel(), &all.records, run(recordsOf)
			if k.locks {
				model, of, history = lockModel(d.locks.fenceApart), &all.locks, locksOf(d.locks)
			}
			for range ifLong(k.longRounds, k.rounds) {
				r := round{instances: servers, random: random, run: history, size: ifLong(k.longSide, k.side)}
				for _, h := range r.play(t, k.kill) {
					h.mustBeLinearizable(t, model)
					of.count(h, k.kill)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

// run makes one history.
type run func(ctx context.Context, o *owner, random *rand.Rand, tick func()) *history

func recordsOf(ctx context.Context, o *owner, random *rand.Rand, tick func()) *history {
	return recordHistory(ctx, o, random, tick)
}

func locksOf(rules lockRules) run {
	return func(ctx context.Context, o *owner, random *rand.Rand, tick func()) *history {
		return lockHistory(ctx, o, rules, random, tick)
	}
}

func ifLong(yes, no int) int {
	if long {
		return yes
	}
	return no
}

// round is some histories, one owner each, that go on at the same time.
type round struct {
	*instances
	random *rand.Rand
	run    run
	size   int

	operations atomic.Int64
	enough     chan struct{} // closed at the operation before which no server is killed
}

// killAfter is how many operations of each history come before a kill, or
// between two.
const killAfter = 25

func (r *round) play(t *testing.T, kill bool) []*history {
	t.Helper()
	all := make([]*history, r.size)
	killAt := int64(len(all) * killAfter)
	r.enough = make(chan struct{})
	var clients sync.WaitGroup
	for i := range all {
		o, err := newOwner(r.instances)
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(r.random.Uint64(), r.random.Uint64()))
		clients.Go(func() {
			all[i] = r.run(t.Context(), o, random, func() {
				if r.operations.Add(1) == killAt {
					close(r.enough)
				}
			})
		})
	}
	if kill {
		<-r.enough
		victim := r.servers[r.random.IntN(len(r.servers))]
		victim.Kill()
		victim.Start()
	}
	clients.Wait()
	return all
}

// tally is what all histories of a test come to.
type tally struct{ records, locks figures }

// figures count histories.
type figures struct {
	mu                                sync.Mutex
	all, overlapping, killed          int
	operations, together, pairs, lost int
}

func (f *figures) count(h *history, kill bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	operations, together, pairs := h.overlap()
	f.all++
	if float64(together) >= leastOverlap*float64(operations) {
		f.overlapping++
	}
	if kill {
		f.killed++
	}
	f.operations += operations
	f.together += together
	f.pairs += pairs
	f.lost += h.open()
}

// assert checks that the histories could have shown a fault.
func (f *figures) assert(t *testing.T, name string, least int) {
	t.Helper()
	t.Logf("%s: %d histories, %d of them with kills; %d operations, %d%% at the same time as another, %d such pairs, %d left open",
		name, f.all, f.killed, f.operations, 100*f.together/max(1, f.operations), f.pairs, f.lost)
	if f.overlapping < least {
		t.Errorf("%s: %d of %d histories overlap by %v, want %d", name, f.overlapping, f.all, leastOverlap, least)
	}
	if f.lost == 0 {
		t.Errorf("%s: no answer was lost: the kills came when nothing went on", name)
	}
}
