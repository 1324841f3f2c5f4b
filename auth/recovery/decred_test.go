package recovery_test

import (
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"syncline/auth/recovery"
)

// agree fails the test unless PublicKey and decred's RecoverCompact say the same
// of a signature. It tells whether they accepted it.
func agree(t testing.TB, digest [32]byte, signature [65]byte) bool {
	t.Helper()
	got, err := recovery.PublicKey(digest, signature)
	want, _, wantErr := ecdsa.RecoverCompact(signature[:], digest[:])
	switch {
	case (err == nil) != (wantErr == nil):
		t.Fatalf("digest %x, signature %x: error %v, decred's %v", digest, signature, err, wantErr)
	case err == nil && got != [33]byte(want.SerializeCompressed()):
		t.Fatalf("digest %x, signature %x: key %x, decred's %x", digest, signature, got, want.SerializeCompressed())
	}
	return err == nil
}
