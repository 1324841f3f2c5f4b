package auth_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncline/auth"
)

func TestNewCertificatesRefuses(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "a")
	good := encodeCertificate(ca.cert)
	tests := map[string]struct{ cert, url, variable string }{
		"empty":          {"", "", "CA_CERT"},
		"not base64":     {"!" + good[1:], "", "CA_CERT"},
		"a line break":   {good[:10] + "\n" + good[10:], "", "CA_CERT"},
		"PEM":            {"-----BEGIN CERTIFICATE-----", "", "CA_CERT"},
		"not DER":        {"AAAA", "", "CA_CERT"},
		"no CA":          {encodeCertificate(ca.issue(t, certificateOf(1, time.Now()))), "", "CA_CERT"},
		"no URL":         {good, "://", "CRL_URL"},
		"a file":         {good, "file:///etc/revoked", "CRL_URL"},
		"without a host": {good, "http://", "CRL_URL"},
	}
	for name, tt := range tests {
		_, err := auth.NewCertificates(tt.cert, auth.CertificateOptions{RevocationURL: tt.url})
		if err == nil || !strings.Contains(err.Error(), tt.variable) {
			t.Errorf("%s: %v, want one that names %s", name, err, tt.variable)
		}
	}
	if _, err := auth.NewCertificates(good, auth.CertificateOptions{}); err != nil {
		t.Error(err)
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	now := time.Unix(created, 0)
	ca, foreign := newAuthority(t, "a"), newAuthority(t, "b")
	selfSigned := certificateOf(1, now)
	selfSignedCert := createCertificate(t, selfSigned, selfSigned, seededKey("self").Public(), seededKey("self"))
	subCA := certificateOf(2, now)
	subCA.IsCA, subCA.BasicConstraintsValid, subCA.KeyUsage = true, true, x509.KeyUsageCertSign
	subCACert := ca.issue(t, subCA)
	issue := func(change func(*x509.Certificate)) string {
		template := certificateOf(77, now)
		change(template)
		return "Bearer " + encodeCertificate(ca.issue(t, template))
	}
	good := issue(func(*x509.Certificate) {})
	tests := map[string]struct {
		authorization string
		ok            bool
	}{
		"issued":              {good, true},
		"scheme in lowercase": {"bearer" + good[len("Bearer"):], true},
		"for servers":         {issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), true},
		"for clients":         {issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), true},
		"for no signing":      {issue(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }), true},
		"at its first second": {issue(func(c *x509.Certificate) { c.NotBefore = now }), true},
		"at its last second":  {issue(func(c *x509.Certificate) { c.NotAfter = now }), true},
		"expired":             {issue(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }), false},
		"not yet valid":       {issue(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }), false},
		"missing":             {"", false},
		"empty":               {"Bearer ", false},
		"without scheme":      {good[len("Bearer "):], false},
		"another scheme":      {"Basic" + good[len("Bearer"):], false},
		"not base64":          {good[:20] + "!" + good[21:], false},
		"with a line break":   {good[:20] + "\n" + good[20:], false},
		"twice":               {good + ", " + good, false},
		"cut off":             {good[:len(good)-4], false},
		"too long":            {"Bearer " + strings.Repeat("AAAA", 5000), false},
		"foreign":             {"Bearer " + encodeCertificate(foreign.issue(t, certificateOf(77, now))), false},
		"self-signed":         {"Bearer " + encodeCertificate(selfSignedCert), false},
		"the CA itself":       {"Bearer " + encodeCertificate(ca.cert), false},
		"a CA below it":       {"Bearer " + encodeCertificate(subCACert), false},
		"tampered":            {tamperedCertificate(t, good), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := certifyingService(t, ca, auth.CertificateOptions{Now: at(created)})
			want := string(auth.CodeForbidden)
			if tt.ok {
				want = ""
			}
			r := readRequest(t, newDraft(t, kindPost, name).request())
			r.Header.Set("Authorization", tt.authorization)
			w := s.serve(r)
			if tt.ok != (w.Code == http.StatusOK) || (!tt.ok && (w.Code != http.StatusForbidden || errorCode(t, w) != want)) {
				t.Errorf("POST: %d %s", w.Code, w.Body)
			}
			init := newDraft(t, kindWebSocket, name).request()
			init.Payload["authorization"] = tt.authorization
			if got := s.init(init); got != want {
				t.Errorf("connection_init: %q, want %q", got, want)
			}
		})
	}
}

