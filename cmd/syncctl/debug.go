package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"syncline/client"
)

// most of a body or message that is shown, in bytes.
const most = 4 << 10

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

// Unwrap is what WebSockets are dialled with.
func (d *debugTransport) Unwrap() http.RoundTripper { return d.RoundTripper }

// socketTrace shows what WebSockets carry, as debugTransport shows requests.
func (a *app) socketTrace() client.SocketTrace {
	return client.SocketTrace{
		Dialled: func(target *url.URL, err error) {
			a.notef("> GET %s\n", target)
			if err != nil {
				a.notef("< %v\n", err)
			}
		},
		Message: func(sent bool, message []byte) {
			mark := map[bool]string{true: ">", false: "<"}[sent]
			a.notef("%s %s\n", mark, withoutProof(withoutData(message[:min(len(message), most)])))
		},
		Ended: func(err error) { a.notef("< %v\n", err) },
	}
}

// proof matches what authenticates a WebSocket; cut off at the end, too.
var proof = regexp.MustCompile(`"(signature|authorization)":"([^"]*)"?`)

func withoutProof(message string) string {
	return proof.ReplaceAllStringFunc(message, func(m string) string {
		parts := proof.FindStringSubmatch(m)
		return fmt.Sprintf(`"%s":"(%d characters)"`, parts[1], len(parts[2]))
	})
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
