package signing

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
)

// Nonce makes a signature unique among its key's.
type Nonce [16]byte

// ErrBadNonce is returned for text that is not a nonce.
var ErrBadNonce = errors.New("signing: a nonce is 32 lower-case hexadecimal characters")

// NewNonce makes a random nonce.
func NewNonce() Nonce {
	var n Nonce
	_, _ = rand.Read(n[:]) // never fails: crypto/rand ends the process instead
	return n
}

// ParseNonce reads the form that String writes.
func ParseNonce(s string) (Nonce, error) {
	var n Nonce
	if !decodeLowerHex(n[:], s) {
		return Nonce{}, ErrBadNonce
	}
	return n, nil
}

// String is the nonce in lower-case hexadecimal, 32 characters.
func (n Nonce) String() string { return hex.EncodeToString(n[:]) }
