package recovery

import (
	"encoding/binary"
	"math/bits"
)

// scalar is a number from 0 to n-1, where n is the order of the curve's group,
// as four limbs of 64 bits, the least first.
type scalar [4]uint64

// order is n.
var order = scalar{0xbfd25e8cd0364141, 0xbaaedce6af48a03b, 0xfffffffffffffffe, 0xffffffffffffffff}

// orderFold is 2^256 - n. Modulo n it is the same as 2^256.
var orderFold = [3]uint64{0x402da1732fc9bebf, 0x4551231950b75fc4, 1}

// readLimbs reads a number of 32 bytes, big-endian.
func readLimbs(b []byte) [4]uint64 {
	return [4]uint64{
		binary.BigEndian.Uint64(b[24:32]),
		binary.BigEndian.Uint64(b[16:24]),
		binary.BigEndian.Uint64(b[8:16]),
		binary.BigEndian.Uint64(b[0:8]),
	}
}

// readScalar reads a scalar from 32 bytes, big-endian. A number of n or above
// gives what it leaves when divided by n, and true.
func readScalar(b []byte) (scalar, bool) {
	x := scalar(readLimbs(b))
	reduced, below := subLimbs(x, order)
	if below == 1 {
		return x, false
	}
	return reduced, true
}

// subLimbs is x - y, and the borrow.
func subLimbs(x, y [4]uint64) (z [4]uint64, borrow uint64) {
	for i := range 4 {
		z[i], borrow = bits.Sub64(x[i], y[i], borrow)
	}
	return z, borrow
}

// negate is n - x, or 0 for 0.
func (x scalar) negate() scalar {
	if x == (scalar{}) {
		return x
	}
	z, _ := subLimbs(order, x)
	return z
}

// times is x * y modulo n.
//
// The upper half of the product counts as often as 2^256 does, so it is
// multiplied by orderFold and added to the lower half, until there is none. A
// product below 2^512 comes below 2^386, below 2^260, and below 2^256 + 2^133,
// so that at most four rounds are needed. What is left is below 2^256, hence
// below 2n.
func (x scalar) times(y scalar) scalar {
	t := product(x, y)
	for t[4]|t[5]|t[6]|t[7] != 0 {
		t = foldOrder(t)
	}
	low := scalar(t[:4])
	if reduced, below := subLimbs(low, order); below == 0 {
		return reduced
	}
	return low
}

// foldOrder is the lower half of t plus orderFold times the upper half.
func foldOrder(t [8]uint64) [8]uint64 {
	sum := [8]uint64{t[0], t[1], t[2], t[3]}
	for i, y := range orderFold {
		addRow(sum[i:], t[4:], y)
	}
	return sum
}

// product is the whole of x * y.
func product(x, y [4]uint64) [8]uint64 {
	var sum [8]uint64
	for i := range 4 {
		addRow(sum[i:], x[:], y[i])
	}
	return sum
}

// addRow adds the four limbs of x, times y, to sum. A limb times a limb plus two
// limbs is below 2^128: no carry is lost.
func addRow(sum, x []uint64, y uint64) {
	var carry uint64
	for i, limb := range x[:4] {
		high, low := bits.Mul64(limb, y)
		var c uint64
		low, c = bits.Add64(low, carry, 0)
		high += c
		sum[i], c = bits.Add64(sum[i], low, 0)
		carry = high + c
	}
	for i := 4; i < len(sum); i++ {
		sum[i], carry = bits.Add64(sum[i], carry, 0)
	}
}