// tamperedCertificate has another serial number, and the signature of before.
func tamperedCertificate(t *testing.T, authorization string) string {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(authorization, "Bearer "))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(der), string([]byte{2, 1, 77}), string([]byte{2, 1, 78}), 1)
	if cert2, err := x509.ParseCertificate([]byte(changed)); err != nil || cert2.SerialNumber.Cmp(cert.SerialNumber) == 0 {
		t.Fatal("it is not tampered with")
	}
	return "Bearer " + base64.StdEncoding.EncodeToString([]byte(changed))
}

func TestCertificatesAreAskedOfSignedRequestsOnly(t *testing.T) {
	t.Parallel()
	s := certifyingService(t, newAuthority(t, "a"), auth.CertificateOptions{Now: at(created)})
	if w := s.serve(chunked("text")); w.Code != http.StatusOK {
		t.Errorf("unsigned: %d", w.Code)
	}
	if got := s.send(newDraft(t, kindPost, "asked").request()); got != string(auth.CodeForbidden) {
		t.Errorf("signed: %q", got)
	}
}

func TestRefusedCertificatesAreToldWhy(t *testing.T) {
	t.Parallel()
	now := time.Unix(created, 0)
	ca := newAuthority(t, "a")
	tests := map[string]string{
		"":                                     "Authorization: Bearer",
		"Bearer !":                             "base64",
		"Bearer AAAA":                          "DER",
		"Bearer " + encodeCertificate(ca.cert): "CA's",
		"Bearer " + encodeCertificate(ca.issue(t, certificateOf(1, now.Add(-48*time.Hour)))): "dates",
		"Bearer " + encodeCertificate(newAuthority(t, "b").issue(t, certificateOf(1, now))):  "not issued by",
	}
	for authorization, why := range tests {
		s := certifyingService(t, ca, auth.CertificateOptions{Now: at(created)})
		w := s.serve(readRequest(t, newDraft(t, kindPost, "why").request().plus("Authorization", authorization)))
		if !strings.Contains(w.Body.String(), why) {
			t.Errorf("%.40s: %s does not say %q", authorization, w.Body, why)
		}
	}
}

func TestRecheck(t *testing.T) {
	t.Parallel()
	clock := startClock(created)
	ca := newAuthority(t, "a")
	certificates, err := auth.NewCertificates(encodeCertificate(ca.cert), auth.CertificateOptions{Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	s := newService(t, nil, auth.Options{Now: clock.Now, Certificates: certificates})
	template := certificateOf(5, clock.Now())
	template.NotAfter = clock.Now().Add(time.Hour)
	p := connect(t, s, "recheck", "Bearer "+encodeCertificate(ca.issue(t, template)))

	clock.Advance(time.Hour)
	if err := s.verifier.Recheck(p); err != nil {
		t.Errorf("at its last second: %v", err)
	}
	clock.Advance(time.Second)
	isRefused(t, s.verifier.Recheck(p), auth.CodeForbidden)

	plain := newService(t, nil, auth.Options{})
	if err := plain.verifier.Recheck(connect(t, plain, "plain", "")); err != nil {
		t.Errorf("without a CA: %v", err)
	}
}

func certifyingService(t *testing.T, ca certificateAuthority, opts auth.CertificateOptions) *service {
	t.Helper()
	certificates, err := auth.NewCertificates(encodeCertificate(ca.cert), opts)
	if err != nil {
		t.Fatal(err)
	}
	return newService(t, nil, auth.Options{Certificates: certificates})
}

// connect makes a WebSocket connection, as far as verification goes.
func connect(t *testing.T, s *service, name, authorization string) auth.Principal {
	t.Helper()
	r := newDraft(t, kindWebSocket, name).request()
	p, err := s.verifier.VerifyInit(context.Background(), readRequest(t, r), map[string]any{
		"signature-input": r.Payload["signature-input"], "signature": r.Payload["signature"], "authorization": authorization,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func isRefused(t *testing.T, err error, code auth.Code) {
	t.Helper()
	var refusal *auth.Error
	if !errors.As(err, &refusal) || refusal.Code != code {
		t.Errorf("%v, want %s", err, code)
	}
}
