package auth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"syncline/auth"
	"syncline/auth/signing"
)

func TestWindow(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		age  time.Duration // of the signature, by the server's clock
		code auth.Code
	}{
		"just made":                  {0, ""},
		"as old as may be":           {300 * time.Second, ""},
		"a nanosecond too old":       {300*time.Second + 1, auth.CodeSignatureExpired},
		"a year old":                 {365 * 24 * time.Hour, auth.CodeSignatureExpired},
		"as far ahead as may be":     {-60 * time.Second, ""},
		"a nanosecond too far ahead": {-60*time.Second - 1, auth.CodeSignatureExpired},
		"a year ahead":               {-365 * 24 * time.Hour, auth.CodeSignatureExpired},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := func() time.Time { return time.Unix(created, 0).Add(tt.age) }
			s := newService(t, nil, auth.Options{Now: now})
			for _, kind := range []string{kindPost, kindGet} {
				if got := s.send(newDraft(t, kind, name).request()); got != string(tt.code) {
					t.Errorf("%s: code %q, want %q", kind, got, tt.code)
				}
			}
			if got := s.init(newDraft(t, kindWebSocket, name).request()); got != string(tt.code) {
				t.Errorf("connection_init: code %q, want %q", got, tt.code)
			}
		})
	}
}

func TestCreatedBeyondAnyClock(t *testing.T) {
	t.Parallel()
	s := newService(t, nil, auth.Options{})
	for _, unix := range []int64{0, 1, 999_999_999_999_999} {
		if got := s.send(newDraft(t, kindPost, "beyond").createdAt(unix).request()); got != string(auth.CodeSignatureExpired) {
			t.Errorf("created %d: code %q", unix, got)
		}
	}
}

func TestExpiredTellsTheTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 3, 4, 5, 678_901_234, time.FixedZone("", 3600))
	s := newService(t, nil, auth.Options{Now: func() time.Time { return now }})
	w := s.serve(readRequest(t, newDraft(t, kindPost, "expired").request()))
	if got := extensions(t, w)["serverTime"]; got != "2026-11-22T02:04:05.678901Z" {
		t.Errorf("serverTime is %v", got)
	}
}

