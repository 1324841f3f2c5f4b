package auth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"syncline/auth"
)

func TestParseAuthoritiesRefuses(t *testing.T) {
	t.Parallel()
	for _, list := range []string{
		"https://api.example.com", "api.example.com/graphql", "api.example.com,", ",", "a b", "*.example.com",
		"api.example.com:port", "api.example.com:", ":8080", "user@api.example.com", "::1", "api.example.com?x", "bücher.example", "a%41",
	} {
		if a, err := auth.ParseAuthorities(list); err == nil {
			t.Errorf("%q was read as %+v", list, a)
		}
	}
}

func TestAuthorities(t *testing.T) {
	t.Parallel()
	tests := []struct {
		list, host, signed string
		served             bool
	}{
		{"", "localhost", "localhost", true},
		{"", "LOCALHOST:80", "localhost", true},
		{" ", "localhost:8080", "localhost:8080", true},
		{"", "127.0.0.1:8080", "127.0.0.1:8080", true},
		{"", "[::1]:8080", "[::1]:8080", true},
		{"", "[::1]", "[::1]", true},
		{"", "127.0.0.2", "127.0.0.2", false},
		{"", "localhost.", "localhost.", false},
		{"", "localhost.evil.example:80", "localhost.evil.example", false},
		{"", "0.0.0.0:8080", "0.0.0.0:8080", false},
		{"API.example.com:443", "whatever", "api.example.com", true},
		{"api.example.com", "", "api.example.com", true},
		{"api.example.com", "localhost", "localhost", false},
		{"api.example.com:8443", "api.example.com:8443", "api.example.com", false},
		{"a.example, B.example:80 ,c.example:1", "b.EXAMPLE", "b.example", true},
		{"a.example, B.example:80 ,c.example:1", "c.example:1", "c.example:1", true},
		{"a.example, B.example:80 ,c.example:1", "c.example", "c.example", false},
		{"a.example,b.example", "localhost", "localhost", false},
		{"a.example,b.example", "a.example:8080", "a.example:8080", false},
	}
	for _, tt := range tests {
		authorities, err := auth.ParseAuthorities(tt.list)
		if err != nil {
			t.Errorf("%q: %v", tt.list, err)
			continue
		}
		clock := at(created)
		s := service{t: t, verifier: auth.NewVerifier(authorities, auth.NewMemoryNonces(9, clock), auth.Options{Now: clock})}
		d := newDraft(t, kindPost, "authorities")
		d.signed.Authority = tt.signed
		r := readRequest(t, d.request())
		r.Host = tt.host
		w := s.serve(r)
		if served := w.Code == http.StatusOK; served != tt.served {
			t.Errorf("PUBLIC_AUTHORITIES=%q, Host %q, signed %q: %d %s", tt.list, tt.host, tt.signed, w.Code, w.Body)
		}
	}
}

// A proxy that changes the name or the path of requests is found out by what the
// server says that it was asked for.
func TestAMismatchTellsWhatTheServerSaw(t *testing.T) {
	t.Parallel()
	authorities, err := auth.ParseAuthorities("api.example.com")
	if err != nil {
		t.Fatal(err)
	}
	verifier := auth.NewVerifier(authorities, auth.NewMemoryNonces(9, time.Now), auth.Options{Now: at(created)})
	d := newDraft(t, kindPost, "mismatch")
	d.signed.Authority, d.signed.Path = "localhost:3000", "/api/graphql"
	r := readRequest(t, d.request())
	r.RequestURI = "/graphql"
	w := httptest.NewRecorder()
	verifier.Middleware(http.NotFoundHandler()).ServeHTTP(w, r)
	for _, want := range []string{`\"api.example.com\"`, `\"/graphql\"`, "PUBLIC_AUTHORITIES", `"authority":"api.example.com"`, `"path":"/graphql"`, "does not belong"} {
		if body := w.Body.String(); w.Code != http.StatusUnauthorized || !strings.Contains(body, want) {
			t.Errorf("%d %s lacks %s", w.Code, body, want)
		}
	}

	ws := newDraft(t, kindWebSocket, "mismatch")
	ws.signed.Authority = "localhost:3000"
	request := ws.request()
	for path, want := range map[string]string{
		"/graphql":                      `{"code":"UNAUTHENTICATED","authority":"api.example.com","path":"/graphql"}`,
		"/" + strings.Repeat("x", 1000): `{"code":"UNAUTHENTICATED"}`, // a close frame is small
	} {
		upgrade := readRequest(t, request)
		upgrade.RequestURI = path
		_, err = verifier.VerifyInit(t.Context(), upgrade, map[string]any{"signature-input": request.Payload["signature-input"], "signature": request.Payload["signature"]})
		var refusal *auth.Error
		if !errors.As(err, &refusal) {
			t.Fatal(err)
		}
		if code, reason := refusal.Close(); code != 4403 || reason != want {
			t.Errorf("closed with %d %s, want %s", code, reason, want)
		}
	}
}

func TestForeignNameIsToldTheVariable(t *testing.T) {
	t.Parallel()
	for _, list := range []string{"", "a.example,b.example"} {
		authorities, err := auth.ParseAuthorities(list)
		if err != nil {
			t.Fatal(err)
		}
		verifier := auth.NewVerifier(authorities, auth.NewMemoryNonces(9, time.Now), auth.Options{Now: at(created)})
		w := httptest.NewRecorder()
		verifier.Middleware(http.NotFoundHandler()).ServeHTTP(w, readRequest(t, newDraft(t, kindPost, "told").request()))
		if !strings.Contains(w.Body.String(), "PUBLIC_AUTHORITIES") {
			t.Errorf("%q: %s", list, w.Body)
		}
	}
}
