package crossorigin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"syncline/internal/crossorigin"
)

func TestPreflight(t *testing.T) {
	handler := crossorigin.New([]string{"https://app.example"}).Handler(http.NotFoundHandler())
	for _, test := range []struct {
		origin  string
		headers string
		allowed bool
	}{
		{"https://app.example", "content-digest,content-type,signature,signature-input", true},
		{"https://app.example", "authorization,content-type", true},
		{"https://app.example", "x-other", false},
		{"https://evil.example", "content-type", false},
	} {
		r := httptest.NewRequest(http.MethodOptions, "/graphql", nil)
		r.Header.Set("Origin", test.origin)
		r.Header.Set("Access-Control-Request-Method", http.MethodPost)
		r.Header.Set("Access-Control-Request-Headers", test.headers)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if got := w.Header().Get("Access-Control-Allow-Origin") == test.origin; got != test.allowed {
			t.Errorf("%s with %s: allowed is %t, want %t", test.origin, test.headers, got, test.allowed)
		}
		if got := w.Header().Get("Access-Control-Max-Age"); test.allowed && got != "7200" {
			t.Errorf("max age %q", got)
		}
	}
}

func TestAnswersShowRequestIDs(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
	r.Header.Set("Origin", "https://anywhere.example")
	w := httptest.NewRecorder()
	crossorigin.New([]string{"*"}).Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	if got := strings.ToLower(w.Header().Get("Access-Control-Expose-Headers")); got != "retry-after, x-request-id" {
		t.Errorf("exposed headers %q", got)
	}
}

func TestSockets(t *testing.T) {
	listed, all, none := crossorigin.New([]string{"https://app.example"}), crossorigin.New([]string{"*"}), crossorigin.New(nil)
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
