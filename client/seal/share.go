package seal

import (
	"bytes"
	"encoding/hex"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"golang.org/x/crypto/chacha20poly1305"

	"syncline/auth/signing"
)

// keyMark begins a sealed key.
var keyMark = []byte{0xff, 'S', 'K', version}

const (
	ephemeralBytes = secp256k1.PubKeyBytesLenCompressed
	sealedKeyBytes = 4 + ephemeralBytes + 32 + chacha20poly1305.Overhead
)

// ShareKey encrypts the key of an owner's records to somebody else's public key, 85
// bytes that may go any way: only the recipient opens them, and knows then that the
// owner made them. It cannot be taken back: a recipient who opened it can read what was and
// will be sealed by this key.
func ShareKey(owner signing.PrivateKey, recipient signing.PublicKey) ([]byte, error) {
	ephemeral, err := signing.GenerateKey()
	if err != nil {
		return nil, err
	}
	return sealKey(owner, recipient, ephemeral)
}

func sealKey(owner signing.PrivateKey, recipient signing.PublicKey, ephemeral signing.PrivateKey) ([]byte, error) {
	k, err := NewKey(owner)
	if err != nil {
		return nil, err
	}
	once, err := sharedSecret(ephemeral, recipient)
	if err != nil {
		return nil, err
	}
	always, err := sharedSecret(owner, recipient)
	if err != nil {
		return nil, err
	}
	public := ephemeral.Public()
	wrapping, err := wrappingKey(once, always, public, owner.Public(), recipient)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(wrapping)
	if err != nil {
		return nil, err
	}
	header := append(bytes.Clone(keyMark), public[:]...)
	return aead.Seal(header, make([]byte, aead.NonceSize()), k.secret, header), nil //nolint:gosec // G407: the key serves once
}

// OpenKey opens what ShareKey made for this recipient. owner is whose key it is to be.
// Errors: ErrNotSealed, ErrTruncated, ErrVersion; ErrWrongKey if it is for somebody
// else, of somebody else, or was changed.
func OpenKey(sealed []byte, recipient signing.PrivateKey, owner signing.PublicKey) (Key, error) {
	switch {
	case !bytes.HasPrefix(sealed, keyMark[:3]):
		return Key{}, ErrNotSealed
	case len(sealed) > 3 && sealed[3] != version:
		return Key{}, ErrVersion
	case len(sealed) < sealedKeyBytes:
		return Key{}, ErrTruncated
	case len(sealed) > sealedKeyBytes:
		return Key{}, ErrWrongKey
	case recipient.IsZero():
		return Key{}, signing.ErrNoKey
	}
	header := sealed[:len(keyMark)+ephemeralBytes]
	ephemeral := signing.PublicKey(header[len(keyMark):])
	once, err := sharedSecret(recipient, ephemeral)
	if err != nil {
		return Key{}, ErrWrongKey
	}
	always, err := sharedSecret(recipient, owner)
	if err != nil {
		return Key{}, err
	}
	wrapping, err := wrappingKey(once, always, ephemeral, owner, recipient.Public())
	if err != nil {
		return Key{}, err
	}
	aead, err := chacha20poly1305.NewX(wrapping)
	if err != nil {
		return Key{}, err
	}
	secret, err := aead.Open(nil, make([]byte, aead.NonceSize()), sealed[len(header):], header)
	if err != nil {
		return Key{}, ErrWrongKey
	}
	return newKey(owner, secret)
}

// wrappingKey is known to who has the recipient's key, or both others.
func wrappingKey(once, always []byte, ephemeral, owner, recipient signing.PublicKey) ([]byte, error) {
	secret := append(bytes.Clone(once), always...)
	return derive(secret, "key for"+string(ephemeral[:])+string(owner[:])+string(recipient[:]))
}

// sharedSecret is the x coordinate of the point that both sides compute (ECDH, SEC 1
// section 3.3.1).
func sharedSecret(private signing.PrivateKey, public signing.PublicKey) ([]byte, error) {
	point, err := secp256k1.ParsePubKey(public[:])
	if err != nil {
		return nil, signing.ErrBadPublicKey
	}
	b, err := hex.DecodeString(private.Hex())
	if err != nil {
		return nil, err
	}
	return secp256k1.GenerateSharedSecret(secp256k1.PrivKeyFromBytes(b), point), nil
}
