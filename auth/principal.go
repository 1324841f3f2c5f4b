// Package auth verifies who sent a request.
//
// A Verifier checks signatures, certificates and nonces; its Middleware does so
// for HTTP requests, and VerifyInit for WebSocket connections. What they learn
// is a Principal. What they refuse, they refuse with an *Error.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"

	"syncline/auth/signing"
	"syncline/internal/contextvalue"
)

// Principal is who a verified request acts for.
type Principal struct {
	// Key is the public key recovered from the signature: the owner.
	Key signing.PublicKey

	// certificate is what the request was let in with, where certificates are
	// asked for.
	certificate *x509.Certificate
}

// CertificateHash is the beginning of the SHA-256 of the certificate that the request
// was let in with, in hexadecimal, which tells certificates apart in logs; false if
// none was asked for.
func (p Principal) CertificateHash() (hash string, ok bool) {
	if p.certificate == nil {
		return "", false
	}
	sum := sha256.Sum256(p.certificate.Raw)
	return hex.EncodeToString(sum[:6]), true
}

// Certified tells whether the request was let in with a certificate.
func (p Principal) Certified() bool { return p.certificate != nil }

// NewContext puts a verified principal into a context.
func NewContext(ctx context.Context, p Principal) context.Context {
	ctx, principal := contextvalue.New[Principal](ctx)
	*principal = p
	return ctx
}

// FromContext takes the verified principal out of a context; false if the
// request was not signed.
func FromContext(ctx context.Context) (Principal, bool) {
	if p := contextvalue.Of[Principal](ctx); p != nil {
		return *p, true
	}
	return Principal{}, false
}
