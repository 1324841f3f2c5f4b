package recovery

import (
	"math/big"
	"testing"
)

func (x signed) number() *big.Int {
	value := number([4]uint64{x.abs[0], x.abs[1]})
	if x.negative {
		value.Neg(value)
	}
	return value
}

// lambda is the root of x^2 + x + 1 modulo n that belongs to beta:
// TestEndomorphism shows it.
var lambda, _ = new(big.Int).SetString("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72", 16)

// The endomorphism's and the lattice's constants are what the comments say.
func TestLattice(t *testing.T) {
	a1, b1, a2 := number(latticeA1), number(latticeB1), number(latticeA2)
	times := func(x, y *big.Int) *big.Int { return new(big.Int).Mul(x, y) }
	for name, multiple := range map[string]*big.Int{
		"(a1, -b1)":          new(big.Int).Sub(a1, times(b1, lambda)),
		"(a2, a1)":           new(big.Int).Add(a2, times(a1, lambda)),
		"lambda^2+lambda+1":  new(big.Int).Add(times(lambda, lambda), new(big.Int).Add(lambda, big.NewInt(1))),
		"the lattice's area": new(big.Int).Add(times(a1, a1), times(b1, a2)),
	} {
		if multiple.Mod(multiple, bigN).Sign() != 0 {
			t.Errorf("%s is no multiple of n", name)
		}
	}
	b := bigOf(beta)
	if sum := new(big.Int).Add(times(b, b), new(big.Int).Add(b, big.NewInt(1))); sum.Mod(sum, bigP).Sign() != 0 {
		t.Error("beta^2+beta+1 is no multiple of p")
	}
	for _, pair := range []struct {
		numerator *big.Int
		quotient  [4]uint64
	}{{a1, latticeA1OverN}, {b1, latticeB1OverN}} {
		want := new(big.Int).Lsh(pair.numerator, 385)
		want.Div(want, bigN).Add(want, big.NewInt(1)).Rsh(want, 1)
		if number(pair.quotient).Cmp(want) != 0 {
			t.Errorf("quotient %x, not %x", number(pair.quotient), want)
		}
	}
	for _, sum := range []*big.Int{new(big.Int).Add(a1, a2), new(big.Int).Add(b1, a1)} {
		if bound := sum.Rsh(sum, 1); bound.Add(bound, big.NewInt(1)).BitLen() > 128 {
			t.Errorf("a half of a scalar may reach %x", bound)
		}
	}
}

func checkSplit(t *testing.T, k *big.Int) {
	t.Helper()
	a1, b1, a2 := number(latticeA1), number(latticeB1), number(latticeA2)
	k1, k2 := scalar(limbsOf(k)).split()
	sum := new(big.Int).Mul(k2.number(), lambda)
	sum.Add(sum, k1.number()).Sub(sum, k)
	if sum.Mod(sum, bigN).Sign() != 0 {
		t.Fatalf("%x split into %x and %x", k, k1.number(), k2.number())
	}
	for _, half := range []struct{ abs, twiceLimit *big.Int }{
		{k1.number(), new(big.Int).Add(a1, a2)},
		{k2.number(), new(big.Int).Add(b1, a1)},
	} {
		abs := half.abs.Abs(half.abs)
		if abs.Sub(abs, big.NewInt(1)).Lsh(abs, 1).Cmp(half.twiceLimit) > 0 {
			t.Fatalf("%x split into %x and %x", k, k1.number(), k2.number())
		}
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for _, k := range scalarCorners() {
		checkSplit(t, number(k))
	}
	random := source(t)
	for range 50_000 {
		checkSplit(t, new(big.Int).Mod(number(randomLimbs(random)), bigN))
	}
}

// Scalars whose quotient by n, times a1 or b1, is next to a half: where the
// rounding tips over, and the halves are longest.
func TestSplitAtTheEdgeOfRounding(t *testing.T) {
	t.Parallel()
	random := source(t)
	for range 5_000 {
		for _, a := range [][4]uint64{latticeA1, latticeB1} {
			odd := number([4]uint64{random.Uint64() | 1, random.Uint64() >> 3})
			k := odd.Mul(odd, bigN)
			k.Div(k, new(big.Int).Lsh(number(a), 1))
			for by := int64(-2); by <= 2; by++ {
				checkSplit(t, new(big.Int).Mod(new(big.Int).Add(k, big.NewInt(by)), bigN))
			}
		}
	}
}

func checkDigits(t *testing.T, x signed, width uint) {
	t.Helper()
	var d digits
	x.recode(&d, width)
	sum, last := new(big.Int), -int(width)
	for place, digit := range d {
		if digit == 0 {
			continue
		}
		sum.Add(sum, new(big.Int).Lsh(big.NewInt(int64(digit)), uint(place)))
		limit := int16(1) << (width - 1)
		if digit&1 == 0 || digit >= limit || digit <= -limit || place-last < int(width) {
			t.Fatalf("%x: digit %d at %d after one at %d", x.number(), digit, place, last)
		}
		last = place
	}
	if sum.Cmp(x.number()) != 0 {
		t.Fatalf("digits of %x make %x", x.number(), sum)
	}
}

func TestDigits(t *testing.T) {
	t.Parallel()
	limbs := []uint64{
		0, 1, 2, 3, 15, 16, 17, 31, 32, 1<<11 - 1, 1 << 11, 1<<11 + 1, 1<<12 - 1,
		1 << 62, 1<<63 - 1, 1 << 63, 1<<63 + 1, 1<<64 - 1<<11, 1<<64 - 1<<12 + 1, 1<<64 - 2, 1<<64 - 1,
	}
	random := source(t)
	for range 300 {
		limbs = append(limbs, random.Uint64())
	}
	for _, low := range limbs {
		for _, high := range limbs {
			for _, negative := range []bool{false, true} {
				checkDigits(t, signed{short{low, high}, negative}, widthR)
				checkDigits(t, signed{short{low, high}, negative}, widthG)
			}
		}
	}
}
