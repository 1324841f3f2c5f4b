package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"syncline/auth/signing"
)

// However many write at once, through two instances, to one owner or to many:
// each is told SUCCESS or an honest CONFLICT. No serialization error, no
// deadlock, no hole in the revisions.
func TestConcurrentWrites(t *testing.T) {
	t.Parallel()
	urls := startFleet(t).urls()[:2]
	lasts := phaseTime() * 2 / 3
	for _, c := range []struct{ writers, owners int }{{1, 1}, {16, 1}, {16, 16}, {64, 1}, {64, 64}} {
		t.Run(fmt.Sprintf("%d of %d", c.writers, c.owners), func(t *testing.T) {
			testConcurrentWrites(t, urls, c.writers, c.owners, lasts)
		})
	}
}

func testConcurrentWrites(t *testing.T, urls []string, writers, owners int, lasts time.Duration) {
	keys := make([]signing.PrivateKey, owners)
	for i := range keys {
		keys[i] = newKey(t)
	}
	racers := make([]*racer, writers)
	over := make(chan struct{})
	timer := time.AfterFunc(lasts, func() { close(over) })
	defer timer.Stop()
	var wg sync.WaitGroup
	for i := range racers {
		racers[i] = &racer{
			device: newDevice(urls[i%len(urls)], keys[i%owners]),
			number: i,
			owner:  i % owners,
			random: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(i))),
			known:  map[string]int64{},
		}
		wg.Go(func() { racers[i].race(t, over) })
	}
	wg.Wait()
	conflicts := 0
	taken := make([]map[int64]bool, owners)
	for _, r := range racers {
		conflicts += r.conflicts
		if taken[r.owner] == nil {
			taken[r.owner] = map[int64]bool{}
		}
		for _, revision := range r.taken {
			if taken[r.owner][revision] {
				t.Errorf("owner %d: revision %d was given twice", r.owner, revision)
			}
			taken[r.owner][revision] = true
		}
	}
	if owners < writers && conflicts == 0 {
		t.Error("the writers never met in a conflict")
	}
	checkTaken(t, racers[:owners], taken)
	t.Logf("%d conflicts, %d revisions of the first owner", conflicts, len(taken[0]))
}

// checkTaken checks that the revisions given to writers are all that there are.
func checkTaken(t *testing.T, ofEachOwner []*racer, taken []map[int64]bool) {
	t.Helper()
	for _, r := range ofEachOwner {
		_, head, err := r.walk(t.Context(), "0")
		if err != nil {
			t.Fatal(err)
		}
		if head == 0 || int64(len(taken[r.owner])) != head || !taken[r.owner][head] {
			t.Errorf("owner %d: %d revisions were given, the head is %d", r.owner, len(taken[r.owner]), head)
		}
	}
}

// racer writes records of its own, and in pairs and in any order the same few
// as others do. It learns from conflicts.
type racer struct {
	*device
	number    int
	owner     int
	random    *rand.Rand
	known     map[string]int64
	taken     []int64
	conflicts int
}

func (r *racer) race(t *testing.T, over <-chan struct{}) {
	const atLeast = 6 // also where time is short
	for n := 0; n < atLeast || !closed(over); n++ {
		writes := r.writes(n%2 == 0)
		var out struct {
			WriteRecords struct {
				Status  string
				Results []outcome
			}
		}
		err := r.call(t.Context(), writeRecords, map[string]any{"input": map[string]any{"writes": writes}}, &out)
		if err != nil {
			t.Errorf("an answer that is neither SUCCESS nor CONFLICT: %v", err)
			return
		}
		if err := r.learn(out.WriteRecords.Status, out.WriteRecords.Results); err != nil {
			t.Error(err)
			return
		}
	}
}

func (r *racer) writes(shared bool) (writes []map[string]any) {
	ids := []string{fmt.Sprint("of-", r.number)}
	if shared {
		order := r.random.Perm(5)
		ids = []string{fmt.Sprint("shared-", order[0]), fmt.Sprint("shared-", order[1])}
	}
	for _, id := range ids {
		writes = append(writes, map[string]any{"set": map[string]any{"id": id, "data": []byte("x"), "revision": r.known[id]}})
	}
	return writes
}

func (r *racer) learn(status string, results []outcome) error {
	if status == "CONFLICT" {
		r.conflicts++
	} else if status != "SUCCESS" {
		return fmt.Errorf("status %q", status)
	}
	for _, result := range results {
		switch {
		case result.Status == "SKIPPED":
		case result.Record == nil:
			return errors.New("a record that was never deleted is gone")
		case result.Status == "CONFLICT" && result.Record.Revision == r.known[result.Record.ID]:
			return fmt.Errorf("a conflict at the present revision of %s", result.Record.ID)
		default:
			r.known[result.Record.ID] = result.Record.Revision
		}
		if result.Status == "SUCCESS" {
			r.taken = append(r.taken, result.NewRevision)
		}
	}
	return nil
}
