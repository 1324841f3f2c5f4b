package recovery

import (
	"math/big"
	"testing"
)

func fieldCorners() []element {
	var list []element
	for _, limbs := range corners(prime.limbs()) {
		list = append(list, elementOf(limbs))
	}
	return list
}

func TestPrime(t *testing.T) {
	want := new(big.Int).Lsh(big.NewInt(1), 256)
	want.Sub(want, big.NewInt(fold))
	if bigP.Cmp(want) != 0 || !bigP.ProbablyPrime(20) {
		t.Errorf("p is %x", bigP)
	}
}

func TestFieldOnPairs(t *testing.T) {
	t.Parallel()
	list := fieldCorners()
	big1, big2, want := new(big.Int), new(big.Int), new(big.Int)
	for _, x := range list {
		big1.Set(bigOf(x))
		for _, y := range list {
			big2.Set(bigOf(y))
			same(t, "sum", add(x, y), want.Add(big1, big2))
			same(t, "difference", sub(x, y), want.Sub(big1, big2))
			same(t, "product", mul(x, y), want.Mul(big1, big2))
		}
	}
}

func TestFieldOnSingles(t *testing.T) {
	t.Parallel()
	for _, x := range fieldCorners() {
		value := bigOf(x)
		residue := new(big.Int).Mod(value, bigP)
		same(t, "square", square(x), new(big.Int).Mul(value, value))
		doubled := half(x)
		same(t, "twice the half", add(doubled, doubled), value)
		if got := bigOf(x.normal()); got.Cmp(residue) != 0 {
			t.Fatalf("normal form of %x: %x", value, got)
		}
		if x.isZero() != (residue.Sign() == 0) || x.isOdd() != (residue.Bit(0) == 1) {
			t.Fatalf("%x: zero %t, odd %t", value, x.isZero(), x.isOdd())
		}
	}
}

func TestFieldAtRandom(t *testing.T) {
	t.Parallel()
	random := source(t)
	for range 100_000 {
		x, y := elementOf(randomLimbs(random)), elementOf(randomLimbs(random))
		same(t, "product", mul(x, y), new(big.Int).Mul(bigOf(x), bigOf(y)))
		same(t, "square", square(x), new(big.Int).Mul(bigOf(x), bigOf(x)))
		same(t, "sum", add(x, y), new(big.Int).Add(bigOf(x), bigOf(y)))
		same(t, "difference", sub(x, y), new(big.Int).Sub(bigOf(x), bigOf(y)))
	}
}

func reduced(low, high *big.Int) element {
	l, h := limbsOf(low), limbsOf(high)
	return reduce(l[0], l[1], l[2], l[3], h[0], h[1], h[2], h[3])
}

// All 512 bits from extreme limbs.
func TestReduce(t *testing.T) {
	t.Parallel()
	extremes := []uint64{0, 1, 1<<64 - 2, 1<<64 - 1}
	for i := range 1 << 16 {
		var r [8]uint64
		for j := range r {
			r[j] = extremes[i>>(2*j)&3]
		}
		want := new(big.Int).Lsh(number([4]uint64(r[4:])), 256)
		want.Add(want, number([4]uint64(r[:4])))
		same(t, "reduced", reduce(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]), want)
	}
}

// The last fold of reduce, at which random numbers arrive once in 2^190, with
// every carry out of its lowest limb.
func TestReduceLastFold(t *testing.T) {
	t.Parallel()
	power := new(big.Int).Lsh(big.NewInt(1), 256)
	bigFold := big.NewInt(fold)
	for over := int64(fold - 9); over < fold; over++ {
		most := new(big.Int).Mul(big.NewInt(over), bigFold)
		for _, rest := range []*big.Int{
			big.NewInt(0), big.NewInt(1),
			new(big.Int).SetUint64(1<<64 - fold - 1), new(big.Int).SetUint64(1<<64 - fold), new(big.Int).SetUint64(1<<64 - 1),
			new(big.Int).Lsh(big.NewInt(1), 64),
			new(big.Int).Sub(most, big.NewInt(1)),
		} {
			// low + high*fold = over*2^256 + (2^256 - over*fold + rest)
			sum := new(big.Int).Mul(big.NewInt(over+1), power)
			sum.Sub(sum, most).Add(sum, rest)
			high, low := new(big.Int).DivMod(sum, bigFold, new(big.Int))
			if high.Cmp(power) >= 0 {
				low.Add(low, new(big.Int).Mul(high.Sub(high, power), bigFold))
				low.Add(low, bigFold)
				high.Sub(power, big.NewInt(1))
			}
			same(t, "reduced", reduced(low, high), new(big.Int).Add(new(big.Int).Mul(high, power), low))
		}
	}
}

// What the comment on reduce says about its sums.
func TestReduceBounds(t *testing.T) {
	power := new(big.Int).Lsh(big.NewInt(1), 256)
	largest := new(big.Int).Sub(power, big.NewInt(1))
	bigFold := big.NewInt(fold)

	first := new(big.Int).Mul(largest, bigFold)
	first.Add(first, largest)
	over := new(big.Int).Rsh(first, 256)
	if over.Cmp(bigFold) > 0 {
		t.Errorf("%x is above 256 bits", over)
	}
	rest := new(big.Int).Mul(bigFold, bigFold)
	if rest.BitLen() > 67 || rest.Add(rest, bigFold).BitLen() > 128 {
		t.Errorf("the last fold has %d bits", rest.BitLen())
	}
}

func TestRoot(t *testing.T) {
	t.Parallel()
	squares := 0
	for _, x := range fieldCorners() {
		y, ok := root(x)
		if ok != (big.Jacobi(bigOf(x), bigP) >= 0) {
			t.Fatalf("%x has a root: %t", bigOf(x), ok)
		}
		if ok {
			squares++
			same(t, "root", y, powerOf(x))
			same(t, "square", square(y), bigOf(x))
		}
	}
	if squares == 0 {
		t.Error("no squares")
	}
}

// powerOf is x^((p+1)/4).
func powerOf(x element) *big.Int {
	exponent := new(big.Int).Add(bigP, big.NewInt(1))
	return new(big.Int).Exp(bigOf(x), exponent.Rsh(exponent, 2), bigP)
}
