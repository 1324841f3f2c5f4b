package recovery

import (
	"fmt"
	"math/big"
	"testing"
	"unsafe"
)

// plain is a point as the schoolbook has it; x is nil at infinity.
type plain struct{ x, y *big.Int }

func (p plain) String() string {
	if p.x == nil {
		return "infinity"
	}
	return fmt.Sprintf("(%x, %x)", p.x, p.y)
}

func (p plain) equal(q plain) bool { return p.String() == q.String() }

// plus is the group law (Guide to Elliptic Curve Cryptography, section 3.1.2).
func (p plain) plus(q plain) plain {
	modulo := func(x *big.Int) *big.Int { return x.Mod(x, bigP) }
	var slope *big.Int
	switch {
	case p.x == nil:
		return q
	case q.x == nil:
		return p
	case p.x.Cmp(q.x) != 0:
		slope = new(big.Int).ModInverse(modulo(new(big.Int).Sub(q.x, p.x)), bigP)
		slope.Mul(slope, new(big.Int).Sub(q.y, p.y))
	case p.y.Cmp(q.y) != 0:
		return plain{}
	default:
		slope = new(big.Int).ModInverse(new(big.Int).Lsh(p.y, 1), bigP)
		slope.Mul(slope, big.NewInt(3)).Mul(slope, p.x).Mul(slope, p.x)
	}
	x := new(big.Int).Mul(slope, slope)
	modulo(x.Sub(x, p.x).Sub(x, q.x))
	y := new(big.Int).Sub(p.x, x)
	modulo(y.Mul(y, slope).Sub(y, p.y))
	return plain{x, y}
}

func (p plain) opposite() plain {
	if p.x == nil {
		return p
	}
	return plain{p.x, new(big.Int).Sub(bigP, p.y)}
}

// times is a multiple of p by doubling and adding.
func (p plain) times(k *big.Int) plain {
	var sum plain
	for i := k.BitLen() - 1; i >= 0; i-- {
		sum = sum.plus(sum)
		if k.Bit(i) == 1 {
			sum = sum.plus(p)
		}
	}
	return sum
}

func (q *affine) plain() plain { return plain{bigOf(q.x.normal()), bigOf(q.y.normal())} }

func (p *point) plain() plain {
	if p.isInfinity() {
		return plain{}
	}
	q := p.affine()
	return q.plain()
}

func affineOf(p plain) affine {
	return affine{elementOf(limbsOf(p.x)), elementOf(limbsOf(p.y))}
}

// jacobian is p with the denominator z.
func jacobian(p plain, z element) point {
	if p.x == nil {
		return point{one, one, element{}}
	}
	q := affineOf(p)
	scaled := q.scaled(z)
	return point{scaled.x, scaled.y, z}
}

var plainG = generator.plain()

func TestGenerator(t *testing.T) {
	y := new(big.Int).Mul(plainG.y, plainG.y)
	x := new(big.Int).Exp(plainG.x, big.NewInt(3), bigP)
	if y.Sub(y, x).Sub(y, big.NewInt(7)).Mod(y, bigP).Sign() != 0 {
		t.Error("G is not on the curve")
	}
	if end := plainG.times(bigN); end.x != nil {
		t.Errorf("n*G is %v", end)
	}
}

// (beta*x, y) is lambda times the point.
func TestEndomorphism(t *testing.T) {
	want := plainG.times(lambda)
	got := affine{mul(generator.x, beta), generator.y}
	if !got.plain().equal(want) {
		t.Errorf("%v, not %v", got.plain(), want)
	}
}

// smallMultiples are -3*G to 3*G and a few more, infinity among them.
func smallMultiples() []plain {
	list := []plain{{}}
	for _, m := range []int64{1, 2, 3, 7, 1 << 40} {
		p := plainG.times(big.NewInt(m))
		list = append(list, p, p.opposite())
	}
	return list
}

func TestDoubling(t *testing.T) {
	t.Parallel()
	for _, p := range smallMultiples() {
		for _, z := range []element{one, {5, 6, 7, 8}, sub(element{}, one), {1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1}} {
			got := jacobian(p, z)
			got.double()
			if want := p.plus(p); !got.plain().equal(want) {
				t.Errorf("2*%v = %v, not %v", p, got.plain(), want)
			}
		}
	}
}

