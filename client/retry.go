package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	minPause = 100 * time.Millisecond
	maxPause = 10 * time.Second
	// maxAsked is how long a pause a server may ask for.
	maxAsked = time.Minute
	// maxReused is how often a request that was delivered before is signed anew.
	maxReused = 5
)

// backoff spreads retries: each pause is up to twice as long as the one before,
// half of it random.
type backoff struct {
	limit   time.Duration
	longest time.Duration // 0 means maxPause
}

// next is the pause before the next try: at least what the server asked for, up to
// a minute, and up to half as long again, for it asks many clients at once.
func (b *backoff) next(atLeast time.Duration) time.Duration {
	b.limit = min(max(2*b.limit, minPause), cmp.Or(b.longest, maxPause))
	atLeast = max(b.limit/2, min(atLeast, maxAsked))
	return atLeast + rand.N(max(b.limit/2, atLeast/2)) //nolint:gosec // G404: a pause is no secret
}

func (b *backoff) reset() { b.limit = 0 }

// sleep waits, or answers why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retry repeats a try until it succeeds, fails for good, or ctx ends.
func (c *Client) retry(ctx context.Context, longestPause time.Duration, try func() error) error {
	pause := backoff{longest: longestPause}
	var last error
	corrected, reused := false, 0
	for {
		err := try()
		if errors.Is(err, ErrNonceReused) {
			reused++
		}
		switch {
		case err == nil:
			return nil
		case reused > maxReused:
			return err
		case !corrected && isClockOff(err):
			if err := c.correctClock(err); err != nil {
				return err
			}
			corrected = true
			continue
		}
		after, ok := mayPass(err)
		if !ok {
			return err
		}
		if ctx.Err() != nil {
			return gaveUp(ctx, last)
		}
		last = err
		wait := pause.next(after)
		c.log.DebugContext(ctx, "trying again", "after", wait, "error", err)
		if sleep(ctx, wait) != nil {
			return gaveUp(ctx, last)
		}
	}
}

// gaveUp is why a call ended, with the last failure if there was one.
func gaveUp(ctx context.Context, last error) error {
	if last == nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w (%w)", last, context.Cause(ctx))
}

// isClockOff tells whether an error is an expired signature that came with the
// server's time.
func isClockOff(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == ErrSignatureExpired && !e.ServerTime.IsZero()
}

// correctClock sets the clock by the server's time, which an error showed.
func (c *Client) correctClock(expired error) error {
	e, _ := errors.AsType[*Error](expired)
	if err := c.clock.correct(e.ServerTime); err != nil {
		return fmt.Errorf("%w: %w", err, expired)
	}
	c.log.Info("clock corrected by the server's", "serverTime", e.ServerTime)
	return nil
}

// mayPass tells whether the same call may succeed a little later, and how long
// the server asks to wait. What the service refused stays refused, unless a proxy
// delivered a request twice and lost the first answer. Every write carries a
// mutation id, so that trying again is safe whatever became of it.
func mayPass(err error) (after time.Duration, ok bool) {
	var e *Error
	if errors.As(err, &e) {
		switch e.Code {
		case ErrUnavailable, ErrRateLimited, ErrNonceReused:
			return e.RetryAfter, true
		}
		return e.RetryAfter, false
	}
	u, ok := errors.AsType[*unreachableError](err)
	if !ok || isMisconfigured(err) {
		return 0, false
	}
	return u.retryAfter, true
}

// isMisconfigured tells whether a connection failed for what waiting does not
// mend: a certificate that is not trusted, or a server without TLS.
func isMisconfigured(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	return untrusted || noTLS || errors.Is(err, http.ErrSchemeMismatch)
}
