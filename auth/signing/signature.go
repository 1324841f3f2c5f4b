package signing

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"syncline/auth/recovery"
)

// Signature is compact and recoverable: a header byte of 31 to 34 (27 + 4 + the
// recovery id), r and s, 32 bytes each, big-endian; s at most half the order.
type Signature [65]byte

// ErrMismatch says that a signature was not made by the key that it names over
// the message that came with it.
var ErrMismatch = errors.New("the signature does not belong to this request and keyid")

// String is the signature in standard base64.
func (s Signature) String() string { return base64.StdEncoding.EncodeToString(s[:]) }

// Sign signs a base text. The same key and text always give the same signature
// (RFC 6979). The key must not be zero.
func Sign(key PrivateKey, baseText string) Signature {
	digest := sha256.Sum256([]byte(baseText))
	return Signature(ecdsa.SignCompact(key.key, digest[:], true))
}

// Recoverer finds the key, compressed, that made a compact signature of a
// digest, or an error if none did. recovery.PublicKey is one.
type Recoverer func(digest [32]byte, signature [65]byte) ([33]byte, error)

// Recover finds the key that signed a base text. Any altered text recovers some
// other key: compare it with the one that the signature names.
func Recover(baseText string, sig Signature) (PublicKey, error) {
	return recoverBy(recovery.PublicKey, baseText, sig)
}

func recoverBy(key Recoverer, baseText string, sig Signature) (PublicKey, error) {
	if sig[0] < 31 || sig[0] > 34 {
		return PublicKey{}, fmt.Errorf("%w: its header byte is not 31 to 34", ErrMalformed)
	}
	var s secp256k1.ModNScalar
	if s.SetByteSlice(sig[33:]) || s.IsOverHalfOrder() {
		return PublicKey{}, fmt.Errorf("%w: s is above half the order", ErrMalformed)
	}
	found, err := key(sha256.Sum256([]byte(baseText)), sig)
	if err != nil {
		return PublicKey{}, ErrMismatch
	}
	return found, nil
}
