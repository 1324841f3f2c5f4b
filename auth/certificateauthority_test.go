package auth_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"testing"
	"time"
)

// certificateAuthority issues certificates for tests. Its keys follow from its
// seed, so that it always issues the same.
type certificateAuthority struct {
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

func newAuthority(t testing.TB, seed string) certificateAuthority {
	t.Helper()
	key := seededKey("ca " + seed)
	template := certificateOf(1, time.Unix(created, 0))
	template.Subject.CommonName = "Syncline test CA" // all alike: only the key tells them apart
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign
	return certificateAuthority{createCertificate(t, template, template, key.Public(), key), key}
}

// issue signs a certificate.
func (ca certificateAuthority) issue(t testing.TB, template *x509.Certificate) *x509.Certificate {
	t.Helper()
	return createCertificate(t, template, ca.cert, seededKey("client").Public(), ca.key)
}

// certificateOf is a certificate to issue, valid from a day before to a day
// after a time.
func certificateOf(serial int64, at time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: "Syncline test client"},
		NotBefore:    at.Add(-24 * time.Hour).UTC(),
		NotAfter:     at.Add(24 * time.Hour).UTC(),
	}
}

func createCertificate(t testing.TB, template, parent *x509.Certificate, public, key any) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func seededKey(seed string) ed25519.PrivateKey {
	sum := sha256.Sum256([]byte("syncline test certificate: " + seed))
	return ed25519.NewKeyFromSeed(sum[:])
}

func encodeCertificate(cert *x509.Certificate) string {
	return base64.StdEncoding.EncodeToString(cert.Raw)
}
