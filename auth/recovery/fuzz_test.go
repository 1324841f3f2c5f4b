package recovery_test

import (
	"os"
	"testing"
)

// FuzzPublicKey compares with decred whatever the fuzzer finds, and its 24
// variants. What it has found is kept in testdata/fuzz.
func FuzzPublicKey(f *testing.F) {
	kept, err := os.ReadDir("testdata/fuzz/FuzzPublicKey")
	if err != nil || len(kept) == 0 {
		f.Fatalf("the kept corpus is gone: %v", err)
	}
	one := bytes32(number(1))
	for header := byte(27); header <= 34; header++ {
		signature := compact(header, x(1), number(1))
		f.Add(one[:], signature[:])
		signature = compact(header, number(1), offset(order, -1))
		f.Add(one[:], signature[:])
	}
	f.Fuzz(func(t *testing.T, digestBytes, signatureBytes []byte) {
		var digest [32]byte
		var signature [65]byte
		copy(digest[:], digestBytes)
		copy(signature[:], signatureBytes)
		agree(t, digest, signature)
		checkSymmetric(t, digest, signature, false)
	})
}