// A replay must not pass because the memory of nonces began anew.
func TestSignaturesFromBeforeTheStart(t *testing.T) {
	t.Parallel()
	started := time.Unix(created, 0).Add(400 * time.Millisecond)
	now := started.Add(100 * time.Millisecond)
	clock := func() time.Time { return now }
	s := newService(t, nil, auth.Options{Now: clock, RefuseBefore: started})

	w := s.serve(readRequest(t, newDraft(t, kindPost, "before").request()))
	ext := extensions(t, w)
	if ext["code"] != string(auth.CodeSignatureExpired) {
		t.Fatalf("created in the second of the start: %v", ext)
	}
	corrected, err := time.Parse(time.RFC3339, ext["serverTime"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.send(newDraft(t, kindPost, "corrected").createdAt(corrected.Unix()).request()); got != "" {
		t.Errorf("created at serverTime: %q", got)
	}

	if got := s.init(newDraft(t, kindWebSocket, "no durable").request()); got != string(auth.CodeSignatureExpired) {
		t.Errorf("connection_init without durable memory: %q", got)
	}
	durable := newService(t, nil, auth.Options{Now: clock, RefuseBefore: started, Durable: auth.NewMemoryNonces(9, clock)})
	if got := durable.init(newDraft(t, kindWebSocket, "durable").request()); got != "" {
		t.Errorf("connection_init with durable memory: %q", got)
	}
	if got := durable.send(newDraft(t, kindPost, "durable").request()); got != string(auth.CodeSignatureExpired) {
		t.Errorf("POST with durable memory: %q", got)
	}
}

// emptied is a memory that lost what it knew at a time.
type emptied struct{ at time.Time }

func (e emptied) Remember(_ context.Context, _ signing.PublicKey, _ signing.Nonce, until time.Time) error {
	if until.Add(-auth.MaxAge).Before(e.at) {
		return fmt.Errorf("wrapped: %w", &auth.ForgottenError{Before: e.at})
	}
	return nil
}

// Who corrects a clock by the answer is served.
func TestSignaturesThatTheMemoryForgot(t *testing.T) {
	t.Parallel()
	lost := time.Unix(created, 0).Add(400 * time.Millisecond)
	s := newService(t, emptied{lost}, auth.Options{Now: func() time.Time { return lost.Add(100 * time.Millisecond) }})
	ext := extensions(t, s.serve(readRequest(t, newDraft(t, kindPost, "before").request())))
	if ext["code"] != string(auth.CodeSignatureExpired) {
		t.Fatalf("created in the second of the loss: %v", ext)
	}
	corrected, err := time.Parse(time.RFC3339, ext["serverTime"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.send(newDraft(t, kindPost, "corrected").createdAt(corrected.Unix()).request()); got != "" {
		t.Errorf("created at serverTime: %q", got)
	}
	if got := s.init(newDraft(t, kindWebSocket, "socket").request()); got != string(auth.CodeSignatureExpired) {
		t.Errorf("connection_init: %q", got)
	}
}

// The durable memory stands for a database: it is there when a new process, with
// new memory of its own, sees the same connection_init again.
func TestDurableMemoryOutlastsTheProcess(t *testing.T) {
	t.Parallel()
	durable := auth.NewMemoryNonces(9, at(created))
	r := newDraft(t, kindWebSocket, "outlasts").request()
	if got := newService(t, nil, auth.Options{Durable: durable}).init(r); got != "" {
		t.Fatalf("first: %q", got)
	}
	if got := newService(t, nil, auth.Options{Durable: durable}).init(r); got != string(auth.CodeNonceReused) {
		t.Errorf("again after a restart: %q", got)
	}
	if durable.Len() != 1 {
		t.Errorf("the durable memory holds %d nonces", durable.Len())
	}
	if got := newService(t, nil, auth.Options{Durable: durable}).send(newDraft(t, kindPost, "http").request()); got != "" {
		t.Errorf("POST: %q", got)
	}
	if durable.Len() != 1 {
		t.Error("a POST's nonce went to the durable memory")
	}
}

func TestNonceServesAgainOnlyWhenItsSignatureCannot(t *testing.T) {
	t.Parallel()
	clock := startClock(created)
	s := newService(t, auth.NewMemoryNonces(100, clock.Now), auth.Options{Now: clock.Now})
	d := newDraft(t, kindPost, "again").createdAt(created + 60)
	if got := s.send(d.request()); got != "" {
		t.Fatal(got)
	}
	for range 36 {
		clock.Advance(10 * time.Second)
		if got := s.send(d.request()); got != string(auth.CodeNonceReused) {
			t.Errorf("%v later: %q", clock.Now().Unix()-created, got)
		}
	}
	clock.Advance(time.Second)
	if got := s.send(d.request()); got != string(auth.CodeSignatureExpired) {
		t.Errorf("361 s later: %q", got)
	}
}

// What does not verify must not use up its nonce, or anybody could use up those
// of others.
func TestRefusedRequestsLeaveTheNonceAlone(t *testing.T) {
	t.Parallel()
	nonces := auth.NewMemoryNonces(100, at(created))
	s := newService(t, nonces, auth.Options{})
	d := newDraft(t, kindPost, "left alone")
	r := d.request()
	tampered := r
	tampered.Body = []byte("{}")
	if got := s.send(tampered); got != string(auth.CodeUnauthenticated) {
		t.Fatal(got)
	}
	stolen := d.by("owner 2").forged(d.by("owner 2").key.Public().String(), d.key.Public().String())
	if got := s.send(stolen); got != string(auth.CodeUnauthenticated) {
		t.Fatal(got)
	}
	if nonces.Len() != 0 {
		t.Errorf("%d nonces are remembered", nonces.Len())
	}
	if got := s.send(r); got != "" {
		t.Errorf("the true request: %q", got)
	}
}

func TestFullMemoryIsUnavailable(t *testing.T) {
	t.Parallel()
	s := newService(t, auth.NewMemoryNonces(1, at(created)), auth.Options{})
	if got := s.send(newDraft(t, kindPost, "first").request()); got != "" {
		t.Fatal(got)
	}
	ctx, outcome := auth.WithOutcome(t.Context())
	w := s.serve(readRequest(t, newDraft(t, kindPost, "second").request()).WithContext(ctx))
	ext := extensions(t, w)
	_, refusal := outcome.Get()
	if w.Code != http.StatusServiceUnavailable || ext["code"] != "UNAVAILABLE" || ext["outcome"] != "NOT_APPLIED" {
		t.Errorf("%d %v", w.Code, ext)
	}
	if ext["retryAfterMs"] != 2000.0 || w.Header().Get("Retry-After") != "2" {
		t.Errorf("retryAfterMs %v, Retry-After %q", ext["retryAfterMs"], w.Header().Get("Retry-After"))
	}
	if strings.Contains(w.Body.String(), "full") || !errors.Is(refusal, auth.ErrNonceMemoryFull) {
		t.Errorf("the cause belongs in the outcome (%v), not in %s", refusal, w.Body)
	}
	if got := s.send(newDraft(t, kindPost, "first").request()); got != string(auth.CodeNonceReused) {
		t.Errorf("the first one again: %q", got)
	}
	code, reason := refusal.Close()
	if code != 1013 || reason != `{"code":"UNAVAILABLE","retryAfterMs":2000}` {
		t.Errorf("a WebSocket would be closed with %d %s", code, reason)
	}
}

func TestFailingDurableMemoryIsUnavailable(t *testing.T) {
	t.Parallel()
	s := newService(t, nil, auth.Options{Durable: brokenNonces{}})
	if got := s.init(newDraft(t, kindWebSocket, "broken").request()); got != string(auth.CodeUnavailable) {
		t.Errorf("code %q", got)
	}
}

type brokenNonces struct{}

func (brokenNonces) Remember(context.Context, signing.PublicKey, signing.Nonce, time.Time) error {
	return errors.New("the disk is on fire")
}

func TestCloseReasonIsSmall(t *testing.T) {
	t.Parallel()
	s := newService(t, nil, auth.Options{Now: at(created + 1000)})
	r := newDraft(t, kindWebSocket, "late").request()
	_, err := s.verifier.VerifyInit(t.Context(), readRequest(t, r),
		map[string]any{"signature-input": r.Payload["signature-input"], "signature": r.Payload["signature"]})
	var refusal *auth.Error
	if !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	code, reason := refusal.Close()
	if code != 4403 || reason != `{"code":"SIGNATURE_EXPIRED","serverTime":"2024-11-22T00:16:40.000000Z"}` {
		t.Errorf("%d %s", code, reason)
	}
	if len(reason) > 123 {
		t.Errorf("%d bytes do not fit a close frame", len(reason))
	}
}

// A request over a limit is told when to come again, however it came.
func TestRateLimited(t *testing.T) {
	t.Parallel()
	refusal := auth.RateLimited("too many requests: wait", 1500*time.Millisecond)
	w := httptest.NewRecorder()
	refusal.ServeHTTP(w, nil)
	const body = `{"errors":[{"message":"too many requests: wait","extensions":{"code":"RATE_LIMITED","retryAfterMs":1500}}]}`
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "2" || strings.TrimSpace(w.Body.String()) != body {
		t.Errorf("%d, Retry-After %q, %s", w.Code, w.Header().Get("Retry-After"), w.Body)
	}
	if code, reason := refusal.Close(); code != 4429 || reason != `{"code":"RATE_LIMITED","retryAfterMs":1500}` {
		t.Errorf("closes with %d %s", code, reason)
	}
}

func TestInitPayloadOfOtherTypes(t *testing.T) {
	t.Parallel()
	s := newService(t, nil, auth.Options{})
	r := newDraft(t, kindWebSocket, "types").request()
	for name, payload := range map[string]map[string]any{
		"nil":               nil,
		"number":            {"signature-input": 1.0, "signature": r.Payload["signature"]},
		"null":              {"signature-input": r.Payload["signature-input"], "signature": nil},
		"list":              {"signature-input": r.Payload["signature-input"], "signature": []any{r.Payload["signature"]}},
		"header-like names": {"Signature-Input": r.Payload["signature-input"], "Signature": r.Payload["signature"]},
	} {
		_, err := s.verifier.VerifyInit(t.Context(), readRequest(t, r), payload)
		var refusal *auth.Error
		if !errors.As(err, &refusal) || refusal.Code != auth.CodeUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A body that comes slowly must not take its signature past the time until
// which its nonce is remembered.
func TestReplayWhoseBodyComesSlowly(t *testing.T) {
	t.Parallel()
	clock := startClock(created)
	s := newService(t, auth.NewMemoryNonces(100, clock.Now), auth.Options{Now: clock.Now})
	r := newDraft(t, kindPost, "slowly").request()
	if got := s.send(r); got != "" {
		t.Fatal(got)
	}
	clock.Advance(299 * time.Second)
	replay := readRequest(t, r)
	replay.Body = &slowBody{ReadCloser: replay.Body, read: func() { clock.Advance(50 * time.Second) }}
	w := s.serve(replay)
	if s.reached != 1 {
		t.Fatal("the replay was served")
	}
	if got := errorCode(t, w); got != string(auth.CodeSignatureExpired) {
		t.Errorf("code %q", got)
	}
}

// slowBody calls a function before it is read for the first time.
type slowBody struct {
	io.ReadCloser
	read func()
	once sync.Once
}

func (b *slowBody) Read(p []byte) (int, error) {
	b.once.Do(b.read)
	return b.ReadCloser.Read(p)
}
