package auth

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"

	"syncline/auth/signing"
)

// Middleware verifies requests on their way to next, which finds the Principal
// in the context, by FromContext, and the whole body in the request. A request
// without signature passes without Principal: next decides what it may do. One
// that has a signature header is refused unless it verifies. Bodies that are
// too large or encoded are refused.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, body, err := v.verifyHTTP(w, r)
		_ = observe(r.Context(), p, err)
		if err != nil {
			asError(err).ServeHTTP(w, r)
			return
		}
		ctx := r.Context()
		if p != (Principal{}) {
			ctx = NewContext(ctx, p)
		}
		r = r.WithContext(ctx)
		if body != nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
			r.ContentLength = int64(len(body))
		}
		next.ServeHTTP(w, r)
	})
}

// asError is err as the *Error that it is. Anything else would be a mistake
// here, and must not tell the client about the inside.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return unavailable("the server cannot verify requests now: try again", err)
}

// verifyHTTP refuses as early as it can: by its headers before reading the
// body, by its body before the costly verification. The principal is zero if
// the request is not signed, the body nil if it has none.
func (v *Verifier) verifyHTTP(w http.ResponseWriter, r *http.Request) (Principal, []byte, error) {
	if isEncoded(r.Header) {
		return Principal{}, nil, badInput(http.StatusUnsupportedMediaType, "encoded request bodies are not accepted: send it without Content-Encoding")
	}
	if !isSigned(r.Header) {
		body, err := v.readBody(w, r)
		return Principal{}, body, err
	}
	m, err := v.message(signing.TagHTTP, r)
	if err != nil {
		return Principal{}, nil, err
	}
	signed, err := v.readHeaders(m, r.Header)
	if err != nil {
		return Principal{}, nil, err
	}
	body, err := v.readBody(w, r)
	if err != nil {
		return Principal{}, nil, err
	}
	if m.ContentDigest, err = checkDigest(m, r.Header, body); err != nil {
		return Principal{}, nil, err
	}
	p, err := v.verify(r.Context(), m, signed, strings.Join(r.Header.Values("Authorization"), ", "))
	return p, body, err
}

func isSigned(h http.Header) bool {
	return len(h.Values(signing.HeaderSignatureInput)) > 0 || len(h.Values(signing.HeaderSignature)) > 0
}

func isEncoded(h http.Header) bool {
	for _, value := range h.Values("Content-Encoding") {
		if value != "" && !strings.EqualFold(value, "identity") {
			return true
		}
	}
	return false
}

func (v *Verifier) readHeaders(m signing.Message, h http.Header) (signing.Signed, error) {
	inputs, signatures := h.Values(signing.HeaderSignatureInput), h.Values(signing.HeaderSignature)
	if len(inputs) != 1 || len(signatures) != 1 {
		return signing.Signed{}, unauthenticated("a signed request has exactly one Signature-Input and one Signature header")
	}
	return v.read(m, signing.Headers{SignatureInput: inputs[0], Signature: signatures[0]})
}

// checkDigest gives the digest that the signature must cover.
func checkDigest(m signing.Message, h http.Header, body []byte) (string, error) {
	if !m.CoversDigest() {
		if len(body) > 0 {
			return "", badInput(http.StatusBadRequest, "a signed GET has no body")
		}
		return "", nil
	}
	digest := signing.ContentDigest(body)
	if values := h.Values(signing.HeaderContentDigest); len(values) != 1 || values[0] != digest {
		return "", unauthenticated("Content-Digest must be sha-256=:<standard base64>: of the body, and nothing else")
	}
	return digest, nil
}

func (v *Verifier) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	limit := v.opts.MaxRequestBytes
	if r.ContentLength > limit {
		return nil, tooLarge()
	}
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), maxHint)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return nil, tooLarge()
	case err != nil:
		return nil, badInput(http.StatusBadRequest, "the request's body could not be read to its end")
	}
	return body.Bytes(), nil
}

// maxHint is how far a request's Content-Length is believed before the body is there.
const maxHint = 64 << 10

func tooLarge() *Error {
	return badInput(http.StatusRequestEntityTooLarge, "the request is too large: see maxRequestBytes of limits")
}
