package recovery_test

import (
	"errors"
	"math/big"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"syncline/auth/recovery"
)

var (
	prime = secp256k1.Params().P
	order = secp256k1.Params().N
)

func offset(x *big.Int, by int64) *big.Int { return new(big.Int).Add(x, big.NewInt(by)) }

func number(x int64) *big.Int { return big.NewInt(x) }

func bytes32(x *big.Int) (b [32]byte) {
	x.FillBytes(b[:])
	return b
}

func compact(header byte, r, s *big.Int) (signature [65]byte) {
	signature[0] = header
	r.FillBytes(signature[1:33])
	s.FillBytes(signature[33:65])
	return signature
}

// Every combination of edge values: each digest with each r and s, and each
// header byte, also those that are refused.
func TestEdgeValues(t *testing.T) {
	t.Parallel()
	largest := offset(new(big.Int).Lsh(number(1), 256), -1)
	half := new(big.Int).Rsh(order, 1)
	gap := new(big.Int).Sub(prime, order)
	numbers := []*big.Int{
		number(0), number(1), number(2), number(3), number(7),
		offset(gap, -1), gap, offset(gap, 1), offset(half, -1), half, offset(half, 1), offset(half, 2),
		offset(order, -2), offset(order, -1), order, offset(order, 1), offset(prime, -1), prime, largest,
	}
	digests := []*big.Int{number(0), number(1), offset(order, -1), order, offset(order, 1), largest}
	accepted := 0
	for _, e := range digests {
		for _, r := range numbers {
			for _, s := range numbers {
				for header := byte(25); header <= 36; header++ {
					if agree(t, bytes32(e), compact(header, r, s)) {
						accepted++
					}
				}
			}
		}
	}
	if accepted == 0 {
		t.Error("no combination was accepted")
	}
}

// Each header byte, with a signature that is otherwise good.
func TestHeaderBytes(t *testing.T) {
	t.Parallel()
	digest := bytes32(number(12345))
	for header := range 256 {
		r := x(1)
		agree(t, digest, compact(byte(header), r, number(99)))
	}
}

// x is the x coordinate of m*G.
func x(m uint32) *big.Int {
	var p secp256k1.JacobianPoint
	secp256k1.ScalarBaseMultNonConst(new(secp256k1.ModNScalar).SetInt(m), &p)
	p.ToAffine()
	return new(big.Int).SetBytes(p.X.Bytes()[:])
}

// Signatures whose point is a small multiple of G or its opposite, with s and e
// small too: the tables' entries of R and of G coincide, so that in the loop a sum
// meets itself (a doubling), its opposite (infinity), and infinity again.
func TestCoincidentPoints(t *testing.T) {
	t.Parallel()
	limit := int64(12)
	infinite := 0
	for m := range uint32(limit) {
		r := x(m + 1)
		for a := -limit; a <= limit; a++ {
			for b := -limit; b <= limit; b++ {
				for odd := byte(0); odd < 2; odd++ {
					// s = a*r and e = b*r: the key is a*R - b*G.
					s := new(big.Int).Mul(number(a), r)
					e := new(big.Int).Mul(number(b), r)
					digest := bytes32(e.Mod(e, order))
					signature := compact(31+odd, r, s.Mod(s, order))
					if !agree(t, digest, signature) && a != 0 {
						infinite++
					}
				}
			}
		}
	}
	if infinite == 0 {
		t.Error("no sum ended at infinity")
	}
}

// x coordinates of n and above are so rare that no signature has ever met one: a
// few that lie on the curve are found from the other side.
func TestOverflowingX(t *testing.T) {
	t.Parallel()
	accepted := 0
	for r := int64(1); r < 200; r++ {
		for header := byte(29); header <= 34; header++ {
			if header != 31 && header != 32 && agree(t, bytes32(number(r)), compact(header, number(r), number(5))) {
				accepted++
			}
		}
	}
	if accepted == 0 {
		t.Error("no x coordinate above n was accepted")
	}
}

// A signature that no key made is refused with the package's error, and no key.
func TestErrorsAreErrInvalid(t *testing.T) {
	t.Parallel()
	good := compact(31, x(1), number(1))
	for name, signature := range map[string][65]byte{
		"header":         compact(26, x(1), number(1)),
		"r zero":         compact(31, number(0), number(1)),
		"r n":            compact(31, order, number(1)),
		"s zero":         compact(31, x(1), number(0)),
		"s n":            compact(31, x(1), order),
		"r overflows":    compact(33, x(1), number(1)),
		"not on a curve": compact(31, number(5), number(1)),
	} {
		if key, err := recovery.PublicKey([32]byte{}, signature); !errors.Is(err, recovery.ErrInvalid) || key != [33]byte{} {
			t.Errorf("%s: key %x, error %v", name, key, err)
		}
	}
	if _, err := recovery.PublicKey([32]byte{}, good); err != nil {
		t.Errorf("the good signature: %v", err)
	}
}
