package auth_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"syncline/auth"
	"syncline/auth/noncetest"
)

// service is a verifier with a handler behind it.
type service struct {
	t        testing.TB
	verifier *auth.Verifier
	reached  int
	body     []byte
	owner    string // empty if the last request had no Principal
}

func newService(t testing.TB, nonces auth.NonceMemory, opts auth.Options) *service {
	t.Helper()
	authorities, err := auth.ParseAuthorities(authority)
	if err != nil {
		t.Fatal(err)
	}
	if opts.Now == nil {
		opts.Now = func() time.Time { return time.Unix(created, 0) }
	}
	if nonces == nil {
		nonces = auth.NewMemoryNonces(100, opts.Now)
	}
	return &service{t: t, verifier: auth.NewVerifier(authorities, nonces, opts)}
}

func (s *service) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.verifier.Middleware(http.HandlerFunc(s.next)).ServeHTTP(w, r)
	return w
}

func (s *service) next(_ http.ResponseWriter, r *http.Request) {
	s.reached++
	s.owner = ""
	if p, ok := auth.FromContext(r.Context()); ok {
		s.owner = p.Key.String()
	}
	var err error
	if s.body, err = io.ReadAll(r.Body); err != nil {
		s.t.Error(err)
	}
}

// send serves a request and gives the code of its refusal, empty if there is
// none.
func (s *service) send(r vectorRequest) string {
	s.t.Helper()
	w := s.serve(readRequest(s.t, r))
	if w.Code == http.StatusOK {
		return ""
	}
	return errorCode(s.t, w)
}

// init verifies a connection_init and gives the code of its refusal.
func (s *service) init(r vectorRequest) string {
	s.t.Helper()
	got := vectorRun{s.t, s.verifier}.sendInit(readRequest(s.t, r), r.Payload)
	return got.code
}

func at(unix int64) func() time.Time {
	return func() time.Time { return time.Unix(unix, 0) }
}

func startClock(unix int64) *noncetest.Clock {
	clock := noncetest.NewClock()
	clock.Advance(time.Unix(unix, 0).Sub(clock.Now()))
	return clock
}

// extensions of the only error of an answer.
func extensions(t testing.TB, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	errorCode(t, w)
	var answer struct {
		Errors []struct{ Extensions map[string]any }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Errors[0].Extensions
}
