package auth

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// maxCertificateChars bounds the text of a client's certificate.
const maxCertificateChars = 16 << 10

// CertificateOptions are what Certificates do without unless it is given.
type CertificateOptions struct {
	// RevocationURL is where the list of revoked serial numbers is: decimal,
	// comma-separated, or the word none. No serial is checked if it is empty.
	RevocationURL string
	// RefreshEvery is how often the list is fetched; a minute if zero.
	RefreshEvery time.Duration
	// MaxListAge is how old a list may become that cannot be fetched again; a day
	// if zero. Then no certificate is let in.
	MaxListAge time.Duration
	// Client fetches the list; http.DefaultClient if nil.
	Client *http.Client
	// Logger is told of failed fetches; slog.Default() if nil.
	Logger *slog.Logger
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Certificates judges the certificates that serve as API keys: who may use the
// server at all, whoever it is.
type Certificates struct {
	roots   *x509.CertPool
	revoked *revocations // nil if there is no list
	now     func() time.Time
}

// NewCertificates reads CA_CERT, the base64 of a CA certificate's DER form.
// With a RevocationURL, Run must be running.
func NewCertificates(caCert string, opts CertificateOptions) (*Certificates, error) {
	ca, err := parseCertificate(caCert)
	if err != nil {
		return nil, fmt.Errorf("CA_CERT: %w", err)
	}
	if !ca.BasicConstraintsValid || !ca.IsCA {
		return nil, errors.New("CA_CERT: not the certificate of a CA")
	}
	c := &Certificates{roots: x509.NewCertPool(), now: opts.Now}
	c.roots.AddCert(ca)
	if c.now == nil {
		c.now = time.Now
	}
	if opts.RevocationURL != "" {
		if c.revoked, err = newRevocations(opts); err != nil {
			return nil, fmt.Errorf("CRL_URL: %w", err)
		}
	}
	return c, nil
}

// CertificateEnds is when the certificate of CA_CERT ceases to be valid.
func CertificateEnds(caCert string) (time.Time, error) {
	if _, err := NewCertificates(caCert, CertificateOptions{}); err != nil {
		return time.Time{}, err
	}
	ca, err := parseCertificate(caCert)
	if err != nil {
		return time.Time{}, fmt.Errorf("CA_CERT: %w", err)
	}
	return ca.NotAfter, nil
}

// Run keeps the list of revoked serial numbers fresh until ctx ends. A failed
// fetch, and an answer that is no list, keep the last good one, until that is too
// old, and are logged.
func (c *Certificates) Run(ctx context.Context) {
	if c.revoked != nil {
		c.revoked.run(ctx)
	}
}

// Ready tells whether certificates can be judged: not before the list of
// revoked ones was fetched for the first time, nor when it has become too old.
func (c *Certificates) Ready() bool {
	return c.revoked == nil || c.revoked.current() != nil
}

// check reads an Authorization value and judges the certificate in it.
func (c *Certificates) check(authorization string) (*x509.Certificate, error) {
	scheme, text, found := strings.Cut(authorization, " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return nil, forbidden("this server asks for a certificate: send it as Authorization: Bearer <base64 of its DER form>")
	}
	cert, err := parseCertificate(text)
	if err != nil {
		return nil, forbidden("the certificate in Authorization cannot be read: " + err.Error())
	}
	return cert, c.recheck(cert)
}

// recheck judges a certificate now.
func (c *Certificates) recheck(cert *x509.Certificate) error {
	if cert == nil {
		return forbidden("this server asks for a certificate")
	}
	if cert.IsCA {
		return forbidden("the certificate is a CA's: send one that it issued")
	}
	now := c.now()
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return forbidden("the certificate is outside its dates: ask for a new one")
	}
	_, err := cert.Verify(x509.VerifyOptions{
		Roots:       c.roots,
		CurrentTime: now,
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return forbidden("the certificate was not issued by this server's CA")
	}
	if c.revoked != nil {
		return c.revoked.check(cert.SerialNumber)
	}
	return nil
}

func parseCertificate(text string) (*x509.Certificate, error) {
	if len(text) > maxCertificateChars {
		return nil, fmt.Errorf("longer than %d characters", maxCertificateChars)
	}
	der, err := base64.StdEncoding.DecodeString(text)
	// The decoder takes line breaks and other padding bits: the same bytes have
	// one form only, that in which they are written out again.
	if err != nil || base64.StdEncoding.EncodeToString(der) != text {
		return nil, errors.New("not standard base64")
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("not a certificate in DER form")
	}
	return cert, nil
}
