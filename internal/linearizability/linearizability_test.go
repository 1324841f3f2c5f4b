// Package linearizability records what concurrent clients of real servers saw
// and lets a checker look for an order of their operations that explains it:
// one in which each operation takes effect at a single instant between its call
// and its answer, as if there were one server that does one thing at a time.
//
// What that one server would do is written down in the models of this package,
// after the contract and apart from the code that they judge. An operation whose
// answer was lost stays open: it may take effect at any later time, or never.
package linearizability

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"syncline/internal/testservers"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// long runs are for make verify; make test runs the same tests, shorter.
var long = os.Getenv("SYNCLINE_VERIFY") != ""

// newSeed is what all choices of a test come from, but not the timing of
// servers and networks. SYNCLINE_SEED sets it.
func newSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("SYNCLINE_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("SYNCLINE_SEED: %v", err)
		}
	}
	t.Logf("SYNCLINE_SEED=%d", seed)
	return seed
}

func newRandom(seed uint64, stream int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(stream)))
}
