package recovery

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrInvalid is what all errors of PublicKey are: no key made this signature.
var ErrInvalid = errors.New("recovery: invalid signature")

var (
	errHeader   = fmt.Errorf("%w: the header byte is not 27 to 34", ErrInvalid)
	errR        = fmt.Errorf("%w: r is not from 1 to n-1", ErrInvalid)
	errS        = fmt.Errorf("%w: s is not from 1 to n-1", ErrInvalid)
	errOverflow = fmt.Errorf("%w: r+n is not below p", ErrInvalid)
	errNoPoint  = fmt.Errorf("%w: no point of the curve has this x coordinate", ErrInvalid)
	errInfinity = fmt.Errorf("%w: the key would be the point at infinity", ErrInvalid)
)

// primeMinusOrder is p - n.
var primeMinusOrder = scalar{0x402da1722fc9baee, 0x4551231950b75fc4, 1}

// PublicKey recovers the key that made a compact signature of a digest, in
// compressed form: 2, or 3 if y is odd, and x.
//
// The signature is a header byte, r and s, 32 bytes each, big-endian. The header
// byte is 27, plus 1 if the y coordinate of the signature's point R is odd, plus
// 2 if its x coordinate is r+n rather than r, plus 4 if the signer's key was
// compressed, which makes no difference here. Both low and high s are accepted.
//
// Any digest with any valid signature gives some key: the caller has to know
// which key it expects. Errors are ErrInvalid.
func PublicKey(digest [32]byte, signature [65]byte) (key [33]byte, err error) {
	header := signature[0] - 27
	if header > 7 {
		return key, errHeader
	}
	r, tooLarge := readScalar(signature[1:33])
	if tooLarge || r == (scalar{}) {
		return key, errR
	}
	s, tooLarge := readScalar(signature[33:65])
	if tooLarge || s == (scalar{}) {
		return key, errS
	}
	point, err := liftR(r, header&2 != 0, header&1 != 0)
	if err != nil {
		return key, err
	}

	// The signer took s = k^-1 * (e + r*d) for its key d and the digest e, and R =
	// k*G; so the key is d*G = r^-1 * (s*R - e*G) (SEC 1, section 4.1.6).
	e, _ := readScalar(digest[:])
	w := scalar(invert(r, &orderModulus))
	sum := combine(e.times(w).negate(), s.times(w), &point)
	if sum.isInfinity() {
		return key, errInfinity
	}
	return sum.compressed(), nil
}

// liftR is the point that r is the x coordinate of, modulo n.
func liftR(r scalar, overflow, odd bool) (affine, error) {
	x := element{r[0], r[1], r[2], r[3]}
	if overflow {
		if _, below := subLimbs(r, primeMinusOrder); below == 0 {
			return affine{}, errOverflow
		}
		x = add(x, element{order[0], order[1], order[2], order[3]})
	}
	y, ok := root(add(mul(square(x), x), element{a: 7}))
	if !ok {
		return affine{}, errNoPoint
	}
	if y.isOdd() != odd {
		y = sub(element{}, y)
	}
	return affine{x, y}, nil
}

// compressed is the form in which p, which must not be infinity, is written.
func (p *point) compressed() (key [33]byte) {
	q := p.affine()
	key[0] = 2
	if q.y.isOdd() {
		key[0] = 3
	}
	x := q.x.normal()
	binary.BigEndian.PutUint64(key[1:9], x.d)
	binary.BigEndian.PutUint64(key[9:17], x.c)
	binary.BigEndian.PutUint64(key[17:25], x.b)
	binary.BigEndian.PutUint64(key[25:33], x.a)
	return key
}
