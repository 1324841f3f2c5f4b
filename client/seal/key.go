package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"

	"syncline/auth/signing"
)

// salt keeps keys of this format apart from any other use of a private key.
const salt = "syncline encryption v1"

// Key opens and seals the records of one owner. Whoever has it can read them; it
// does not sign, so that it may be given to others (ShareKey). Its zero value is no
// key. Printing it shows nothing secret.
type Key struct {
	owner  signing.PublicKey
	secret []byte
	box    []byte
	place  []byte
	hide   []byte
	id     [keyIDBytes]byte
}

// NewKey derives the key of an owner's records from the owner's identity: every
// device that has the identity has the same key.
func NewKey(identity signing.PrivateKey) (Key, error) {
	if identity.IsZero() {
		return Key{}, signing.ErrNoKey
	}
	private, err := hex.DecodeString(identity.Hex())
	if err != nil {
		return Key{}, err
	}
	secret, err := derive(private, "records")
	if err != nil {
		return Key{}, err
	}
	return newKey(identity.Public(), secret)
}

func newKey(owner signing.PublicKey, secret []byte) (Key, error) {
	k := Key{owner: owner, secret: secret}
	var id []byte
	for _, d := range []struct {
		into *[]byte
		use  string
	}{{&k.box, "data"}, {&k.place, "place"}, {&k.hide, "id"}, {&id, "key id"}} {
		var err error
		if *d.into, err = derive(secret, d.use); err != nil {
			return Key{}, err
		}
	}
	k.id = [keyIDBytes]byte(id)
	return k, nil
}

// derive is HKDF with SHA-256 (RFC 5869).
func derive(secret []byte, use string) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, []byte(salt), use, sha256.Size)
}

// Owner is whose records the key opens.
func (k Key) Owner() signing.PublicKey { return k.owner }

// HiddenID is what a record is called at the server where its id is hidden: 43
// characters that tell nothing of the id but whether it is the same.
func (k Key) HiddenID(id string) string {
	return base64.RawURLEncoding.EncodeToString(mac(k.hide, []byte(id)))
}

// placeOf is what a box is bound to: owner, record and schema version.
func (k Key) placeOf(id, schemaVersion string) []byte {
	text := append([]byte(nil), k.owner[:]...)
	for _, part := range []string{id, schemaVersion} {
		text = binary.BigEndian.AppendUint16(text, uint16(len(part)))
		text = append(text, part...)
	}
	return mac(k.place, text)[:placeBytes]
}

// mac is HMAC with SHA-256 (RFC 2104).
func mac(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil)
}

// String hides the secret.
func (Key) String() string { return "seal.Key(secret)" }

// GoString hides the secret.
func (k Key) GoString() string { return k.String() }

var errNoKey = errors.New("seal: no key")
