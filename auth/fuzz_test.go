package auth_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"syncline/auth"
	"syncline/auth/signing"
)

// FuzzMiddleware throws bytes at a server as they come from the wire. What it
// accepts as signed must be signed: the base text, built here once more from
// what came, must recover the owner that it was taken for.
func FuzzMiddleware(f *testing.F) {
	v := readVectors(f)
	for _, c := range v.Accepted[:6] {
		f.Add(rawRequest(c.Request))
	}
	for _, c := range v.Refused {
		if c.Kind != kindWebSocket && len(c.Before) == 0 && c.Server == publicServer {
			f.Add(rawRequest(c.Request))
		}
	}
	authorities, err := auth.ParseAuthorities(authority)
	if err != nil {
		f.Fatal(err)
	}
	now := at(publicServer.Now)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		headers, target, method := r.Header.Clone(), r.RequestURI, r.Method
		verifier := auth.NewVerifier(authorities, auth.NewMemoryNonces(10, now), auth.Options{Now: now, MaxRequestBytes: 10_000})
		next := func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || len(body) > 10_000 {
				t.Errorf("the next handler got %d bytes and %v", len(body), err)
			}
			if p, ok := auth.FromContext(r.Context()); ok {
				isSignedBy(t, p.Key, method, target, headers, body)
			} else if len(headers.Values("Signature")) > 0 {
				t.Error("passed unverified")
			}
		}
		w := httptest.NewRecorder()
		verifier.Middleware(http.HandlerFunc(next)).ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			errorCode(t, w)
		}
	})
}

func rawRequest(r vectorRequest) []byte {
	var raw bytes.Buffer
	fmt.Fprintf(&raw, "%s %s HTTP/1.1\r\n", r.Method, r.Target)
	for _, h := range r.Headers {
		fmt.Fprintf(&raw, "%s: %s\r\n", h[0], h[1])
	}
	if len(r.Body) > 0 {
		fmt.Fprintf(&raw, "Content-Length: %d\r\n", len(r.Body))
	}
	raw.WriteString("\r\n")
	raw.Write(r.Body)
	return raw.Bytes()
}

// isSignedBy goes another way than the verifier: from the signature's own input
// to the lines that it covers.
func isSignedBy(t *testing.T, key signing.PublicKey, method, target string, headers http.Header, body []byte) {
	t.Helper()
	if u, err := url.Parse(target); err == nil && u.Host != "" && !strings.HasPrefix(target, "/") {
		target = u.RequestURI() // absolute form: the host in it does not matter here
	}
	path, query, hasQuery := strings.Cut(target, "?")
	input := strings.TrimPrefix(headers.Get("Signature-Input"), "sig=")
	list, _, _ := strings.Cut(input, ")")
	values := map[string]string{
		"@method": method, "@authority": authority, "@path": path, "@query": "?" + query,
		"content-digest": signing.ContentDigest(body),
	}
	if hasQuery != strings.Contains(list, `"@query"`) || (method != http.MethodGet) != strings.Contains(list, `"content-digest"`) {
		t.Fatalf("%s covers too little or too much for %s %s", list, method, target)
	}
	var text strings.Builder
	for _, name := range strings.Fields(strings.TrimPrefix(list, "(")) {
		fmt.Fprintf(&text, "%s: %s\n", name, values[strings.Trim(name, `"`)])
	}
	text.WriteString(`"@signature-params": ` + input)
	m := signing.Message{Tag: signing.TagHTTP, Method: method, Authority: authority, Path: path}
	if hasQuery {
		m.Query = "?" + query
	}
	signed, err := m.Parse(headers.Get("Signature-Input"), headers.Get("Signature"))
	if err != nil {
		t.Fatal(err)
	}
	if owner, err := signing.Recover(text.String(), signed.Signature); err != nil || owner != key {
		t.Errorf("acts for %v, but %v signed: %v", key, owner, err)
	}
	if age := time.Unix(publicServer.Now, 0).Sub(time.Unix(signed.Created, 0)); age > 300*time.Second || age < -60*time.Second {
		t.Errorf("%v old", age)
	}
}
