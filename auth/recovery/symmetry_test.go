package recovery_test

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"syncline/auth/recovery"
)

// The key is (s*R - e*G)/r. So, with R, s and e taken times one of 1, -1, lambda,
// lambda^2 and their products, all 24 keys follow from two, those for e and for
// -e:
//
//   - R has an opposite, which the header byte tells: with it, s counts as -s.
//   - -s with -e gives the opposite key.
//   - lambda*s with lambda*e gives lambda times the key, which has the same y, and
//     beta times its x.
//
// For PublicKey these are 24 inputs with nothing in common but r: other scalars,
// other digits, other sums. Two answers of decred's are enough to check all, so
// that millions of inputs take minutes.

// lambda and beta are the cube roots of 1 modulo n and p that belong together.
var lambda, beta = func() (l secp256k1.ModNScalar, b secp256k1.FieldVal) {
	l.SetByteSlice(fromHex("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72"))
	b.SetByteSlice(fromHex("7ae96a2b657c07106e64479eac3434e99cf0497512f58995c1396c28719501ee"))
	return l, b
}()

func fromHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// variant is one of the 24.
type variant struct {
	negateDigest bool // of the two answers, the one for -e
	flip         bool // the other R
	negate       bool // -s with -e
	turns        int  // how often s and e are taken times lambda
}

func variants() []variant {
	var list []variant
	for i := range 24 {
		list = append(list, variant{i&1 != 0, i&2 != 0, i&4 != 0, i / 8})
	}
	return list
}

// input is the variant's digest and signature.
func (v variant) input(digest [32]byte, signature [65]byte) ([32]byte, [65]byte) {
	var e, s secp256k1.ModNScalar
	e.SetBytes(&digest)
	if s.SetByteSlice(signature[33:]) {
		return digest, signature // is refused
	}
	if v.negateDigest {
		e.Negate()
	}
	if v.flip {
		signature[0] = (signature[0] - 27) ^ 1 + 27
		s.Negate()
	}
	if v.negate {
		e.Negate()
		s.Negate()
	}
	for range v.turns {
		e.Mul(&lambda)
		s.Mul(&lambda)
	}
	s.PutBytesUnchecked(signature[33:])
	return e.Bytes(), signature
}

// key is the variant's key, from that of the digest, or of its negative.
func (v variant) key(key [33]byte) [33]byte {
	var x secp256k1.FieldVal
	x.SetByteSlice(key[1:])
	for range v.turns {
		x.Mul(&beta)
	}
	x.Normalize().PutBytesUnchecked(key[1:])
	if v.negate {
		key[0] ^= 1
	}
	return key
}

// checkSymmetric checks PublicKey on the 24 variants of an input, if sample also
// that decred gives for each the answer that is derived.
func checkSymmetric(t *testing.T, digest [32]byte, signature [65]byte, sample bool) {
	t.Helper()
	negated, _ := variant{negateDigest: true}.input(digest, signature)
	var keys [2][33]byte
	var accepted [2]bool
	keys[0], accepted[0] = decredKey(digest, signature)
	keys[1], accepted[1] = decredKey(negated, signature)
	for _, v := range variants() {
		which := 0
		if v.negateDigest {
			which = 1
		}
		want := keys[which]
		if accepted[which] {
			want = v.key(want)
		}
		variantDigest, variantSignature := v.input(digest, signature)
		got, err := recovery.PublicKey(variantDigest, variantSignature)
		if got != want || (err == nil) != accepted[which] {
			t.Errorf("%+v of digest %x, signature %x: key %x and error %v, not %x", v, digest, signature, got, err, want)
		}
		if sample {
			agree(t, variantDigest, variantSignature)
		}
	}
}

func TestAgainstDecredBySymmetry(t *testing.T) {
	t.Parallel()
	spread(t, (*symmetric+23)/24, func(i int, random *rand.Rand) {
		digest, signature := attempt(i, random)
		checkSymmetric(t, digest, signature, i%100 == 0)
	})
}
