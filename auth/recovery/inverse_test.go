package recovery

import (
	"math/big"
	"testing"
)

var moduli = map[string]*modulus{"p": &primeModulus, "n": &orderModulus}

func (x *wide) number() *big.Int {
	sum := new(big.Int)
	for i := 4; i >= 0; i-- {
		sum.Lsh(sum, stride)
		sum.Add(sum, big.NewInt(x[i]))
	}
	return sum
}

func TestModuli(t *testing.T) {
	for name, m := range moduli {
		want := map[string]*big.Int{"p": bigP, "n": bigN}[name]
		if m.value.number().Cmp(want) != 0 {
			t.Errorf("%s is %x", name, m.value.number())
		}
		if limbsOf(want)[0]*m.inverse&strideMask != 1 {
			t.Errorf("%s: %x is not its inverse modulo 2^62", name, m.inverse)
		}
	}
}

func checkInverse(t *testing.T, m *modulus, limbs [4]uint64) {
	t.Helper()
	x, value := number(limbs), m.value.number()
	want := new(big.Int).ModInverse(x, value)
	if want == nil {
		return
	}
	if got := number(invert(limbs, m)); got.Cmp(want) != 0 {
		t.Fatalf("inverse of %x modulo %x: %x, not %x", x, value, got, want)
	}
}

func TestInverse(t *testing.T) {
	t.Parallel()
	random := source(t)
	for name, m := range moduli {
		t.Run(name, func(t *testing.T) {
			for _, limbs := range corners(limbsOf(m.value.number())) {
				checkInverse(t, m, limbs)
			}
			for shift := range 256 {
				checkInverse(t, m, limbsOf(new(big.Int).Lsh(big.NewInt(1), uint(shift))))
			}
			for range 20_000 {
				checkInverse(t, m, randomLimbs(random))
			}
		})
	}
}

// What the comments on divisionSteps, apply and applyModulo say: that a matrix is
// bounded, that f and g stay below 2^256 and d and e below 2^260, that d*x = f and
// e*x = g modulo m, and that maxRounds are enough.
func TestDivisionBounds(t *testing.T) {
	t.Parallel()
	random := source(t)
	for _, m := range moduli {
		inputs := corners(limbsOf(m.value.number()))
		for range 2000 {
			inputs = append(inputs, randomLimbs(random))
		}
		for _, x := range inputs {
			divideChecked(t, m, x)
		}
	}
}

func divideChecked(t *testing.T, m *modulus, x [4]uint64) {
	t.Helper()
	f, g, d, e, delta := m.value, widen(x), wide{}, wide{1}, 1
	for round := 1; g != (wide{}); round++ {
		if round > maxRounds {
			t.Fatalf("%x takes more than %d rounds", number(x), maxRounds)
		}
		var step matrix
		delta, step = divisionSteps(delta, uint64(f[0])|uint64(f[1])<<stride, uint64(g[0])|uint64(g[1])<<stride)
		if size(step.u)+size(step.v) > 1<<stride || size(step.q)+size(step.r) > 1<<stride {
			t.Fatalf("%x: matrix %v", number(x), step)
		}
		f, g = step.apply(&f, &g)
		d, e = step.applyModulo(&d, &e, m)
		checkBits(t, 256, &f, &g)
		checkBits(t, 260, &d, &e)
		checkProduct(t, m, x, &d, &f)
		checkProduct(t, m, x, &e, &g)
	}
}

func size(x int64) uint64 {
	if x < 0 {
		return uint64(-x)
	}
	return uint64(x)
}

func checkBits(t *testing.T, limit int, numbers ...*wide) {
	t.Helper()
	for _, x := range numbers {
		if x.number().BitLen() > limit {
			t.Fatalf("%x has more than %d bits", x.number(), limit)
		}
	}
}

func checkProduct(t *testing.T, m *modulus, x [4]uint64, factor, want *wide) {
	t.Helper()
	difference := new(big.Int).Mul(factor.number(), number(x))
	difference.Sub(difference, want.number())
	if difference.Mod(difference, m.value.number()).Sign() != 0 {
		t.Fatalf("%x * %x is not %x", factor.number(), number(x), want.number())
	}
}

// residue brings numbers from -20*m to 20*m into the range from 0 to m-1.
func TestResidue(t *testing.T) {
	t.Parallel()
	for _, m := range moduli {
		value := m.value.number()
		for by := int64(-2); by <= 2; by++ {
			small := new(big.Int).Mod(big.NewInt(by), value)
			x := widen(limbsOf(small))
			for range 20 {
				if got := number(x.residue(m)); got.Cmp(small) != 0 {
					t.Fatalf("residue of %x: %x", x.number(), got)
				}
				negative := x.negative()
				opposite := new(big.Int).Neg(small)
				if got := number(negative.residue(m)); got.Cmp(opposite.Mod(opposite, value)) != 0 {
					t.Fatalf("residue of %x: %x", negative.number(), got)
				}
				x = x.plus(&m.value, 1)
			}
		}
	}
}
