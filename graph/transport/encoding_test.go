package transport_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"syncline/graph/object"
	"syncline/graph/transport"
)

const readRecord = `{"query":"{ record(id: \"a\") { data } }"}`

// longRecord answers with a record of which much is to be saved.
func longRecord(size int) *api {
	return &api{record: func(context.Context, string) (*object.Record, error) {
		return &object.Record{Data: bytes.Repeat([]byte("note "), size/5)}, nil
	}}
}

// ask posts with an Accept-Encoding header, and leaves the answer as it comes.
func (f *fixture) ask(accepted []string, accept string) (*http.Response, []byte) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.server.URL, strings.NewReader(readRecord))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {accept}, "Accept-Encoding": accepted}
	client := http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp, body
}

func decoded(t *testing.T, encoding string, body []byte) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(body)
	var err error
	switch encoding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1)); err == nil {
			defer d.Close()
			r = d
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

func TestLargeAnswersAreCompressedWhenAskedFor(t *testing.T) {
	t.Parallel()
	f := serve(t, longRecord(100_000), transport.Config{})
	_, plain := f.ask(nil, "application/json")
	for accepted, want := range map[string]string{
		"gzip":                        "gzip",
		"zstd":                        "zstd",
		"gzip, deflate, br, zstd":     "zstd",
		"gzip;q=1.0, zstd;q=0.5":      "gzip",
		"GZIP":                        "gzip",
		"":                            "",
		"identity":                    "",
		"gzip;q=0":                    "",
		"br, deflate":                 "",
		"gzip;q=lots":                 "",
		"gzip;q=NaN":                  "",
		";;;,,,;q=":                   "",
		strings.Repeat("x;q=1,", 999): "",
	} {
		resp, body := f.ask([]string{accepted}, "application/json")
		if got := resp.Header.Get("Content-Encoding"); got != want {
			t.Errorf("%.30q: Content-Encoding %q, want %q", accepted, got, want)
			continue
		}
		if text := decoded(t, want, body); text != string(plain) {
			t.Errorf("%.30q: %d bytes, want the %d that come without", accepted, len(text), len(plain))
		}
		if want != "" && len(body) > len(plain)/10 {
			t.Errorf("%q: %d bytes of %d", accepted, len(body), len(plain))
		}
		if got := resp.Header.Values("Vary"); len(got) != 1 || got[0] != "Accept-Encoding" {
			t.Errorf("%.30q: Vary %q", accepted, got)
		}
		if got := resp.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%.30q: Cache-Control %q", accepted, got)
		}
	}
}

func TestSmallAnswersAreNotCompressed(t *testing.T) {
	t.Parallel()
	f := serve(t, longRecord(1000), transport.Config{})
	resp, body := f.ask([]string{"gzip, zstd"}, "application/json")
	if resp.Header.Get("Content-Encoding") != "" || !bytes.HasPrefix(body, []byte(`{"data":`)) {
		t.Errorf("%v %.50s", resp.Header, body)
	}
	if got := resp.Header.Values("Vary"); len(got) != 1 || got[0] != "Accept-Encoding" {
		t.Errorf("Vary %q", got)
	}
}

// A compressor would hold events back.
func TestEventStreamsAreNotCompressed(t *testing.T) {
	t.Parallel()
	f := serve(t, longRecord(100_000), transport.Config{})
	resp, body := f.ask([]string{"gzip, zstd"}, "text/event-stream")
	if resp.Header.Get("Content-Encoding") != "" || !bytes.Contains(body, []byte("event: next")) {
		t.Errorf("%v %.50s", resp.Header, body)
	}
}
