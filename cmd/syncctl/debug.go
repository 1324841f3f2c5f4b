package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// debugTransport shows requests and answers. What would serve somebody else to act
// as the user, signatures and certificates, and what records contain are left out.
type debugTransport struct {
	http.RoundTripper
	app *app
}

func (d *debugTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	d.app.notef("> %s %s\n", r.Method, r.URL)
	d.showHeader("> ", r.Header)
	if r.GetBody != nil {
		if body, err := r.GetBody(); err == nil {
			sent, _ := io.ReadAll(body)
			d.app.notef("> %s\n", withoutData(sent))
		}
	}
	began := time.Now()
	res, err := d.RoundTripper.RoundTrip(r)
	if err != nil {
		d.app.notef("< %v, after %v\n", err, time.Since(began).Round(time.Millisecond))
		return nil, err
	}
	d.app.notef("< %s, after %v\n", res.Status, time.Since(began).Round(time.Millisecond))
	d.showHeader("< ", res.Header)
	const most = 4 << 10
	head, err := io.ReadAll(io.LimitReader(res.Body, most))
	d.app.notef("< %s\n", withoutData(head))
	rest := io.MultiReader(bytes.NewReader(head), res.Body)
	if err != nil {
		rest = io.MultiReader(bytes.NewReader(head), failingReader{err})
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{rest, res.Body}
	return res, nil
}

func (d *debugTransport) showHeader(mark string, h http.Header) {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := strings.Join(h[name], ", ")
		switch name {
		case "Signature", "Authorization", "Cookie", "Set-Cookie":
			value = fmt.Sprintf("(%d characters)", len(value))
		}
		d.app.notef("%s%s: %s\n", mark, name, value)
	}
}

// dataOfRecords matches what records contain; cut off at the end, too.
var dataOfRecords = regexp.MustCompile(`"data":"[A-Za-z0-9+/=]*"?`)

func withoutData(body []byte) string {
	return string(dataOfRecords.ReplaceAllFunc(bytes.TrimSpace(body), func(m []byte) []byte {
		return fmt.Appendf(nil, `"data":"(%d characters)"`, max(0, len(m)-len(`"data":""`)))
	}))
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }
