package recovery

import "math/bits"

// element is a number modulo p = 2^256 - 4294968273, the prime of the curve's
// field, as four limbs of 64 bits, a the least. Every one of the 2^256 values is
// valid and stands for its residue: nothing has to be normalised between two
// steps, and there is no bound that a caller could break. 0 is also p, 1 is also
// p+1, and so on up to 2^256-1, which is also fold-1.
//
// Four separate fields, rather than an array, let the compiler keep an element
// in registers.
type element struct{ a, b, c, d uint64 }

// fold is 2^256 - p. Because 2^256 and fold are the same number modulo p, what
// overflows 256 bits is multiplied by fold and added at the low end (Handbook of
// Applied Cryptography, algorithm 14.47; Guide to Elliptic Curve Cryptography,
// section 2.2.6).
const fold = 1<<32 + 977

// prime is p.
var prime = element{-fold & (1<<64 - 1), 1<<64 - 1, 1<<64 - 1, 1<<64 - 1}

// add is x + y.
//
// The sum is below 2^257. If it overflows, fold is added for the lost 2^256; if
// that overflows again, the rest is below fold, and adding fold once more stays
// in the lowest limb.
func add(x, y element) element {
	a, carry := bits.Add64(x.a, y.a, 0)
	b, carry := bits.Add64(x.b, y.b, carry)
	c, carry := bits.Add64(x.c, y.c, carry)
	d, carry := bits.Add64(x.d, y.d, carry)
	a, carry = bits.Add64(a, -carry&fold, 0)
	b, carry = bits.Add64(b, 0, carry)
	c, carry = bits.Add64(c, 0, carry)
	d, carry = bits.Add64(d, 0, carry)
	return element{a + -carry&fold, b, c, d}
}

// sub is x - y.
//
// A borrow has added 2^256, so fold is taken off. If that borrows again, the
// rest is above 2^256 - fold, and taking off fold once more stays in the lowest
// limb.
func sub(x, y element) element {
	a, borrow := bits.Sub64(x.a, y.a, 0)
	b, borrow := bits.Sub64(x.b, y.b, borrow)
	c, borrow := bits.Sub64(x.c, y.c, borrow)
	d, borrow := bits.Sub64(x.d, y.d, borrow)
	a, borrow = bits.Sub64(a, -borrow&fold, 0)
	b, borrow = bits.Sub64(b, 0, borrow)
	c, borrow = bits.Sub64(c, 0, borrow)
	d, borrow = bits.Sub64(d, 0, borrow)
	return element{a - -borrow&fold, b, c, d}
}

// half is x / 2: of x and x + p, one is even, and is shifted.
func half(x element) element {
	odd := -(x.a & 1)
	a, carry := bits.Add64(x.a, odd&prime.a, 0)
	b, carry := bits.Add64(x.b, odd, carry)
	c, carry := bits.Add64(x.c, odd, carry)
	d, carry := bits.Add64(x.d, odd, carry)
	return element{a>>1 | b<<63, b>>1 | c<<63, c>>1 | d<<63, d>>1 | carry<<63}
}

// mul is x * y: the schoolbook product, row by row, then reduced. A row is one
// limb times four, below 2^320; five limbs hold it.
func mul(x, y element) element {
	h0, r0 := bits.Mul64(x.a, y.a)
	h1, l1 := bits.Mul64(x.a, y.b)
	h2, l2 := bits.Mul64(x.a, y.c)
	h3, l3 := bits.Mul64(x.a, y.d)
	r1, carry := bits.Add64(h0, l1, 0)
	r2, carry := bits.Add64(h1, l2, carry)
	r3, carry := bits.Add64(h2, l3, carry)
	r4, _ := bits.Add64(h3, 0, carry)

	h0, l0 := bits.Mul64(x.b, y.a)
	h1, l1 = bits.Mul64(x.b, y.b)
	h2, l2 = bits.Mul64(x.b, y.c)
	h3, l3 = bits.Mul64(x.b, y.d)
	l1, carry = bits.Add64(h0, l1, 0)
	l2, carry = bits.Add64(h1, l2, carry)
	l3, carry = bits.Add64(h2, l3, carry)
	h3, _ = bits.Add64(h3, 0, carry)
	r1, carry = bits.Add64(r1, l0, 0)
	r2, carry = bits.Add64(r2, l1, carry)
	r3, carry = bits.Add64(r3, l2, carry)
	r4, carry = bits.Add64(r4, l3, carry)
	r5, _ := bits.Add64(h3, 0, carry)

	h0, l0 = bits.Mul64(x.c, y.a)
	h1, l1 = bits.Mul64(x.c, y.b)
	h2, l2 = bits.Mul64(x.c, y.c)
	h3, l3 = bits.Mul64(x.c, y.d)
	l1, carry = bits.Add64(h0, l1, 0)
	l2, carry = bits.Add64(h1, l2, carry)
	l3, carry = bits.Add64(h2, l3, carry)
	h3, _ = bits.Add64(h3, 0, carry)
	r2, carry = bits.Add64(r2, l0, 0)
	r3, carry = bits.Add64(r3, l1, carry)
	r4, carry = bits.Add64(r4, l2, carry)
	r5, carry = bits.Add64(r5, l3, carry)
	r6, _ := bits.Add64(h3, 0, carry)

	h0, l0 = bits.Mul64(x.d, y.a)
	h1, l1 = bits.Mul64(x.d, y.b)
	h2, l2 = bits.Mul64(x.d, y.c)
	h3, l3 = bits.Mul64(x.d, y.d)
	l1, carry = bits.Add64(h0, l1, 0)
	l2, carry = bits.Add64(h1, l2, carry)
	l3, carry = bits.Add64(h2, l3, carry)
	h3, _ = bits.Add64(h3, 0, carry)
	r3, carry = bits.Add64(r3, l0, 0)
	r4, carry = bits.Add64(r4, l1, carry)
	r5, carry = bits.Add64(r5, l2, carry)
	r6, carry = bits.Add64(r6, l3, carry)
	r7, _ := bits.Add64(h3, 0, carry)

	return reduce(r0, r1, r2, r3, r4, r5, r6, r7)
}

