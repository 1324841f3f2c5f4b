package pubsub

import (
	"encoding/hex"
	"errors"
)

// Owner is whose data it is: a compressed secp256k1 public key. Its zero value
// is nobody. It stands in this package because this is the lowest one that
// speaks of owners; record and locks know it under the same name.
type Owner [33]byte

// ErrBadOwner is returned for text that does not name an owner.
var ErrBadOwner = errors.New("owner is not 66 lower-case hexadecimal characters of a compressed public key")

// ParseOwner reads the form that String writes. It checks the form, not that
// the point lies on the curve.
func ParseOwner(s string) (Owner, error) {
	var o Owner
	if len(s) != 2*len(o) {
		return Owner{}, ErrBadOwner
	}
	if _, err := hex.Decode(o[:], []byte(s)); err != nil || o.String() != s {
		return Owner{}, ErrBadOwner
	}
	if o[0] != 2 && o[0] != 3 {
		return Owner{}, ErrBadOwner
	}
	return o, nil
}

// String is the owner in lower-case hexadecimal, 66 characters.
func (o Owner) String() string { return hex.EncodeToString(o[:]) }

// Short is a prefix that tells owners apart in logs.
func (o Owner) Short() string { return hex.EncodeToString(o[:6]) }
