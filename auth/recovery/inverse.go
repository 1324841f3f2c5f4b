package recovery

import "math/bits"

// stride is how many division steps are taken on single words before they are
// applied to the whole numbers. It leaves two bits of a word for sign and carry.
const stride = 62

const strideMask = 1<<stride - 1

// maxRounds times 62 steps are enough to invert any number.
const maxRounds = 12

// wide is a signed number of five limbs of 62 bits, the least first. The lower
// four are from 0 to 2^62-1; the highest has the sign.
type wide [5]int64

// modulus is an odd number below 2^256.
type modulus struct {
	value   wide
	inverse uint64 // of value, modulo 2^62
}

var (
	primeModulus = modulus{widen([4]uint64{prime.a, prime.b, prime.c, prime.d}), 0x27c7f6e22ddacacf}
	orderModulus = modulus{widen(order), 0x34f20099aa774ec1}
)

// invert is the number from 1 to m-1 whose product with x is 1 modulo m. m must be
// a prime, and x no multiple of it.
//
// This is the Euclidean algorithm from the low end: D. J. Bernstein and B.-Y.
// Yang, Fast constant-time gcd computation and modular inversion, 2019. One
// division step makes of an odd f, any g and a number delta:
//
//	delta > 0 and g odd:  1-delta, g, (g-f)/2
//	otherwise:            1+delta, f, (g + (g mod 2) f)/2
//
// From f = m, g = x and delta = 1, g reaches 0 after at most 741 steps (theorem
// 11.2, for numbers below 2^256), and f is then the greatest common divisor or its
// negative. It is not constant in time here: it stops when g is 0.
//
// Steps depend on the low bits of f and g only, so 62 of them are found on single
// words, as a matrix, which is then applied to the whole f and g (section 10).
// All the while
//
//	d*x = f and e*x = g modulo m
//
// because d and e go through the same steps, modulo m: at the end d or -d is the
// inverse.
func invert(x [4]uint64, m *modulus) [4]uint64 {
	f, g := m.value, widen(x)
	var d wide
	e := wide{1}
	delta := 1
	for round := 0; round < maxRounds && g != (wide{}); round++ {
		var t matrix
		delta, t = divisionSteps(delta, uint64(f[0])|uint64(f[1])<<stride, uint64(g[0])|uint64(g[1])<<stride)
		f, g = t.apply(&f, &g)
		d, e = t.applyModulo(&d, &e, m)
	}
	if f[4] < 0 {
		d = d.negative()
	}
	return d.residue(m)
}

// matrix holds 62 division steps: they make (u*f + v*g) / 2^62 of f, and
// (q*f + r*g) / 2^62 of g. |u| + |v| and |q| + |r| are at most 2^62.
type matrix struct{ u, v, q, r int64 }

// divisionSteps takes 62 steps, given the lowest 64 bits of f and g.
//
// The matrix is not divided by two at each step: instead of halving g's row, f's
// row is doubled, so that both are whole numbers, and 2^62 times too large at the
// end. Steps at which g is even only halve it: they are taken together.
//
// Where delta is not above 0, the next 1-delta steps do not exchange f and g;
// what they do is to add a multiple of f that clears as many low bits of g. Up to
// six bits are cleared at once: f*f is 1 modulo 8, so f is its own inverse
// modulo 8, and f*(2-f*f) is its inverse modulo 64 (Newton's iteration); the
// multiple is -g times that.
func divisionSteps(delta int, f, g uint64) (int, matrix) {
	u, v, q, r := int64(1), int64(0), int64(0), int64(1)
	for left := stride; ; {
		zeros := min(bits.TrailingZeros64(g), left)
		g >>= zeros
		u <<= zeros
		v <<= zeros
		delta += zeros
		left -= zeros
		if left == 0 {
			return delta, matrix{u, v, q, r}
		}
		if delta > 0 {
			delta = -delta
			f, g = g, -f
			u, v, q, r = q, r, -u, -v
		}
		width := min(left, 1-delta, 6)
		multiple := g * f * (f*f - 2) & (1<<width - 1)
		g += multiple * f
		q += int64(multiple) * u
		r += int64(multiple) * v
	}
}

