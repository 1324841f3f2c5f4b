package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	defaultRefreshEvery = time.Minute
	// firstFetchRetry is shorter: nobody is served before the first list.
	firstFetchRetry = 2 * time.Second
	fetchTimeout    = 10 * time.Second
	maxListBytes    = 16 << 20
)

// revocations is the list of revoked serial numbers, kept fresh.
type revocations struct {
	url    string
	every  time.Duration
	client *http.Client
	log    *slog.Logger

	serials atomic.Pointer[map[string]struct{}] // decimal; nil before the first list
}

func newRevocations(opts CertificateOptions) (*revocations, error) {
	u, err := url.Parse(opts.RevocationURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("not an http or https URL")
	}
	r := &revocations{url: opts.RevocationURL, every: opts.RefreshEvery, client: opts.Client, log: opts.Logger}
	if r.every == 0 {
		r.every = defaultRefreshEvery
	}
	if r.client == nil {
		r.client = http.DefaultClient
	}
	if r.log == nil {
		r.log = slog.Default()
	}
	return r, nil
}

func (r *revocations) loaded() bool { return r.serials.Load() != nil }

func (r *revocations) check(serial *big.Int) error {
	serials := r.serials.Load()
	if serials == nil {
		return unavailable("the server has not yet got its list of revoked certificates: try again", nil)
	}
	if _, ok := (*serials)[serial.String()]; ok {
		return forbidden("the certificate is revoked: ask for a new one")
	}
	return nil
}

func (r *revocations) run(ctx context.Context) {
	for {
		wait := r.every
		if err := r.refresh(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("cannot fetch the list of revoked certificates", "error", err, "keeping_last", r.loaded())
			if !r.loaded() {
				wait = min(wait, firstFetchRetry)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (r *revocations) refresh(ctx context.Context) error {
	text, err := r.fetch(ctx)
	if err != nil {
		return err
	}
	serials, err := parseSerials(text)
	if err != nil {
		return err
	}
	r.serials.Store(&serials)
	return nil
}

func (r *revocations) fetch(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return "", err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }() // it was read, or is of no use
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxListBytes+1))
	if err != nil {
		return "", err
	}
	if len(body) > maxListBytes {
		return "", fmt.Errorf("longer than %d bytes", maxListBytes)
	}
	return string(body), nil
}

// parseSerials reads decimal numbers, comma-separated, with white space around
// them. A text without any is an empty list. Anything else is an error: an
// error page must not pass for a list.
func parseSerials(text string) (map[string]struct{}, error) {
	serials := make(map[string]struct{})
	if strings.TrimSpace(text) == "" {
		return serials, nil
	}
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" || strings.Trim(entry, "0123456789") != "" {
			return nil, fmt.Errorf("not a list of decimal serial numbers: %.40q", entry)
		}
		// Certificates' numbers are compared in this form, without leading zeros.
		serials[strings.TrimLeft(entry[:len(entry)-1], "0")+entry[len(entry)-1:]] = struct{}{}
	}
	return serials, nil
}
