package recovery_test

import (
	"slices"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"syncline/auth/recovery"
)

// A signature and its digest.
type signed struct {
	digest    [32]byte
	signature [65]byte
}

func signatures(b *testing.B, count int) []signed {
	b.Helper()
	list := make([]signed, count)
	for i := range list {
		key, err := secp256k1.GeneratePrivateKey()
		if err != nil {
			b.Fatal(err)
		}
		digest := bytes32(number(int64(i + 1)))
		list[i] = signed{digest, [65]byte(ecdsa.SignCompact(key, digest[:], true))}
	}
	return list
}

func BenchmarkPublicKey(b *testing.B) {
	list := signatures(b, 64)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := recovery.PublicKey(list[i%64].digest, list[i%64].signature); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAgainstDecred recovers each signature with both, in turn, in one
// process: own/decred is the share of decred's time that PublicKey takes, the
// median of such pairs, p5 and p95 their spread.
func BenchmarkAgainstDecred(b *testing.B) {
	list := signatures(b, 64)
	var ratios []float64
	for i := 0; b.Loop(); i++ {
		s := list[i%64]
		start := time.Now()
		if _, err := recovery.PublicKey(s.digest, s.signature); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if _, _, err := ecdsa.RecoverCompact(s.signature[:], s.digest[:]); err != nil {
			b.Fatal(err)
		}
		ratios = append(ratios, middle.Sub(start).Seconds()/time.Since(middle).Seconds())
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)*5/100], "p5")
	b.ReportMetric(ratios[len(ratios)/2], "own/decred")
	b.ReportMetric(ratios[len(ratios)*95/100], "p95")
}
