package convergence

import (
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/synckit"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

func keepLocal(_ context.Context, local, _ []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	return local, nil
}

func keepRemote(_ context.Context, _, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	return remote, nil
}

func localFirst(_ context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	return append(local, remote...), nil
}

var verify = os.Getenv("SYNCLINE_VERIFY") == "1"

// seedOf gives a seed for a trial: the environment's, or a new one.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("SYNCLINE_SEED")
	if text == "" {
		return uint64(time.Now().UnixNano())
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("SYNCLINE_SEED: %v", err)
	}
	return seed
}

// randomTrial varies all but the hub and the resolvers.
func randomTrial(seed uint64, hub string, resolvers []resolverKind) trial {
	random := rand.New(rand.NewPCG(seed, 1))
	pick := func(names ...string) string { return names[random.IntN(len(names))] }
	t := trial{
		seed: seed, hub: hub, resolvers: resolvers,
		store:      pick("sqlite", "sqlite", "badger", "redis"),
		versions:   pick("plain", "plain", "vector"),
		nodes:      2 + random.IntN(3),
		aggregates: 1 + random.IntN(3),
		steps:      15 + random.IntN(30),
	}
	if verify {
		t.nodes, t.steps = 2+random.IntN(7), 40+random.IntN(120)
	}
	return t
}

// TestNodesConverge tries every resolver, over one of the transports, and every
// transport with nodes whose resolvers differ; at length every pair.
func TestNodesConverge(t *testing.T) {
	t.Parallel()
	names := slices.Sorted(maps.Keys(hubs))
	for i, kind := range resolverKinds {
		for j, hub := range names {
			if verify || j == i%len(names) {
				try(t, hub, kind.name, kind)
			}
		}
	}
	for _, hub := range names {
		try(t, hub, "mixed", resolverKinds...)
	}
}

func try(t *testing.T, hub, name string, resolvers ...resolverKind) {
	t.Helper()
	t.Run(hub+"/"+name, func(t *testing.T) {
		t.Parallel()
		trial := randomTrial(seedOf(t), hub, resolvers)
		if problems := run(t, trial); len(problems) > 0 {
			t.Fatal(report(trial, problems))
		}
	})
}
