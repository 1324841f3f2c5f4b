package breez_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"syncline/breez/syncpb"
	"syncline/internal/testservers"
)

// issue makes a CA, as CA_CERT has it, and a certificate of it for each serial number.
func issue(t *testing.T, serials ...int64) (ca string, certificates [][]byte) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	for _, serial := range serials {
		leaf := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: template.NotBefore, NotAfter: template.NotAfter}
		certificate, err := x509.CreateCertificate(rand.Reader, leaf, authority, public, private)
		if err != nil {
			t.Fatal(err)
		}
		certificates = append(certificates, certificate)
	}
	return base64.StdEncoding.EncodeToString(der), certificates
}

// bearer is a certificate as the Authorization header has it.
func bearer(certificate []byte) string {
	return "Bearer " + base64.StdEncoding.EncodeToString(certificate)
}

// withHeader is a request as an app with a certificate sends it; without one if header is empty.
func withHeader[T any](in *T, header string) *connect.Request[T] {
	request := connect.NewRequest(in)
	if header != "" {
		request.Header().Set("Authorization", header)
	}
	return request
}

// Where certificates are asked for, each call needs one, and of several things that are
// wrong the first is told.
func TestCertificatesAndOrder(t *testing.T) {
	t.Parallel()
	ca, certificates := issue(t, 2)
	certificate, authorization := certificates[0], bearer(certificates[0])
	server := testservers.StartSyncline(t, switchedOn, "CA_CERT="+ca, "LOG_LEVEL=info")
	u := newUser(t)
	c := protocols[0].client(t, server.Address)
	d := device{t, u, c, ""}
	now, old := d.now(), d.now()-400
	calls := map[string]func(authorization string) error{
		"SetRecord": func(a string) error {
			_, err := c.SetRecord(t.Context(), withHeader(setRequest(u, &syncpb.Record{Id: "a"}, now, ""), a))
			return err
		},
		"ListChanges": func(a string) error {
			_, err := c.ListChanges(t.Context(), withHeader(listRequest(u, 0, now), a))
			return err
		},
		"ListenChanges": func(a string) error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			opened, err := c.ListenChanges(ctx, withHeader(listenRequest(u, now), a))
			if err != nil || opened.Receive() {
				return err
			}
			return opened.Err()
		},
		"SetLock": func(a string) error {
			_, err := c.SetLock(t.Context(), withHeader(lockRequest(u, &syncpb.SetLockRequest{LockName: "l", InstanceId: phone, Acquire: true}, now), a))
			return err
		},
		"GetLock": func(a string) error {
			_, err := c.GetLock(t.Context(), withHeader(getLockRequest(u, "l", now), a))
			return err
		},
	}
	for name, call := range calls {
		for _, wrong := range []string{"", "Bearer " + ca, authorization[:len(authorization)-4]} {
			if err := call(wrong); connect.CodeOf(err) != connect.CodePermissionDenied {
				t.Errorf("%s with %.20q: %v", name, wrong, err)
			}
		}
		if err := call(authorization); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	hash := sha256.Sum256(certificate)
	testservers.Await(t, "the log names the certificate", func(context.Context) bool {
		return strings.Contains(server.Log(), fmt.Sprintf("certificate=%x", hash[:4]))
	})

	long := strings.Repeat("x", 300)
	zero := uint32(0)
	set := func(r *syncpb.Record, at uint32) func(string) error {
		return func(a string) error {
			_, err := c.SetRecord(t.Context(), withHeader(&syncpb.SetRecordRequest{Record: r, RequestTime: at, Signature: "bad"}, a))
			return err
		}
	}
	lock := func(name, instance string, at uint32) func(string) error {
		return func(a string) error {
			_, err := c.SetLock(t.Context(), withHeader(&syncpb.SetLockRequest{LockName: name, InstanceId: instance, TtlSeconds: &zero, RequestTime: at, Signature: "bad"}, a))
			return err
		}
	}
	for _, test := range []struct {
		call    func(authorization string) error
		header  string
		code    connect.Code
		message string
	}{
		{set(nil, old), "", connect.CodeInvalidArgument, "record must not be empty"},
		{set(&syncpb.Record{Id: long, Data: make([]byte, 70_000), SchemaVersion: long}, old), "", connect.CodeInvalidArgument, "maximum length of 64"},
		{set(&syncpb.Record{Data: make([]byte, 70_000), SchemaVersion: long}, old), "", connect.CodeInvalidArgument, "maximum size of 65536"},
		{set(&syncpb.Record{SchemaVersion: long}, old), "", connect.CodeInvalidArgument, "maximum length of 15"},
		{lock(long, "x", old), "", connect.CodeInvalidArgument, "maximum length of 256"},
		{lock("l", "x", old), "", connect.CodeInvalidArgument, "valid UUID"},
		{lock("l", phone, old), "", connect.CodeInvalidArgument, "too far from server time"},
		{set(&syncpb.Record{}, old), "", connect.CodeInvalidArgument, "too far from server time"},
		{lock("l", phone, now), "", connect.CodePermissionDenied, ""},
		{lock("l", phone, now), authorization, connect.CodeUnauthenticated, "signature"},
	} {
		mustFail(t, test.call(test.header), test.code, test.message)
	}
	_, err := c.SetLock(t.Context(), withHeader(lockRequest(u, &syncpb.SetLockRequest{LockName: "l", InstanceId: phone, TtlSeconds: &zero}, now), authorization))
	mustFail(t, err, connect.CodeInvalidArgument, "ttl_seconds must be at least 1")
}
