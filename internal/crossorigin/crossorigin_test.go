package crossorigin_test

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"syncline/internal/crossorigin"
)

var silent = slog.New(slog.DiscardHandler)

// preflight asks as a browser does before a POST.
func preflight(policy *crossorigin.Policy, origin string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodOptions, "/graphql", nil)
	r.Header.Set("Origin", origin)
	r.Header.Set("Access-Control-Request-Method", http.MethodPost)
	r.Header["Access-Control-Request-Headers"] = headers
	w := httptest.NewRecorder()
	policy.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	return w
}

func TestPreflight(t *testing.T) {
	listed := crossorigin.New(crossorigin.GraphQL, []string{"https://app.example"}, []string{"Traceparent", "X-App"}, silent)
	all := crossorigin.New(crossorigin.GraphQL, []string{"*"}, []string{"*"}, silent)
	for _, test := range []struct {
		policy      *crossorigin.Policy
		origin      string
		headers     string
		allowed     string
		credentials string
	}{
		{listed, "https://app.example", "content-digest,content-type,signature,signature-input", "https://app.example", "true"},
		{listed, "https://app.example", "authorization,content-type", "https://app.example", "true"},
		{listed, "https://app.example", "content-type,traceparent,x-app", "https://app.example", "true"},
		{listed, "https://app.example", "x-other", "", ""},
		{listed, "https://evil.example", "content-type", "", ""},
		{all, "https://anywhere.example", "anything,content-type", "*", ""}, // cookies never go to pages of all origins
	} {
		w := preflight(test.policy, test.origin, test.headers)
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != test.allowed {
			t.Errorf("%s with %s: allowed is %q, want %q", test.origin, test.headers, got, test.allowed)
		}
		if got := w.Header().Get("Access-Control-Allow-Headers"); test.allowed != "" && got != test.headers {
			t.Errorf("%s with %s: allowed headers are %q", test.origin, test.headers, got)
		}
		if got := w.Header().Get("Access-Control-Allow-Credentials"); got != test.credentials {
			t.Errorf("%s: credentials are %q, want %q", test.origin, got, test.credentials)
		}
		if got := w.Header().Get("Access-Control-Max-Age"); test.allowed != "" && got != "7200" {
			t.Errorf("max age %q", got)
		}
	}
}

// Who looks at the answer, or into the log, learns what is missing.
func TestARefusedPreflightTellsWhy(t *testing.T) {
	var log strings.Builder
	policy := crossorigin.New(crossorigin.GraphQL, []string{"https://app.example"}, []string{"Traceparent"}, slog.New(slog.NewTextHandler(&log, nil)))
	for _, test := range []struct{ origin, headers, want string }{
		{"https://app.example", "content-type,traceparent,x-other", `header \"x-other\" here: see ALLOWED_HEADERS`},
		{"https://app.example", "x-other", `header \"x-other\" here: see ALLOWED_HEADERS`},
		{"https://evil.example", "content-type", `pages of \"https://evil.example\" may not use this server: see ALLOWED_ORIGINS`},
	} {
		w := preflight(policy, test.origin, test.headers)
		if body := w.Body.String(); w.Code != http.StatusForbidden || !strings.Contains(body, test.want) || !strings.Contains(body, `"code":"FORBIDDEN"`) {
			t.Errorf("%s with %s: %d %s", test.origin, test.headers, w.Code, body)
		}
	}
	if strings.Count(log.String(), "header=x-other") != 1 || !strings.Contains(log.String(), "origin=https://app.example") {
		t.Errorf("the log says %q", &log)
	}
	for range 100 {
		preflight(policy, "https://app.example", rand.Text(), strings.Repeat("x", 1000))
	}
	if lines := strings.Count(log.String(), "\n"); lines > 20 || len(log.String()) > 20*400 {
		t.Errorf("the log has %d lines, %d bytes", lines, len(log.String()))
	}
}

// What clients of Breez data-sync send from pages, and what they read, is allowed to the pages
// that are.
func TestGRPCWeb(t *testing.T) {
	policy := crossorigin.New(crossorigin.GRPCWeb, []string{"https://app.example"}, nil, silent)
	for _, header := range []string{
		"authorization", "content-type", "x-grpc-web", "user-agent", "x-user-agent", "grpc-timeout",
		"connect-protocol-version", "connect-timeout-ms", "connect-accept-encoding", "connect-content-encoding",
	} {
		if got := preflight(policy, "https://app.example", header).Header(); got.Get("Access-Control-Allow-Origin") != "https://app.example" || got.Get("Access-Control-Allow-Headers") != header {
			t.Errorf("%s: %v", header, got)
		}
	}
	if w := preflight(policy, "https://evil.example", "content-type"); w.Code != http.StatusForbidden || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %d %v", w.Code, w.Header())
	}
	r := httptest.NewRequest(http.MethodPost, "/sync.Syncer/ListChanges", nil)
	r.Header.Set("Origin", "https://app.example")
	w := httptest.NewRecorder()
	policy.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	if got := strings.ToLower(w.Header().Get("Access-Control-Expose-Headers")); got != "grpc-status, grpc-message, grpc-status-details-bin" {
		t.Errorf("exposed headers %q", got)
	}
}

func TestAnswersShowRequestIDs(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
	r.Header.Set("Origin", "https://anywhere.example")
	w := httptest.NewRecorder()
	crossorigin.New(crossorigin.GraphQL, []string{"*"}, nil, silent).Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	if got := strings.ToLower(w.Header().Get("Access-Control-Expose-Headers")); got != "retry-after, x-request-id" {
		t.Errorf("exposed headers %q", got)
	}
}

func TestSockets(t *testing.T) {
	listed, all, none := crossorigin.New(crossorigin.GraphQL, []string{"https://app.example"}, nil, silent), crossorigin.New(crossorigin.GraphQL, []string{"*"}, nil, silent), crossorigin.New(crossorigin.GraphQL, nil, nil, silent)
	for _, test := range []struct {
		policy  *crossorigin.Policy
		origin  string
		allowed bool
	}{
		{listed, "", true},
		{listed, "https://app.example", true},
		{listed, "https://sync.example", true}, // its own page
		{listed, "https://evil.example", false},
		{listed, "null", false},
		{all, "https://evil.example", true},
		{none, "https://evil.example", false},
		{none, "https://sync.example", true},
	} {
		r := httptest.NewRequest(http.MethodGet, "https://sync.example/graphql", nil)
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		if got := test.policy.AllowsSocket(r); got != test.allowed {
			t.Errorf("origin %q: %t, want %t", test.origin, got, test.allowed)
		}
	}
}
