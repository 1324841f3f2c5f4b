package linearizability

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"syncline/internal/testservers"
)

// deployment is a way to run the service.
type deployment struct {
	name  string
	start func(t *testing.T, postgres *testservers.Postgres) []*testservers.Syncline
}

var deployments = []deployment{
	{"SQLite", func(t *testing.T, _ *testservers.Postgres) []*testservers.Syncline {
		return []*testservers.Syncline{testservers.StartSyncline(t)}
	}},
	{"PostgreSQL", func(t *testing.T, postgres *testservers.Postgres) []*testservers.Syncline {
		return startThree(t, "DATABASE_URL="+postgres.NewURL(t))
	}},
	{"Redis", func(t *testing.T, postgres *testservers.Postgres) []*testservers.Syncline {
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
	}
}

// kinds are what is recorded on each deployment.
var kinds = []struct {
	name    string
	rounds  [2]int // short and long
	kill    bool
	history func(ctx context.Context, o *owner, random *rand.Rand, tick func()) *history
	ofLocks bool
}{
	{"records", [2]int{1, 4}, false, recordsOf, false},
	{"records and kills", [2]int{1, 4}, true, recordsOf, false},
}

func recordsOf(ctx context.Context, o *owner, random *rand.Rand, tick func()) *history {
	return recordHistory(ctx, o, random, tick)
}

func runDeployment(t *testing.T, d deployment, postgres *testservers.Postgres, random *rand.Rand, all *tally) {
	servers := newInstances(d.start(t, postgres))
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			model, of := recordModel(), &all.records
			for range ifLong(k.rounds[1], k.rounds[0]) {
				r := round{instances: servers, random: random, history: k.history}
				histories := r.play(t, k.kill)
				for _, h := range histories {
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

func ifLong(yes, no int) int {
	if long {
		return yes
	}
	return no
}

// round is some histories, one owner each, that go on at the same time.
type round struct {
	*instances
	random  *rand.Rand
	history func(ctx context.Context, o *owner, random *rand.Rand, tick func()) *history

	operations atomic.Int64
	enough     chan struct{} // closed at the operation before which no server is killed
}

// killAfter is how many operations of each history come before a kill, or
// between two.
const killAfter = 25

func (r *round) play(t *testing.T, kill bool) []*history {
	t.Helper()
	all := make([]*history, ifLong(10, 4))
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
			all[i] = r.history(t.Context(), o, random, func() {
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
	share, pairs := h.overlap()
	f.all++
	if share >= leastOverlap {
		f.overlapping++
	}
	if kill {
		f.killed++
	}
	n := h.len()
	f.operations += n
	f.together += int(share * float64(n))
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
