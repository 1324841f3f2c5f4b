package recovery_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"syncline/auth/recovery"
)

type hexBytes []byte

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

type wycheproofFile struct {
	TestGroups []struct {
		Type      string
		SHA       string
		PublicKey struct{ Uncompressed hexBytes }
		Tests     []wycheproofTest
	}
}

type wycheproofTest struct {
	ID      int `json:"tcId"`
	Comment string
	Message hexBytes `json:"msg"`
	Sig     hexBytes
	Result  string
}

// A signature that Wycheproof calls valid recovers its key, with one of the
// header bytes; one that it calls invalid recovers another key or none.
func TestWycheproof(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/wycheproof/*.json")
	if err != nil || len(files) != 4 {
		t.Fatalf("vectors: %v, %v", files, err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var file wycheproofFile
			if err := json.Unmarshal(content, &file); err != nil {
				t.Fatal(err)
			}
			valid, invalid := 0, 0
			for _, group := range file.TestGroups {
				key, err := secp256k1.ParsePubKey(group.PublicKey.Uncompressed)
				if err != nil {
					t.Fatal(err)
				}
				for _, test := range group.Tests {
					want := test.Result == "valid"
					digest := firstHash(t, group.SHA, test.Message)
					got := recovers(t, group.Type, digest, test.Sig, [33]byte(key.SerializeCompressed()))
					if got != want {
						t.Errorf("%d (%s): valid: %t, Wycheproof says %s", test.ID, test.Comment, got, test.Result)
					}
					if want {
						valid++
					} else {
						invalid++
					}
				}
			}
			t.Logf("%d valid, %d invalid", valid, invalid)
			if valid < 100 || invalid < 50 {
				t.Errorf("%d valid, %d invalid: some are missing", valid, invalid)
			}
		})
	}
}

// firstHash is the first 32 bytes of the message's hash: all that ECDSA takes of
// it on a curve of 256 bits.
func firstHash(t *testing.T, name string, message []byte) [32]byte {
	t.Helper()
	switch name {
	case "SHA-256":
		return sha256.Sum256(message)
	case "SHA-512":
		long := sha512.Sum512(message)
		return [32]byte(long[:])
	}
	t.Fatalf("unknown hash %s", name)
	return [32]byte{}
}

// recovers tells whether the signature leads to the key with any header byte. The
// vectors' encodings, and the low s of one kind, are not PublicKey's to judge.
func recovers(t *testing.T, kind string, digest [32]byte, encoded []byte, key [33]byte) bool {
	t.Helper()
	if kind != "EcdsaP1363Verify" {
		parsed, err := ecdsa.ParseDERSignature(encoded)
		if err != nil {
			return false
		}
		r, s := parsed.R(), parsed.S()
		if kind == "EcdsaBitcoinVerify" && s.IsOverHalfOrder() {
			return false
		}
		rBytes, sBytes := r.Bytes(), s.Bytes()
		encoded = append(rBytes[:], sBytes[:]...)
	}
	if len(encoded) != 64 {
		return false
	}
	found := false
	for header := byte(27); header <= 34; header++ {
		signature := [65]byte{header}
		copy(signature[1:], encoded)
		agree(t, digest, signature)
		got, err := recovery.PublicKey(digest, signature)
		found = found || err == nil && got == key
	}
	return found
}
