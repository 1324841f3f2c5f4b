package playground_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"syncline/internal/playground"
)

func get(t *testing.T, method, path string, headers map[string]string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	playground.Serve(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		zipped, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		body = zipped
	}
	read, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(read)
}

func TestPlaygroundSaysWhatThereIsWithoutScript(t *testing.T) {
	t.Parallel()
	page := text(t, get(t, http.MethodGet, "/", nil))
	for _, want := range []string{"/graphql", "schema.graphql", "README"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not name %s", want)
		}
	}
}

func TestPlaygroundIsWholeAndCachedByName(t *testing.T) {
	t.Parallel()
	page := text(t, get(t, http.MethodGet, "/", nil))
	parts := regexp.MustCompile(`(?:src|href)="\.(/assets/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(parts) < 3 {
		t.Fatalf("the page has %d parts: %s", len(parts), page)
	}
	for _, part := range parts {
		r := get(t, http.MethodGet, part[1], nil)
		if r.StatusCode != http.StatusOK || !strings.Contains(r.Header.Get("Cache-Control"), "immutable") || r.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", part[1], r.StatusCode, r.Header)
		}
	}
	if r := get(t, http.MethodGet, "/", nil); r.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("the page itself is cached: %v", r.Header)
	}
	if r := get(t, http.MethodGet, "/licenses.md", nil); !strings.Contains(text(t, r), "MIT") {
		t.Error("no licences")
	}
}

func TestPlaygroundRunsNoScriptButItsOwn(t *testing.T) {
	t.Parallel()
	policy := get(t, http.MethodGet, "/", nil).Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "connect-src 'self';", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe-eval") {
		t.Errorf("policy %q lets text become script", policy)
	}
}

func TestPlaygroundNegotiatesGzip(t *testing.T) {
	t.Parallel()
	plain := text(t, get(t, http.MethodGet, "/", nil))
	for accepted, want := range map[string]string{
		"":                     "",
		"br":                   "",
		"gzip;q=0, *":          "",
		"gzip; q=0.0":          "",
		"br, gzip":             "gzip",
		"gzip;q=0.5":           "gzip",
		"*":                    "gzip",
		"*;q=0, gzip":          "gzip",
		"deflate, gzip;q=1, *": "gzip",
	} {
		r := get(t, http.MethodGet, "/", map[string]string{"Accept-Encoding": accepted})
		if got := r.Header.Get("Content-Encoding"); got != want || r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: answered in %q, %v", accepted, got, r.Header)
		}
		if text(t, r) != plain {
			t.Errorf("Accept-Encoding %q: another page", accepted)
		}
	}
}

func TestPlaygroundAnswersWhatIsKnownAlready(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"identity", "gzip"} {
		headers := map[string]string{"Accept-Encoding": encoding}
		first := get(t, http.MethodGet, "/", headers)
		headers["If-None-Match"] = first.Header.Get("ETag")
		if again := get(t, http.MethodGet, "/", headers); again.StatusCode != http.StatusNotModified || rawBody(t, again) != "" {
			t.Errorf("%s: %d", encoding, again.StatusCode)
		}
	}
	zipped := get(t, http.MethodGet, "/", map[string]string{"Accept-Encoding": "gzip"}).Header.Get("ETag")
	if zipped == get(t, http.MethodGet, "/", nil).Header.Get("ETag") {
		t.Error("two encodings share an ETag")
	}
}

func rawBody(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestPlaygroundHead(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"identity", "gzip"} {
		r := get(t, http.MethodHead, "/", map[string]string{"Accept-Encoding": encoding, "Range": "bytes=0-9"})
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Length") == "" || rawBody(t, r) != "" {
			t.Errorf("%s: %d %v", encoding, r.StatusCode, r.Header)
		}
	}
}

func TestPlaygroundHasNothingElse(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/assets/", "/assets/none.js", "/assets/../index.html.gz/..", "/index", "/playground.go"} {
		if r := get(t, http.MethodGet, path, nil); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}
