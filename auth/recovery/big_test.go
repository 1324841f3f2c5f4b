package recovery

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// The reference for all arithmetic: the same, written plainly with math/big.

var (
	bigP = number([4]uint64{prime.a, prime.b, prime.c, prime.d})
	bigN = number(order)
)

// number is the value of limbs, the least first.
func number(limbs [4]uint64) *big.Int {
	x := new(big.Int)
	for i := 3; i >= 0; i-- {
		x.Lsh(x, 64)
		x.Or(x, new(big.Int).SetUint64(limbs[i]))
	}
	return x
}

// limbsOf is the lowest 256 bits of x.
func limbsOf(x *big.Int) (limbs [4]uint64) {
	rest := new(big.Int).Set(x)
	for i := range limbs {
		limbs[i] = new(big.Int).And(rest, new(big.Int).SetUint64(1<<64-1)).Uint64()
		rest.Rsh(rest, 64)
	}
	return limbs
}

func (x element) limbs() [4]uint64 { return [4]uint64{x.a, x.b, x.c, x.d} }

func elementOf(limbs [4]uint64) element { return element{limbs[0], limbs[1], limbs[2], limbs[3]} }

func bigOf(x element) *big.Int { return number(x.limbs()) }

// same fails the test unless the element's value is want modulo p.
func same(t *testing.T, what string, got element, want *big.Int) {
	t.Helper()
	if new(big.Int).Mod(bigOf(got), bigP).Cmp(new(big.Int).Mod(want, bigP)) != 0 {
		t.Fatalf("%s: %x, not %x", what, bigOf(got), want)
	}
}

// corners are numbers that make carries: every combination of extreme limbs, and
// the neighbours of 0, of the modulus and of 2^256.
func corners(modulus [4]uint64) [][4]uint64 {
	extremes := []uint64{0, 1, 1 << 63, 1<<64 - 2, 1<<64 - 1}
	var list [][4]uint64
	for _, a := range extremes {
		for _, b := range extremes {
			for _, c := range extremes {
				for _, d := range extremes {
					list = append(list, [4]uint64{a, b, c, d})
				}
			}
		}
	}
	m := number(modulus)
	half := new(big.Int).Rsh(m, 1)
	complement := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), m)
	for _, center := range []*big.Int{m, half, complement} {
		for by := int64(-3); by <= 3; by++ {
			list = append(list, limbsOf(new(big.Int).Add(center, big.NewInt(by))))
		}
	}
	return list
}

// source is seeded afresh in each run, and the seed logged.
func source(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func randomLimbs(r *rand.Rand) [4]uint64 {
	return [4]uint64{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
}