// Each sum of two of them: different points, the same, opposite ones, infinity.
func TestAddition(t *testing.T) {
	t.Parallel()
	for _, p := range smallMultiples() {
		for _, q := range smallMultiples() {
			for _, z := range []element{one, {5, 6, 7, 8}, sub(element{}, one)} {
				checkAddition(t, p, q, z)
			}
		}
	}
}

func checkAddition(t *testing.T, p, q plain, z element) {
	t.Helper()
	want := p.plus(q)
	if q.x == nil {
		return // no entry of a table is infinity
	}
	table := tableG{affineOf(q)}
	factor := element{9, 8, 7, 6}

	got := jacobian(p, z)
	got.addR(table[:1], 1)
	if !got.plain().equal(want) {
		t.Errorf("%v + %v = %v, not %v", p, q, got.plain(), want)
	}
	got = jacobian(p, z)
	got.addR(table[:1], -1)
	got.addR(table[:1], 0)
	if difference := p.plus(q.opposite()); !got.plain().equal(difference) {
		t.Errorf("%v - %v = %v, not %v", p, q, got.plain(), difference)
	}

	// The sum on the curve that the factor leads to; multiplying z by it leads back.
	got = jacobian(p, z)
	if p.x != nil {
		got.z = mul(got.z, factor.inverse())
	}
	got.addG(&table, 1, factor)
	got.addG(&table, 0, factor)
	got.z = mul(got.z, factor)
	if !got.plain().equal(want) {
		t.Errorf("%v + %v = %v by another curve, not %v", p, q, got.plain(), want)
	}
}

func TestGeneratorTables(t *testing.T) {
	t.Parallel()
	low, high := generatorMultiples()
	power := new(big.Int).Lsh(big.NewInt(1), 128)
	for name, table := range map[string]struct {
		points *tableG
		base   plain
	}{"G": {low, plainG}, "2^128*G": {high, plainG.times(power)}} {
		want, step := table.base, table.base.plus(table.base)
		for i := range table.points {
			if got := table.points[i].plain(); !got.equal(want) {
				t.Fatalf("%d * %s = %v, not %v", 2*i+1, name, got, want)
			}
			want = want.plus(step)
		}
	}
	if size := unsafe.Sizeof(*low) + unsafe.Sizeof(*high); size > 256<<10 {
		t.Errorf("the tables take %d bytes", size)
	}
}

// The denominator of odd multiples is the factor: with it they are the
// schoolbook's.
func TestOddMultiples(t *testing.T) {
	t.Parallel()
	for _, m := range []int64{1, 2, 3, 12345} {
		base := plainG.times(big.NewInt(m))
		var table tableR
		var ratios [len(table)]element
		start := affineOf(base)
		z := oddMultiples(table[:], ratios[:], &start)
		for i := range table {
			got := point{table[i].x, table[i].y, z}
			if want := base.times(big.NewInt(int64(2*i + 1))); !got.plain().equal(want) {
				t.Errorf("%d * %v = %v, not %v", 2*i+1, base, got.plain(), want)
			}
		}
	}
}

// u*G + v*R for corner scalars, R a multiple of G that is in the tables too.
func TestCombine(t *testing.T) {
	t.Parallel()
	scalars := []*big.Int{
		big.NewInt(0), big.NewInt(1), big.NewInt(2), big.NewInt(2047), big.NewInt(2048),
		new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1)),
		new(big.Int).Lsh(big.NewInt(1), 128),
		new(big.Int).Lsh(big.NewInt(1), 255),
		lambda, new(big.Int).Sub(bigN, lambda),
		new(big.Int).Sub(bigN, big.NewInt(1)), new(big.Int).Sub(bigN, big.NewInt(2)),
	}
	for _, m := range []*big.Int{big.NewInt(1), big.NewInt(3), lambda, new(big.Int).Lsh(big.NewInt(1), 128), new(big.Int).Sub(bigN, big.NewInt(1))} {
		r := affineOf(plainG.times(m))
		for _, u := range scalars {
			for _, v := range scalars {
				got := combine(scalar(limbsOf(u)), scalar(limbsOf(v)), &r)
				k := new(big.Int).Mul(v, m)
				k.Add(k, u).Mod(k, bigN)
				if want := plainG.times(k); !got.plain().equal(want) {
					t.Fatalf("%x*G + %x*%x*G = %v, not %v", u, v, m, got.plain(), want)
				}
			}
		}
	}
}
