package recovery

import (
	"math/big"
	"testing"
)

func scalarCorners() []scalar {
	var list []scalar
	for _, limbs := range corners(order) {
		x := new(big.Int).Mod(number(limbs), bigN)
		list = append(list, scalar(limbsOf(x)))
	}
	return list
}

func TestOrder(t *testing.T) {
	power := new(big.Int).Lsh(big.NewInt(1), 256)
	complement := number([4]uint64{orderFold[0], orderFold[1], orderFold[2]})
	if new(big.Int).Sub(power, bigN).Cmp(complement) != 0 || !bigN.ProbablyPrime(20) {
		t.Errorf("n is %x, 2^256-n is %x", bigN, complement)
	}
	if number(primeMinusOrder).Cmp(new(big.Int).Sub(bigP, bigN)) != 0 {
		t.Errorf("p-n is %x", number(primeMinusOrder))
	}
}

func TestReadScalar(t *testing.T) {
	t.Parallel()
	for _, limbs := range corners(order) {
		x := number(limbs)
		var b [32]byte
		x.FillBytes(b[:])
		got, above := readScalar(b[:])
		if number(got).Cmp(new(big.Int).Mod(x, bigN)) != 0 || above != (x.Cmp(bigN) >= 0) {
			t.Fatalf("%x read as %x, %t", x, number(got), above)
		}
	}
}

func TestScalarProducts(t *testing.T) {
	t.Parallel()
	list := scalarCorners()
	for _, x := range list {
		bigX := number(x)
		for _, y := range list {
			want := new(big.Int).Mul(bigX, number(y))
			if got := number(x.times(y)); got.Cmp(want.Mod(want, bigN)) != 0 {
				t.Fatalf("%x * %x = %x, not %x", bigX, number(y), got, want)
			}
		}
		want := new(big.Int).Neg(bigX)
		if got := number(x.negate()); got.Cmp(want.Mod(want, bigN)) != 0 {
			t.Fatalf("-%x = %x", bigX, got)
		}
	}
}

func TestScalarProductsAtRandom(t *testing.T) {
	t.Parallel()
	random := source(t)
	for range 100_000 {
		x := new(big.Int).Mod(number(randomLimbs(random)), bigN)
		y := new(big.Int).Mod(number(randomLimbs(random)), bigN)
		got := number(scalar(limbsOf(x)).times(scalar(limbsOf(y))))
		if want := new(big.Int).Mul(x, y); got.Cmp(want.Mod(want, bigN)) != 0 {
			t.Fatalf("%x * %x = %x, not %x", x, y, got, want)
		}
	}
}

func number512(x [8]uint64) *big.Int {
	sum := new(big.Int).Lsh(number([4]uint64(x[4:])), 256)
	return sum.Add(sum, number([4]uint64(x[:4])))
}

// All 512 bits from extreme limbs: folding keeps the residue, and four rounds
// are enough.
func TestFoldOrder(t *testing.T) {
	t.Parallel()
	extremes := []uint64{0, 1, 1<<64 - 2, 1<<64 - 1}
	for i := range 1 << 16 {
		var x [8]uint64
		for j := range x {
			x[j] = extremes[i>>(2*j)&3]
		}
		want := new(big.Int).Mod(number512(x), bigN)
		for range 4 {
			x = foldOrder(x)
		}
		if got := number512(x); got.BitLen() > 256 || got.Mod(got, bigN).Cmp(want) != 0 {
			t.Fatalf("combination %d: folded to %x, not %x", i, got, want)
		}
	}
}

// What the comment on times says about its sums.
func TestFoldOrderBounds(t *testing.T) {
	complement := number([4]uint64{orderFold[0], orderFold[1], orderFold[2]})
	lowest := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	most := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 512), big.NewInt(1))
	third := new(big.Int).Add(lowest, new(big.Int).Lsh(big.NewInt(1), 133))
	for round, limit := range []*big.Int{
		new(big.Int).Lsh(big.NewInt(1), 386), new(big.Int).Lsh(big.NewInt(1), 260), third, lowest,
	} {
		if round == 3 {
			// Above 256 bits is 1, and then what is below them is below 2^133.
			most = new(big.Int).Lsh(big.NewInt(1), 133)
			most.Add(most, complement)
		} else {
			above := new(big.Int).Rsh(most, 256)
			most = new(big.Int).Mul(above, complement)
			most.Add(most, lowest)
		}
		if most.Cmp(limit) > 0 {
			t.Errorf("round %d ends at %x", round+1, most)
		}
	}
	if new(big.Int).Lsh(bigN, 1).BitLen() <= 256 {
		t.Error("one subtraction of n does not reduce 256 bits")
	}
}
