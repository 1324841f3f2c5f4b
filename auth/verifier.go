package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"syncline/auth/recovery"
	"syncline/auth/signing"
	"syncline/internal/budget"
)

const (
	// MaxAge is how long after its creation a signature serves.
	MaxAge = 300 * time.Second
	// maxAhead is how far a client's clock may be ahead.
	maxAhead = 60 * time.Second
	// defaultMaxRequestBytes bounds a request's body.
	defaultMaxRequestBytes = 1 << 20
)

// Options are what a Verifier does without unless it is given.
type Options struct {
	// Certificates are asked of each signed request, if set.
	Certificates *Certificates
	// RefuseBefore is when the memory of nonces began, if it does not outlast
	// the process: signatures created before are refused, because they may have
	// been used already.
	RefuseBefore time.Time
	// Durable is a second memory, that outlasts the process, for the signatures
	// of WebSocket connections. RefuseBefore is then not applied to these: a
	// client may reconnect at once to a server that has just started.
	Durable NonceMemory
	// Recover finds the key that made a signature; recovery.PublicKey if nil.
	Recover signing.Recoverer
	// MaxRequestBytes bounds a request's body; 1 MiB if zero.
	MaxRequestBytes int64
	// Budget is the memory that requests share for their bodies; nil: no bound.
	Budget *budget.Pool
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Verifier checks who signed a request. It is safe for concurrent use.
type Verifier struct {
	authorities Authorities
	nonces      NonceMemory
	opts        Options
}

// NewVerifier makes a Verifier of requests to a server that is reached under
// the authorities.
func NewVerifier(authorities Authorities, nonces NonceMemory, opts Options) *Verifier {
	if opts.MaxRequestBytes == 0 {
		opts.MaxRequestBytes = defaultMaxRequestBytes
	}
	if opts.Recover == nil {
		opts.Recover = recovery.PublicKey
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Verifier{authorities: authorities, nonces: nonces, opts: opts}
}

// VerifyInit verifies the signature that a connection_init message carries over
// the upgrade request of its connection. Errors are of type *Error.
func (v *Verifier) VerifyInit(ctx context.Context, upgrade *http.Request, payload map[string]any) (Principal, error) {
	began := time.Now()
	p, err := v.verifyInit(ctx, upgrade, payload)
	return p, observe(ctx, began, p, err)
}

func (v *Verifier) verifyInit(ctx context.Context, upgrade *http.Request, payload map[string]any) (Principal, error) {
	input, ok := payload["signature-input"].(string)
	signature, ok2 := payload["signature"].(string)
	if !ok || !ok2 {
		return Principal{}, unauthenticated("connection_init must carry signature-input and signature, both text")
	}
	m, err := v.message(signing.TagWebSocket, upgrade)
	if err != nil {
		return Principal{}, err
	}
	signed, err := v.read(m, signing.Headers{SignatureInput: input, Signature: signature})
	if err != nil {
		return Principal{}, err
	}
	authorization, _ := payload["authorization"].(string)
	p, err := v.verify(m, signed, authorization)
	if err == nil {
		err = v.remember(ctx, m.Tag, signed.Params)
	}
	if err != nil {
		return Principal{}, err
	}
	return p, nil
}

// Recheck tells whether a long connection may go on for its principal: that its
// certificate, where one is asked for, is still within its dates and not
// revoked. Errors are of type *Error.
func (v *Verifier) Recheck(p Principal) error {
	if v.opts.Certificates == nil {
		return nil
	}
	return v.opts.Certificates.recheck(p.certificate)
}

// Admit judges the certificate of a request whose signature is another protocol's,
// by the value of its Authorization header, then has recoverKey say who signed it.
// Errors are of type *Error, or recoverKey's.
func (v *Verifier) Admit(ctx context.Context, authorization string, recoverKey func() (signing.PublicKey, error)) (Principal, error) {
	var p Principal
	var err error
	began := time.Now()
	if c := v.opts.Certificates; c != nil {
		if p.certificate, err = c.check(authorization); err != nil {
			return Principal{}, observe(ctx, began, Principal{}, err)
		}
	}
	if p.Key, err = recoverKey(); err != nil {
		return Principal{}, err
	}
	return p, observe(ctx, began, p, nil)
}

// message is what a signature over the request must cover, but for the digest
// of a body.
func (v *Verifier) message(tag signing.Tag, r *http.Request) (signing.Message, error) {
	authority, err := v.authorities.of(r.Host)
	if err != nil {
		return signing.Message{}, err
	}
	target := r.RequestURI
	if !strings.HasPrefix(target, "/") {
		target = r.URL.RequestURI() // absolute form, as proxies get it
	}
	path, query := signing.SplitTarget(target)
	return signing.Message{Tag: tag, Method: r.Method, Authority: authority, Path: path, Query: query}, nil
}

// read is the cheap part: it reads the signature's headers and checks its time.
func (v *Verifier) read(m signing.Message, h signing.Headers) (signing.Signed, error) {
	signed, err := m.Parse(h.SignatureInput, h.Signature)
	if err != nil {
		return signing.Signed{}, unauthenticated(err.Error())
	}
	return signed, v.checkTime(m.Tag, signed.Created)
}

func (v *Verifier) checkTime(tag signing.Tag, createdUnix int64) error {
	now, created := v.opts.Now(), time.Unix(createdUnix, 0)
	switch {
	case now.Sub(created) > MaxAge:
		return expired("the signature was created more than 300 seconds ago by this server's clock: sign anew, and correct your clock by serverTime", now)
	case created.Sub(now) > maxAhead:
		return expired("the signature was created more than 60 seconds ahead of this server's clock: correct your clock by serverTime, and sign anew", now)
	case created.Before(v.opts.RefuseBefore) && (tag != signing.TagWebSocket || v.opts.Durable == nil):
		return expired("the signature was created before this server started: sign anew", timeToSignBy(now, v.opts.RefuseBefore))
	}
	return nil
}

// timeToSignBy is the server's time, or the first whole second from which on
// signatures are taken: a client that corrects its clock by it is not refused again.
func timeToSignBy(now, takenFrom time.Time) time.Time {
	first := takenFrom.Add(time.Second - 1).Truncate(time.Second)
	if now.Before(first) {
		return first
	}
	return now
}

// verify is the costly part: the signature, then the certificate.
func (v *Verifier) verify(m signing.Message, signed signing.Signed, authorization string) (Principal, error) {
	key, err := m.VerifyBy(v.opts.Recover, signed)
	if errors.Is(err, signing.ErrMismatch) {
		return Principal{}, mismatch(m)
	}
	if err != nil {
		return Principal{}, unauthenticated(err.Error())
	}
	p := Principal{Key: key}
	if c := v.opts.Certificates; c != nil {
		if p.certificate, err = c.check(authorization); err != nil {
			return Principal{}, err
		}
	}
	return p, nil
}

// mismatch says what this server took for the request's authority and path: a
// proxy may have changed them on the way.
func mismatch(m signing.Message) *Error {
	path, authority := clip(m.Path), clip(m.Authority)
	err := unauthenticated(fmt.Sprintf("%s: here it is a %s to the authority %q and path %q; if you signed others, "+
		"look at PUBLIC_AUTHORITIES and at what a proxy passes on", signing.ErrMismatch, m.Method, authority, path))
	err.Authority, err.Path = authority, path
	return err
}

// clip shortens what comes from a client.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// nonceShareRetry is when some of a holder's nonces are forgotten: those that were
// created together go together.
const nonceShareRetry = bucketSeconds * time.Second

// remember uses up the nonce. Its time is checked once more, for a body may have
// come slowly: only what is still in time was looked for before its nonce may be
// forgotten.
func (v *Verifier) remember(ctx context.Context, tag signing.Tag, p signing.Params) error {
	until := time.Unix(p.Created, 0).Add(MaxAge)
	err := v.nonces.Remember(ctx, p.KeyID, p.Nonce, until)
	if err == nil && v.opts.Durable != nil && tag == signing.TagWebSocket {
		err = v.opts.Durable.Remember(ctx, p.KeyID, p.Nonce, until)
	}
	forgotten, isForgotten := errors.AsType[*ForgottenError](err)
	switch {
	case errors.Is(err, ErrNonceReused):
		return nonceReused()
	case errors.Is(err, ErrNonceShare):
		return RateLimited("too many requests were signed with this key, or came from this address: try again later, signed anew", nonceShareRetry)
	case isForgotten:
		return expired("the signature was created before this server's memory of used ones began: sign anew", timeToSignBy(v.opts.Now(), forgotten.Before))
	case err != nil:
		return unavailable("the server cannot tell now whether this request is new: try again, signed anew", err)
	}
	return v.checkTime(tag, p.Created)
}
