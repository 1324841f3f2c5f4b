package recovery_test

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"syncline/auth/recovery"
)

// scripts/verify-recovery.sh asks for millions.
var (
	inputs    = flag.Int("inputs", directInputs, "signatures compared with decred's RecoverCompact, one by one")
	symmetric = flag.Int("symmetric", directInputs/2, "signatures compared with answers derived from decred's by symmetry")
)

// agree fails the test unless PublicKey and decred's RecoverCompact say the same
// of a signature. It tells whether they accepted it.
func agree(t testing.TB, digest [32]byte, signature [65]byte) bool {
	t.Helper()
	got, err := recovery.PublicKey(digest, signature)
	want, ok := decredKey(digest, signature)
	if (err == nil) != ok || got != want {
		t.Errorf("digest %x, signature %x: key %x and error %v; decred's: %x, %t", digest, signature, got, err, want, ok)
	}
	return ok
}

// decredKey is decred's answer; its zero value, and false, if it refuses.
func decredKey(digest [32]byte, signature [65]byte) (key [33]byte, ok bool) {
	public, _, err := ecdsa.RecoverCompact(signature[:], digest[:])
	if err != nil {
		return key, false
	}
	return [33]byte(public.SerializeCompressed()), true
}

// attempt makes the input i: in turn a true signature, one that was tampered
// with, and random r and s.
func attempt(i int, random *rand.Rand) (digest [32]byte, signature [65]byte) {
	fill(digest[:], random)
	if i%3 == 2 {
		fill(signature[1:], random)
		signature[0] = 27 + byte(random.IntN(8))&^2
		return digest, signature
	}
	var secret [32]byte
	fill(secret[:], random)
	key := secp256k1.PrivKeyFromBytes(secret[:])
	signature = [65]byte(ecdsa.SignCompact(key, digest[:], i%2 == 0))
	if i%3 == 1 {
		bit := random.IntN(8 * (32 + 65))
		if bit < 8*32 {
			digest[bit/8] ^= 1 << (bit % 8)
		} else {
			signature[bit/8-32] ^= 1 << (bit % 8)
		}
	}
	return digest, signature
}

func fill(b []byte, random *rand.Rand) {
	for i := range b {
		b[i] = byte(random.Uint32())
	}
}

// spread runs work for 0 to count-1 on all cores, each with randomness of its
// own, and stops early when the test has failed.
func spread(t *testing.T, count int, work func(i int, random *rand.Rand)) {
	seed := rand.Uint64()
	t.Logf("seed %d, %d rounds", seed, count)
	var next atomic.Int64
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(count) && !t.Failed(); i = next.Add(1) - 1 {
				work(int(i), rand.New(rand.NewPCG(seed, uint64(i))))
			}
		})
	}
	group.Wait()
}

// PublicKey says of any signature what decred's RecoverCompact says.
func TestAgainstDecred(t *testing.T) {
	t.Parallel()
	var accepted atomic.Int64
	spread(t, *inputs, func(i int, random *rand.Rand) {
		digest, signature := attempt(i, random)
		if agree(t, digest, signature) {
			accepted.Add(1)
		}
	})
	t.Logf("accepted %d", accepted.Load())
	if share := float64(accepted.Load()) / float64(*inputs); share < 0.5 || share > 0.9 {
		t.Errorf("%.2f of the signatures were accepted: they are not what they should be", share)
	}
}