// square is x * x: the products of different limbs are computed once and
// doubled.
func square(x element) element {
	h0, r1 := bits.Mul64(x.a, x.b)
	h1, l1 := bits.Mul64(x.a, x.c)
	h2, l2 := bits.Mul64(x.a, x.d)
	r2, carry := bits.Add64(h0, l1, 0)
	r3, carry := bits.Add64(h1, l2, carry)
	r4, _ := bits.Add64(h2, 0, carry)

	h0, l0 := bits.Mul64(x.b, x.c)
	h1, l1 = bits.Mul64(x.b, x.d)
	h2, l2 = bits.Mul64(x.c, x.d)
	l1, carry = bits.Add64(h0, l1, 0)
	l2, carry = bits.Add64(h1, l2, carry)
	r6, _ := bits.Add64(h2, 0, carry)
	r3, carry = bits.Add64(r3, l0, 0)
	r4, carry = bits.Add64(r4, l1, carry)
	r5, carry := bits.Add64(l2, 0, carry)
	r6, _ = bits.Add64(r6, 0, carry)

	// Below 2^448, so doubling ends in r7.
	r1, carry = bits.Add64(r1, r1, 0)
	r2, carry = bits.Add64(r2, r2, carry)
	r3, carry = bits.Add64(r3, r3, carry)
	r4, carry = bits.Add64(r4, r4, carry)
	r5, carry = bits.Add64(r5, r5, carry)
	r6, carry = bits.Add64(r6, r6, carry)
	r7, _ := bits.Add64(0, 0, carry)

	h0, r0 := bits.Mul64(x.a, x.a)
	h1, l1 = bits.Mul64(x.b, x.b)
	h2, l2 = bits.Mul64(x.c, x.c)
	h3, l3 := bits.Mul64(x.d, x.d)
	r1, carry = bits.Add64(r1, h0, 0)
	r2, carry = bits.Add64(r2, l1, carry)
	r3, carry = bits.Add64(r3, h1, carry)
	r4, carry = bits.Add64(r4, l2, carry)
	r5, carry = bits.Add64(r5, h2, carry)
	r6, carry = bits.Add64(r6, l3, carry)
	r7, _ = bits.Add64(r7, h3, carry)

	return reduce(r0, r1, r2, r3, r4, r5, r6, r7)
}

// reduce brings 512 bits below 2^256, r0 the least limb.
//
// The upper half times fold, plus the lower half, is below 2^256 * (fold + 1):
// what is left above 256 bits is at most fold. It is folded in turn, and if that
// overflows, the rest is below fold^2 < 2^67, and the last fold ends in the
// second limb.
func reduce(r0, r1, r2, r3, r4, r5, r6, r7 uint64) element {
	h0, l0 := bits.Mul64(r4, fold)
	h1, l1 := bits.Mul64(r5, fold)
	h2, l2 := bits.Mul64(r6, fold)
	h3, l3 := bits.Mul64(r7, fold)
	l1, carry := bits.Add64(l1, h0, 0)
	l2, carry = bits.Add64(l2, h1, carry)
	l3, carry = bits.Add64(l3, h2, carry)
	h3, _ = bits.Add64(h3, 0, carry)
	a, carry := bits.Add64(r0, l0, 0)
	b, carry := bits.Add64(r1, l1, carry)
	c, carry := bits.Add64(r2, l2, carry)
	d, carry := bits.Add64(r3, l3, carry)
	over, _ := bits.Add64(h3, 0, carry)

	h0, l0 = bits.Mul64(over, fold)
	a, carry = bits.Add64(a, l0, 0)
	b, carry = bits.Add64(b, h0, carry)
	c, carry = bits.Add64(c, 0, carry)
	d, carry = bits.Add64(d, 0, carry)

	a, carry = bits.Add64(a, -carry&fold, 0)
	b, _ = bits.Add64(b, 0, carry)
	return element{a, b, c, d}
}

// squares squares x so many times.
func squares(x element, times int) element {
	for range times {
		x = square(x)
	}
	return x
}

// normal is the value of x from 0 to p-1. Only x from p to 2^256-1 changes:
// adding fold to it overflows, and what is left is x - p.
func (x element) normal() element {
	a, carry := bits.Add64(x.a, fold, 0)
	b, carry := bits.Add64(x.b, 0, carry)
	c, carry := bits.Add64(x.c, 0, carry)
	d, carry := bits.Add64(x.d, 0, carry)
	if carry == 1 {
		return element{a, b, c, d}
	}
	return x
}

// isZero tells whether x is 0, which p is too.
func (x element) isZero() bool {
	return x == element{} || x == prime
}

// isOdd is the parity of the value from 0 to p-1.
func (x element) isOdd() bool { return x.normal().a&1 == 1 }
