package auth_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"syncline/auth"
	"syncline/auth/signing"
)

func TestUnsignedRequestsPassWithoutPrincipal(t *testing.T) {
	t.Parallel()
	s := newService(t, nil, auth.Options{})
	for name, r := range map[string]*http.Request{
		"POST":             httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader("text")),
		"GET":              httptest.NewRequest(http.MethodGet, "/graphql", nil),
		"digest alone":     withHeaders(httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader("text")), "Content-Digest", "sha-256=:AAAA:"),
		"of another name":  httptest.NewRequest(http.MethodGet, "http://evil.example/", nil),
		"WebSocket":        withHeaders(httptest.NewRequest(http.MethodGet, "/graphql", nil), "Connection", "Upgrade", "Upgrade", "websocket"),
		"preflight":        withHeaders(httptest.NewRequest(http.MethodOptions, "/graphql", nil), "Access-Control-Request-Headers", "signature"),
		"chunked":          chunked("text"),
		"identity encoded": withHeaders(httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader("text")), "Content-Encoding", "Identity"),
	} {
		reached := s.reached
		if w := s.serve(r); w.Code != http.StatusOK || s.reached != reached+1 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if s.owner != "" {
			t.Errorf("%s: acts for %s", name, s.owner)
		}
		if r.Method == http.MethodPost && string(s.body) != "text" {
			t.Errorf("%s: the next handler read %q", name, s.body)
		}
	}
}

// A signature that is there is verified, whatever the request asks for.
func TestAnySignatureHeaderIsVerified(t *testing.T) {
	t.Parallel()
	s := newService(t, nil, auth.Options{})
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodOptions} {
		for _, header := range []string{"Signature", "Signature-Input"} {
			r := withHeaders(httptest.NewRequest(method, "/", nil), header, "")
			if w := s.serve(r); w.Code != http.StatusUnauthorized {
				t.Errorf("%s with empty %s: %d", method, header, w.Code)
			}
		}
	}
	if s.reached != 0 {
		t.Error("the next handler was reached")
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	const limit = 1000
	exact, over := strings.Repeat("a", limit), strings.Repeat("a", limit+1)
	tests := map[string]struct {
		request *http.Request
		status  int
	}{
		"at its edge":          {httptest.NewRequest(http.MethodPost, "/", strings.NewReader(exact)), http.StatusOK},
		"one beyond":           {httptest.NewRequest(http.MethodPost, "/", strings.NewReader(over)), http.StatusRequestEntityTooLarge},
		"chunked at its edge":  {chunked(exact), http.StatusOK},
		"chunked one beyond":   {chunked(over), http.StatusRequestEntityTooLarge},
		"chunked without end":  {endless(), http.StatusRequestEntityTooLarge},
		"announced, not sent":  {announced(limit + 1), http.StatusRequestEntityTooLarge},
		"a signed one at edge": {signedPost(t, "edge", exact), http.StatusOK},
		"a signed one beyond":  {signedPost(t, "beyond", over), http.StatusRequestEntityTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, nil, auth.Options{MaxRequestBytes: limit})
			w := s.serve(tt.request)
			if w.Code != tt.status {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if tt.status == http.StatusOK {
				if string(s.body) != exact {
					t.Errorf("the next handler read %d bytes", len(s.body))
				}
			} else if code := errorCode(t, w); code != string(auth.CodeBadUserInput) || s.reached != 0 {
				t.Errorf("%s, next handler reached %d times", code, s.reached)
			}
		})
	}
}

func TestDefaultBodyLimits(t *testing.T) {
	t.Parallel()
	s := newService(t, nil, auth.Options{})
	for name, test := range map[string]struct {
		request *http.Request
		status  int
	}{
		"signed, 1 MiB":               {signedPost(t, "mebibyte", strings.Repeat("a", 1<<20)), http.StatusOK},
		"signed, 1 MiB and a byte":    {signedPost(t, "more", strings.Repeat("a", 1<<20+1)), http.StatusRequestEntityTooLarge},
		"unsigned, 16 KiB":            {httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(make([]byte, 16<<10))), http.StatusOK},
		"unsigned, 16 KiB and a byte": {httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(make([]byte, 16<<10+1))), http.StatusRequestEntityTooLarge},
		"unsigned, without end":       {endless(), http.StatusRequestEntityTooLarge},
	} {
		if w := s.serve(test.request); w.Code != test.status {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

func TestEncodedBodiesAreRefusedUnsignedToo(t *testing.T) {
	t.Parallel()
	s := newService(t, nil, auth.Options{})
	for _, encodings := range [][]string{{"gzip"}, {"br"}, {"identity, gzip"}, {"identity", "gzip"}, {"x"}} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("text"))
		r.Header["Content-Encoding"] = encodings
		w := s.serve(r)
		if w.Code != http.StatusUnsupportedMediaType || errorCode(t, w) != string(auth.CodeBadUserInput) {
			t.Errorf("%v: %d %s", encodings, w.Code, w.Body)
		}
	}
}

