package signing

import (
	"encoding/hex"
	"errors"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// PublicKey is a compressed secp256k1 public key.
type PublicKey [33]byte

// ErrBadPublicKey is returned for text that is not a public key.
var ErrBadPublicKey = errors.New("signing: a public key is 66 lower-case hexadecimal characters of a compressed secp256k1 point")

// ErrBadPrivateKey is returned for bytes or text that are not a private key. It
// never quotes them.
var ErrBadPrivateKey = errors.New("signing: a private key is 32 bytes or 64 hexadecimal characters, above zero and below the order of secp256k1")

// ParsePublicKey reads the form that String writes, and checks that the point
// lies on the curve.
func ParsePublicKey(s string) (PublicKey, error) {
	k, ok := parseKeyID(s)
	if !ok {
		return PublicKey{}, ErrBadPublicKey
	}
	if _, err := secp256k1.ParsePubKey(k[:]); err != nil {
		return PublicKey{}, ErrBadPublicKey
	}
	return k, nil
}

// parseKeyID checks the form alone: a recovered key, with which it will be
// compared, is on the curve anyway.
func parseKeyID(s string) (PublicKey, bool) {
	var k PublicKey
	ok := decodeLowerHex(k[:], s) && (k[0] == 2 || k[0] == 3)
	return k, ok
}

// String is the key in lower-case hexadecimal, 66 characters.
func (k PublicKey) String() string {
	var b [2 * len(k)]byte
	return string(hex.AppendEncode(b[:0], k[:]))
}

// Short is a prefix that tells keys apart in logs.
func (k PublicKey) Short() string { return k.String()[:12] }

// PrivateKey signs for its owner. Its zero value is no key. Printing it shows
// nothing secret.
type PrivateKey struct {
	key *secp256k1.PrivateKey
}

// GenerateKey makes a new private key from the system's randomness.
func GenerateKey() (PrivateKey, error) {
	key, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		return PrivateKey{}, err
	}
	return PrivateKey{key}, nil
}

// NewPrivateKey reads a private key from its 32 bytes, big-endian.
func NewPrivateKey(b []byte) (PrivateKey, error) {
	var scalar secp256k1.ModNScalar
	if len(b) != 32 || scalar.SetByteSlice(b) || scalar.IsZero() {
		return PrivateKey{}, ErrBadPrivateKey
	}
	return PrivateKey{secp256k1.NewPrivateKey(&scalar)}, nil
}

// ParsePrivateKey reads a private key from 64 hexadecimal characters.
func ParsePrivateKey(s string) (PrivateKey, error) {
	b, err := hex.DecodeString(s)
	if err != nil {
		return PrivateKey{}, ErrBadPrivateKey
	}
	return NewPrivateKey(b)
}

// Public is the owner for whom the key signs.
func (k PrivateKey) Public() PublicKey {
	return PublicKey(k.key.PubKey().SerializeCompressed())
}

// Hex is the secret itself, 64 hexadecimal characters, for keeping it.
func (k PrivateKey) Hex() string { return hex.EncodeToString(k.key.Serialize()) }

// IsZero tells that this is no key.
func (k PrivateKey) IsZero() bool { return k.key == nil }

// String hides the secret.
func (PrivateKey) String() string { return "signing.PrivateKey(secret)" }

// GoString hides the secret.
func (k PrivateKey) GoString() string { return k.String() }

// decodeLowerHex fills dst from s and tells whether s was exactly its form.
func decodeLowerHex(dst []byte, s string) bool {
	if len(s) != 2*len(dst) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	_, err := hex.Decode(dst, []byte(s))
	return err == nil
}
