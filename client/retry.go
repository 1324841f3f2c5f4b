package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
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

// mayBeApplied tells whether a try that failed may have done its work all the same.
func mayBeApplied(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Outcome == Unknown || e.Code == ErrNonceReused
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return false // nothing was sent
	}
	return err != nil
}

// Of mutation ids: how long each server remembers them at least, and how much
// earlier than it forgets them the last try has to begin.
const (
	leastRemembered = 24 * time.Hour
	forgetMargin    = 10 * time.Minute
)

// isRemembered makes sure that the server still knows a write that it may have
// applied, before the write is sent again: it would be taken for another one.
func (c *Client) isRemembered(ctx context.Context, inDoubt time.Time) error {
	if inDoubt.IsZero() {
		return nil
	}
	now := time.Now()
	// The monotonic clock does not count the time for which a machine slept.
	age := max(now.Sub(inDoubt), now.Round(0).Sub(inDoubt.Round(0)))
	if age < leastRemembered-forgetMargin {
		return nil
	}
	body, err := json.Marshal(map[string]any{"query": limitsDocument})
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	answer, err := c.try(ctx, operation{document: limitsDocument, unsigned: true}, body)
	if err != nil {
		return err
	}
	var told struct{ Limits Limits }
	if err := json.Unmarshal(answer, &told); err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if seconds := told.Limits.MutationRetentionSeconds; seconds != nil && age >= units(int64(*seconds), time.Second)-forgetMargin {
		return fmt.Errorf("%w: it was first sent %v ago", ErrTooOldToRetry, roughly(age))
	}
	return nil
}

// isMisconfigured tells whether a connection failed for what waiting does not
// mend: a certificate that is not trusted, or a server without TLS.
func isMisconfigured(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	return untrusted || noTLS || errors.Is(err, http.ErrSchemeMismatch)
}
