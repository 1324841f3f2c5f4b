package signing_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"syncline/auth/signing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

func TestPrivateKeyRange(t *testing.T) {
	t.Parallel()
	order := "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
	last := strings.TrimSuffix(order, "1") + "0"
	tests := map[string]error{
		key1:                    nil,
		strings.ToUpper(last):   nil,
		strings.Repeat("0", 64): signing.ErrBadPrivateKey,
		order:                   signing.ErrBadPrivateKey,
		strings.Repeat("f", 64): signing.ErrBadPrivateKey,
		key1[2:]:                signing.ErrBadPrivateKey,
		key1 + "00":             signing.ErrBadPrivateKey,
		"":                      signing.ErrBadPrivateKey,
		"zz" + key1[2:]:         signing.ErrBadPrivateKey,
	}
	for text, want := range tests {
		if _, err := signing.ParsePrivateKey(text); !errors.Is(err, want) {
			t.Errorf("ParsePrivateKey(%q) = %v, want %v", text, err, want)
		}
	}
}

func TestPrivateKeyRoundTrip(t *testing.T) {
	t.Parallel()
	key, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	again, err := signing.ParsePrivateKey(key.Hex())
	if err != nil || again.Public() != key.Public() {
		t.Errorf("%v, %v; want %v", again.Public(), err, key.Public())
	}
}

func TestPrivateKeyDoesNotPrint(t *testing.T) {
	t.Parallel()
	key, err := signing.ParsePrivateKey(strings.Repeat("ab", 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		for _, value := range []any{key, &key, struct{ K signing.PrivateKey }{key}} {
			if got := fmt.Sprintf(verb, value); strings.Contains(got, "abab") || strings.Contains(got, hex.EncodeToString([]byte("abab"))) {
				t.Errorf("%s prints %s", verb, got)
			}
		}
	}
}

func TestParsePublicKey(t *testing.T) {
	t.Parallel()
	k, err := signing.ParsePublicKey(pub1)
	if err != nil || k.String() != pub1 || k != mustKey(t).Public() {
		t.Errorf("%v, %v", k, err)
	}
	for _, bad := range []string{
		"", pub1[2:], pub1 + "00", strings.ToUpper(pub1), "04" + pub1[2:], "zz" + pub1[2:],
		"02" + strings.Repeat("f", 64),         // beyond the field
		"02" + strings.Repeat("0", 63) + "5",   // no point has this x
		strings.Replace(pub1, "79", "\n79", 1), // a line break
	} {
		if _, err := signing.ParsePublicKey(bad); !errors.Is(err, signing.ErrBadPublicKey) {
			t.Errorf("ParsePublicKey(%q) = %v", bad, err)
		}
	}
}

func TestNonces(t *testing.T) {
	t.Parallel()
	a, b := signing.NewNonce(), signing.NewNonce()
	if a == b {
		t.Error("two nonces are the same")
	}
	if again, err := signing.ParseNonce(a.String()); err != nil || again != a {
		t.Errorf("%v, %v; want %v", again, err, a)
	}
	if _, err := signing.ParseNonce(strings.ToUpper("a" + nonce[1:])); !errors.Is(err, signing.ErrBadNonce) {
		t.Errorf("upper case: %v", err)
	}
}

func highS(sig signing.Signature) signing.Signature {
	var s secp256k1.ModNScalar
	s.SetByteSlice(sig[33:])
	s.Negate()
	b := s.Bytes()
	copy(sig[33:], b[:])
	sig[0] = 31 + ((sig[0] - 31) ^ 1)
	return sig
}

func withHeader(sig signing.Signature, header byte) signing.Signature {
	sig[0] = header
	return sig
}