func TestBodyCutOff(t *testing.T) {
	t.Parallel()
	s := newService(t, nil, auth.Options{})
	r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader("te"), brokenReader{}))
	if w := s.serve(r); w.Code != http.StatusBadRequest || errorCode(t, w) != string(auth.CodeBadUserInput) || s.reached != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A request that its headers condemn is refused before its body is read, and so
// is one whose signature does not fit them.
func TestBodyIsNotReadInVain(t *testing.T) {
	t.Parallel()
	late := newService(t, nil, auth.Options{Now: at(created + 1000)})
	r := signedPost(t, "in vain", "text")
	r.Body = io.NopCloser(brokenReader{t})
	if w := late.serve(r); errorCode(t, w) != string(auth.CodeSignatureExpired) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	s := newService(t, nil, auth.Options{})
	for name, headers := range map[string][2]string{
		"another digest": {"Content-Digest", signing.ContentDigest([]byte("other"))},
		"no digest":      {"Content-Digest", ""},
		"another key's":  {"Signature", signedPost(t, "of another", "text").Header.Get("Signature")},
	} {
		r := withHeaders(signedPost(t, "in vain", "text"), headers[0], headers[1])
		r.Body = io.NopCloser(brokenReader{t})
		if w := s.serve(r); errorCode(t, w) != string(auth.CodeUnauthenticated) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	s := newService(t, nil, auth.Options{})
	owner := testKey(t, "owner 1").Public()
	for name, test := range map[string]struct {
		request *http.Request
		key     signing.PublicKey
	}{
		"unsigned": {request: httptest.NewRequest(http.MethodGet, "/", nil)},
		"signed":   {request: signedPost(t, "outcome", "text"), key: owner},
	} {
		ctx, outcome := auth.WithOutcome(test.request.Context())
		s.serve(test.request.WithContext(ctx))
		if p, err := outcome.Get(); err != nil || p.Key != test.key {
			t.Errorf("%s: %v, %v", name, p.Key, err)
		}
	}
	replay := signedPost(t, "outcome", "text")
	ctx, outcome := auth.WithOutcome(replay.Context())
	s.serve(replay.WithContext(ctx))
	if p, err := outcome.Get(); err == nil || err.Code != auth.CodeNonceReused || p != (auth.Principal{}) {
		t.Errorf("replayed: %v, %v", p.Key, err)
	}
}

func TestOutcomeOfConnections(t *testing.T) {
	t.Parallel()
	s := newService(t, nil, auth.Options{})
	ctx, outcome := auth.WithOutcome(t.Context())
	init := newDraft(t, kindWebSocket, "outcome").request()
	payload := map[string]any{"signature-input": init.Payload["signature-input"], "signature": init.Payload["signature"]}

	_, _ = s.verifier.VerifyInit(ctx, readRequest(t, init), payload)
	if p, err := outcome.Get(); err != nil || p.Key != testKey(t, "owner 1").Public() {
		t.Errorf("connection_init: %v, %v", p.Key, err)
	}
	_, _ = s.verifier.VerifyInit(ctx, readRequest(t, init), payload)
	if _, err := outcome.Get(); err == nil || err.Code != auth.CodeNonceReused {
		t.Errorf("connection_init again: %v", err)
	}
}

func TestOverARealConnection(t *testing.T) {
	t.Parallel()
	s := newService(t, nil, auth.Options{})
	server := httptest.NewServer(s.verifier.Middleware(http.HandlerFunc(s.next)))
	t.Cleanup(server.Close)
	r := signedPost(t, "real", "text")
	r.RequestURI = ""
	r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(server.URL, "http://")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || s.owner != testKey(t, "owner 1").Public().String() || string(s.body) != "text" {
		t.Errorf("%s, owner %q, body %q", resp.Status, s.owner, s.body)
	}
}

func signedPost(t testing.TB, name, text string) *http.Request {
	t.Helper()
	d := newDraft(t, kindPost, name).withBody([]byte(text))
	return readRequest(t, d.request())
}

func withHeaders(r *http.Request, pairs ...string) *http.Request {
	for i := 0; i < len(pairs); i += 2 {
		r.Header.Set(pairs[i], pairs[i+1])
	}
	return r
}

func chunked(text string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(strings.NewReader(text)))
	r.ContentLength = -1
	return r
}

func endless() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(zeros{}))
	r.ContentLength = -1
	return r
}

func announced(length int64) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(brokenReader{}))
	r.ContentLength = length
	return r
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// brokenReader fails; with a test in it, it must not be read at all.
type brokenReader struct{ t *testing.T }

func (b brokenReader) Read([]byte) (int, error) {
	if b.t != nil {
		b.t.Error("the body was read")
	}
	return 0, errors.New("connection lost")
}