// apply makes of f and g what 62 steps make of them. The lowest 62 bits of both
// are then zero, and fall away. |f| and |g| stay below 2^256: a step makes at most
// (|f|+|g|)/2 of either.
func (t *matrix) apply(f, g *wide) (f2, g2 wide) {
	var x, y wideSum
	x.add(t.u, f[0])
	x.add(t.v, g[0])
	y.add(t.q, f[0])
	y.add(t.r, g[0])
	x.next()
	y.next()
	for i := 1; i < 5; i++ {
		x.add(t.u, f[i])
		x.add(t.v, g[i])
		y.add(t.q, f[i])
		y.add(t.r, g[i])
		f2[i-1] = x.next()
		g2[i-1] = y.next()
	}
	f2[4] = int64(x.low)
	g2[4] = int64(y.low)
	return f2, g2
}

// applyModulo is apply for d and e: before the division, the multiple of m from
// 0 to 2^62-1 is added that makes the lowest 62 bits zero. Each time, |d| and |e|
// grow by at most m; so after maxRounds they are still below 2^260.
func (t *matrix) applyModulo(d, e *wide, m *modulus) (d2, e2 wide) {
	var x, y wideSum
	x.add(t.u, d[0])
	x.add(t.v, e[0])
	y.add(t.q, d[0])
	y.add(t.r, e[0])
	j := int64(-x.low * m.inverse & strideMask)
	k := int64(-y.low * m.inverse & strideMask)
	x.add(j, m.value[0])
	y.add(k, m.value[0])
	x.next()
	y.next()
	for i := 1; i < 5; i++ {
		x.add(t.u, d[i])
		x.add(t.v, e[i])
		x.add(j, m.value[i])
		y.add(t.q, d[i])
		y.add(t.r, e[i])
		y.add(k, m.value[i])
		d2[i-1] = x.next()
		e2[i-1] = y.next()
	}
	d2[4] = int64(x.low)
	e2[4] = int64(y.low)
	return d2, e2
}

// wideSum is a signed sum of 128 bits.
type wideSum struct{ high, low uint64 }

// add adds x*y. The product of the words as unsigned numbers is too large by
// 2^64*y where x is negative, and by 2^64*x where y is.
func (s *wideSum) add(x, y int64) {
	high, low := bits.Mul64(uint64(x), uint64(y))
	high -= uint64(x>>63&y) + uint64(y>>63&x)
	var carry uint64
	s.low, carry = bits.Add64(s.low, low, 0)
	s.high, _ = bits.Add64(s.high, high, carry)
}

// next takes the lowest 62 bits off the sum.
func (s *wideSum) next() int64 {
	limb := s.low & strideMask
	s.low = s.low>>stride | s.high<<(64-stride)
	s.high = uint64(int64(s.high) >> stride)
	return int64(limb)
}

// widen spreads 256 bits over five limbs.
func widen(x [4]uint64) wide {
	return wide{
		int64(x[0] & strideMask),
		int64((x[0]>>62 | x[1]<<2) & strideMask),
		int64((x[1]>>60 | x[2]<<4) & strideMask),
		int64((x[2]>>58 | x[3]<<6) & strideMask),
		int64(x[3] >> 56),
	}
}

func (x wide) negative() wide {
	var zero wide
	return zero.plus(&x, -1)
}

// plus is x + sign*y.
func (x wide) plus(y *wide, sign int64) wide {
	for i := range 4 {
		x[i] += sign * y[i]
		x[i+1] += x[i] >> stride
		x[i] &= strideMask
	}
	x[4] += sign * y[4]
	return x
}

// residue is x modulo m. It is meant for an x of few times m.
func (x wide) residue(m *modulus) [4]uint64 {
	for x[4] < 0 {
		x = x.plus(&m.value, 1)
	}
	for {
		less := x.plus(&m.value, -1)
		if less[4] < 0 {
			break
		}
		x = less
	}
	return [4]uint64{
		uint64(x[0] | x[1]<<62),
		uint64(x[1]>>2 | x[2]<<60),
		uint64(x[2]>>4 | x[3]<<58),
		uint64(x[3]>>6 | x[4]<<56),
	}
}
