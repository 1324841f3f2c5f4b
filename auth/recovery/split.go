package recovery

import "math/bits"

// short is a number below 2^128: its low and its high limb.
type short [2]uint64

// The curve has an endomorphism: with beta a cube root of 1 modulo p and lambda
// one modulo n, (x, y) -> (beta*x, y) multiplies a point by lambda (R. Gallant,
// R. Lambert and S. Vanstone, Faster Point Multiplication on Elliptic Curves with
// Efficient Endomorphisms, 2001; Guide to Elliptic Curve Cryptography, section
// 3.5).
var beta = element{0xc1396c28719501ee, 0x9cf0497512f58995, 0x6e64479eac3434e9, 0x7ae96a2b657c0710}

// Pairs (x, y) with x + y*lambda a multiple of n are a lattice. Two short ones,
// found by the Euclidean algorithm on n and lambda (Guide, algorithm 3.74), are
// (a1, -b1) and (a2, a1), with
var (
	latticeA1 = [4]uint64{0xe86c90e49284eb15, 0x3086d221a7d46bcd}
	latticeB1 = [4]uint64{0x6f547fa90abfe4c3, 0xe4437ed6010e8828}
	latticeA2 = [4]uint64{0x57c1108d9d44cfd8, 0x14ca50f7a8e2f3f6, 1}
)

// a1/n and b1/n, times 2^384, rounded.
var (
	latticeA1OverN = [4]uint64{0xe893209a45dbb031, 0x3daa8a1471e8ca7f, 0xe86c90e49284eb15, 0x3086d221a7d46bcd}
	latticeB1OverN = [4]uint64{0x1571b4ae8ac47f71, 0x221208ac9df506c6, 0x6f547fa90abfe4c4, 0xe4437ed6010e8828}
)

// signed is a number below 2^128 and its sign.
type signed struct {
	abs      short
	negative bool
}

// split finds short numbers with k1 + k2*lambda = k modulo n (Guide, algorithm
// 3.74): from (k, 0) it takes the lattice's point that is nearest, up to
// rounding,
//
//	c1 = k*a1/n and c2 = k*b1/n, rounded
//	k1 = k - c1*a1 - c2*a2
//	k2 = c1*b1 - c2*a1
//
// What rounding leaves of either basis vector is at most a half, but for an error
// below 2^-127 that comes from the rounded quotients; so |k1| is at most
// (a1 + a2)/2 + 1 and |k2| at most (b1 + a1)/2 + 1, both below 2^128. Computing
// modulo 2^256 is therefore enough, and its highest bit is the sign.
func (k scalar) split() (k1, k2 signed) {
	c1 := roundedShift384(product(k, latticeA1OverN))
	c2 := roundedShift384(product(k, latticeB1OverN))
	x, _ := subLimbs(k, lowProduct(c1, latticeA1))
	x, _ = subLimbs(x, lowProduct(c2, latticeA2))
	y, _ := subLimbs(lowProduct(c1, latticeB1), lowProduct(c2, latticeA1))
	return signedFrom(x), signedFrom(y)
}

// roundedShift384 is x / 2^384 to the nearest.
func roundedShift384(x [8]uint64) [4]uint64 {
	low, carry := bits.Add64(x[6], x[5]>>63, 0)
	return [4]uint64{low, x[7] + carry}
}

// lowProduct is x * y modulo 2^256.
func lowProduct(x, y [4]uint64) [4]uint64 {
	t := product(x, y)
	return [4]uint64(t[:4])
}

// signedFrom reads a number between -2^128 and 2^128 in two's complement.
func signedFrom(x [4]uint64) signed {
	negative := x[3]>>63 == 1
	if negative {
		x, _ = subLimbs([4]uint64{}, x)
	}
	return signed{short{x[0], x[1]}, negative}
}

// digits of a number below 2^128: the sum of digits[i] * 2^i.
type digits [places]int16

const places = 129

// recode writes x as odd digits, of which any two that are not zero are at least
// width places apart: the non-adjacent form of that width (Guide, algorithm 3.35).
// Digits are below 2^(width-1) and above its negative; about one in width+1 is
// not zero.
//
// A digit takes what is left of x modulo 2^width, which is odd: as it is, if it
// is below half of that, else less 2^width, and then one is carried into the
// rest. The rest was shifted, so the carry does not overflow; the last one, from
// places up to 127, ends in place 128 at most.
func (x signed) recode(to *digits, width uint) {
	low, high := x.abs[0], x.abs[1]
	for place := 0; low|high != 0; {
		zeros := uint(bits.TrailingZeros64(low))
		low, high = low>>zeros|high<<(64-zeros), high>>zeros
		place += int(zeros)
		if zeros == 64 {
			continue
		}
		digit := int(low & (1<<width - 1))
		low, high = low>>width|high<<(64-width), high>>width
		if digit >= 1<<(width-1) {
			digit -= 1 << width
			var carry uint64
			low, carry = bits.Add64(low, 1, 0)
			high += carry
		}
		if x.negative {
			digit = -digit
		}
		to[place] = int16(digit)
		place += int(width)
	}
}
