package auth

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"syncline/auth/signing"
	"syncline/internal/budget"
)

// Middleware verifies requests on their way to next, which finds the Principal
// in the context, by FromContext, the whole body in the request, and the grant
// of memory for it, by budget.FromContext. A request without signature passes
// without Principal: next decides what it may do. One that has a signature
// header is refused unless it verifies. Bodies that are too large or encoded are
// refused.
//
// The body lets go of what was read. It has a method Take, which hands over all
// of it without a copy.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		p, body, grant, err := v.verifyHTTP(w, r)
		_ = observe(r.Context(), began, p, err)
		if err != nil {
			asError(err).ServeHTTP(w, r)
			return
		}
		defer grant.Release()
		ctx := r.Context()
		if p != (Principal{}) {
			ctx = NewContext(ctx, p)
		}
		if grant != nil {
			ctx = budget.NewContext(ctx, grant)
		}
		r = r.WithContext(ctx)
		if body != nil {
			r.ContentLength = int64(len(body.data))
			r.Body = body
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

// verifyHTTP refuses as early as it can, by the headers, the signature over them
// and the digest that they tell, before it reads the body: memory is for requests
// of known owners. Only the nonce comes last, so that a request that did not
// arrive whole can be sent again. The principal is zero if the request is not
// signed, the body nil if it has none.
func (v *Verifier) verifyHTTP(w http.ResponseWriter, r *http.Request) (Principal, *body, *budget.Grant, error) {
	if isEncoded(r.Header) {
		return Principal{}, nil, nil, badInput(http.StatusUnsupportedMediaType, "encoded request bodies are not accepted: send it without Content-Encoding")
	}
	if !isSigned(r.Header) {
		body, grant, err := v.readBody(w, r, min(maxUnsignedBytes, v.opts.MaxRequestBytes), sharesOf(r.Context(), Principal{}, false))
		return Principal{}, body, grant, err
	}
	if r.ContentLength > v.opts.MaxRequestBytes {
		return Principal{}, nil, nil, tooLarge(v.opts.MaxRequestBytes)
	}
	m, err := v.message(signing.TagHTTP, r)
	if err != nil {
		return Principal{}, nil, nil, err
	}
	signed, err := v.readHeaders(m, r.Header)
	if err != nil {
		return Principal{}, nil, nil, err
	}
	if m.CoversDigest() {
		values := r.Header.Values(signing.HeaderContentDigest)
		if len(values) != 1 {
			return Principal{}, nil, nil, wrongDigest()
		}
		m.ContentDigest = values[0]
	}
	p, err := v.verify(m, signed, strings.Join(r.Header.Values("Authorization"), ", "))
	if err != nil {
		return Principal{}, nil, nil, err
	}
	body, grant, err := v.readBody(w, r, v.opts.MaxRequestBytes, sharesOf(r.Context(), p, true))
	if err != nil {
		return p, nil, nil, err
	}
	if err = checkDigest(m, body); err == nil {
		err = v.remember(r.Context(), m.Tag, signed.Params)
	}
	if err != nil {
		grant.Release()
		return Principal{}, nil, nil, err
	}
	return p, body, grant, nil
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

// checkDigest compares a body with the digest that the signature covers.
func checkDigest(m signing.Message, body *body) error {
	var data []byte
	if body != nil {
		data = body.data
	}
	switch {
	case !m.CoversDigest() && len(data) > 0:
		return badInput(http.StatusBadRequest, "a signed GET has no body")
	case m.CoversDigest() && m.ContentDigest != signing.ContentDigest(data):
		return wrongDigest()
	}
	return nil
}

func wrongDigest() *Error {
	return unauthenticated("Content-Digest must be sha-256=:<standard base64>: of the body, and nothing else")
}
