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
	// defaultMaxListAge is when a list that cannot be fetched again serves no more.
	defaultMaxListAge = 24 * time.Hour
	// noneRevoked is the list without entries: an empty answer may be a mistake.
	noneRevoked = "none"
)

// revocations is the list of revoked serial numbers, kept fresh.
type revocations struct {
	url    *url.URL
	every  time.Duration
	maxAge time.Duration
	client *http.Client
	log    *slog.Logger

	list atomic.Pointer[serialList] // nil before the first one
}

// serialList is a list as it was fetched.
type serialList struct {
	serials map[string]struct{} // decimal
	fetched time.Time
}

func newRevocations(opts CertificateOptions) (*revocations, error) {
	u, err := url.Parse(opts.RevocationURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("not an http or https URL")
	}
	r := &revocations{url: u, every: opts.RefreshEvery, maxAge: opts.MaxListAge, client: opts.Client, log: opts.Logger}
	if r.every == 0 {
		r.every = defaultRefreshEvery
	}
	if r.maxAge == 0 {
		r.maxAge = defaultMaxListAge
	}
	if r.client == nil {
		r.client = http.DefaultClient
	}
	if r.log == nil {
		r.log = slog.Default()
	}
	return r, nil
}

// current is the list to judge by; nil if there is none, or it is too old.
func (r *revocations) current() *serialList {
	list := r.list.Load()
	if list == nil || time.Since(list.fetched) > r.maxAge {
		return nil
	}
	return list
}

func (r *revocations) check(serial *big.Int) error {
	list := r.current()
	if list == nil {
		return unavailable("the server has no list of revoked certificates that is recent: try again", nil)
	}
	if _, ok := list.serials[serial.String()]; ok {
		return forbidden("the certificate is revoked: ask for a new one")
	}
	return nil
}

func (r *revocations) run(ctx context.Context) {
	for {
		wait := r.every
		if err := r.refresh(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("cannot fetch the list of revoked certificates", "from", r.url.Host, "error", r.withoutURL(err), "keeping_last", r.current() != nil)
			if r.current() == nil {
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
	r.list.Store(&serialList{serials, time.Now()})
	return nil
}

// withoutURL is an error's text without the list's URL, whose query or user may be
// a secret.
func (r *revocations) withoutURL(err error) string {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	text := err.Error()
	secrets := []string{r.url.String(), r.url.RequestURI(), r.url.RawQuery, r.url.User.String()}
	password, _ := r.url.User.Password()
	for _, secret := range append(secrets, r.url.User.Username(), password) {
		if len(secret) > 1 { // not / alone
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}

func (r *revocations) fetch(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url.String(), nil)
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
// them, or the word none. Anything else is an error: neither an error page nor a
// file that was just emptied must pass for a list.
func parseSerials(text string) (map[string]struct{}, error) {
	serials := make(map[string]struct{})
	switch strings.TrimSpace(text) {
	case noneRevoked:
		return serials, nil
	case "":
		return nil, errors.New("the list is empty: where no certificate is revoked it is the word " + noneRevoked)
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
