package model_test

import (
	"bytes"
	"math"
	"os"
	"testing"
	"time"

	"syncline/bench/model"
)

func TestWrites(t *testing.T) {
	t.Parallel()
	w := model.FitWrites(16, 300, 64, 240)
	for connections, want := range map[float64]float64{16: 300, 64: 240, 32: 260} {
		if got := w.Each(connections); math.Abs(got-want) > 1e-9 {
			t.Errorf("at %g connections a write costs %g, want %g", connections, got, want)
		}
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	d := model.Demand{
		Devices: 1000, Owners: 200, WritesPerHour: 3600, ConnectsPerHour: 36, SecondsPerPing: 10, SecondsPerPoll: 10,
		Processors: 4, ProcessorsUsed: .5, MemoryGiB: 8, BytesPerIdle: 1, BytesPerAllowed: 1, ConnectionsToSQL: 16,
		SecondsOfNonce: 100, BytesOfNonce: 100, BytesOfWrite: 1000, BytesOfEvent: 500, BytesOfPing: 100,
	}
	n := model.Plan(d, model.Costs{Write: model.Cost{Instance: 4000, Postgres: 1000, Redis: 100}})
	if n.Writes != 1000 || n.Events != 4000 || n.Connects != 10 || n.Pings != 100 {
		t.Errorf("the rates are %+v", n.Rates)
	}
	// Four processors' work, half of each busy, is two instances, and one may be away.
	if n.ByProcessors != 2 || n.Instances != 3 || n.PostgresProcessors != 2 || n.PostgresConnections != 48 {
		t.Errorf("the need is %+v", n)
	}
	if want := 200 * 3 * (1 - math.Pow(2./3, 5)); math.Abs(n.RedisChannels-want) > 1e-6 {
		t.Errorf("owners follow on %g instances together, want %g", n.RedisChannels, want)
	}
	if n.MbitPerSecond != 8*(1000*1000+4000*500+100*100)/1e6 || n.RedisNonceMB != 1010*100*100/1e6 {
		t.Errorf("the need is %+v", n)
	}
}

func TestSimulate(t *testing.T) {
	t.Parallel()
	loss := model.Loss{Devices: 10_000, Away: 30 * time.Second, ConnectsPerSecond: 1e6, InitTimeout: 10 * time.Second}
	quick := model.Simulate(loss, 1)
	// By then pauses are between 5 and 10 s, so that is how long the last one takes, and each tries once.
	if quick.All > 10*time.Second+time.Second || quick.All < 9*time.Second || quick.Tries != 1 {
		t.Errorf("a service without bounds: %+v", quick)
	}
	if quick != model.Simulate(loss, 1) {
		t.Error("the same seed gave another result")
	}
	loss.ConnectsPerSecond = 100
	slow := model.Simulate(loss, 1)
	if slow.All < 100*time.Second-time.Second || slow.Tries < 2 || slow.LongestWaitInQueue > 10*time.Second {
		t.Errorf("a service that takes in 100 a second: %+v", slow)
	}
}

// The pauses that are simulated are those of the clients.
func TestPausesAreTheClients(t *testing.T) {
	t.Parallel()
	for file, lines := range map[string][]string{
		"../../web/client/src/backoff.ts": {
			`const SHORTEST = 100;`, `const LONGEST = 10_000;`,
			`const least = Math.max(Math.min(SHORTEST * 2 ** failed, LONGEST) / 2,`,
			`return least + Math.random() * Math.min(least, LONGEST);`,
		},
		"../../client/retry.go": {
			`minPause = 100 * time.Millisecond`, `maxPause = 10 * time.Second`,
			`b.limit = min(max(2*b.limit, minPause), cmp.Or(b.longest, maxPause))`,
			`return atLeast + rand.N(max(b.limit/2, atLeast/2))`,
		},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if !bytes.Contains(text, []byte(line)) {
				t.Errorf("%s has no %q any more: compare it with what is simulated", file, line)
			}
		}
	}
}
