package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"math/big"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/internal/testservers"
)

// A closed server takes a first write and a first lock of nobody; one that takes new
// owners by certificate takes those of whoever has one.
func TestNewOwners(t *testing.T) {
	t.Parallel()
	ca, certificate := issue(t)
	for _, c := range []struct {
		env     []string
		options []client.Option
		refused client.Code
	}{
		{[]string{"NEW_OWNERS=closed"}, nil, client.ErrUnknownOwner},
		{[]string{"NEW_OWNERS=closed", "CA_CERT=" + ca}, []client.Option{client.WithCertificate(certificate)}, client.ErrUnknownOwner},
		{[]string{"NEW_OWNERS=certificate", "CA_CERT=" + ca}, nil, client.ErrForbidden},
		{[]string{"NEW_OWNERS=certificate", "CA_CERT=" + ca}, []client.Option{client.WithCertificate(certificate)}, ""},
	} {
		key, err := signing.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		app, err := client.New(testservers.StartSyncline(t, c.env...).URL(), key, c.options...)
		if err != nil {
			t.Fatal(err)
		}
		_, err = app.Set(t.Context(), "a", []byte("x"), 0)
		if c.refused == "" && err != nil || c.refused != "" && !errors.Is(err, c.refused) {
			t.Errorf("%v: a write: %v, want %q", c.env[:1], err, c.refused)
		}
		lease, err := app.TryLock(t.Context(), "l")
		if c.refused == "" && err != nil || c.refused != "" && !errors.Is(err, c.refused) {
			t.Errorf("%v: a lock: %v, want %q", c.env[:1], err, c.refused)
		}
		if err == nil {
			if err := lease.Release(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}

// issue makes a CA, as CA_CERT has it, and a certificate of it.
func issue(t *testing.T) (ca string, certificate []byte) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: template.NotBefore, NotAfter: template.NotAfter}
	if certificate, err = x509.CreateCertificate(rand.Reader, leaf, template, public, private); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der), certificate
}
