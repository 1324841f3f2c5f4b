package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"syncline/auth/signing"
	"syncline/client"
)

const written = `{"data":{"setRecord":{"status":"SUCCESS","newRevision":7,"record":{"id":"a","data":"eA==","revision":7},"replayed":false}}}`

func TestFailuresThatPassAreTriedAgain(t *testing.T) {
	failures := map[string]answer{
		"connection lost":       hangUp,
		"unavailable":           coded(503, `"code":"UNAVAILABLE","outcome":"NOT_APPLIED","retryAfterMs":1`),
		"outcome unknown":       coded(503, `"code":"UNAVAILABLE","outcome":"UNKNOWN"`),
		"unavailable in a 200":  coded(200, `"code":"UNAVAILABLE","outcome":"UNKNOWN"`),
		"rate limited":          coded(429, `"code":"RATE_LIMITED","retryAfterMs":10`),
		"delivered twice":       coded(401, `"code":"NONCE_REUSED"`),
		"gateway without JSON":  body(502, "<html>Bad Gateway</html>"),
		"gateway with own JSON": body(503, `{"errors":[{"message":"no healthy upstream"}]}`),
		"gateway timed out":     body(504, ""),
		"answer cut off": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"data":{"setRec`))
		},
	}
	for name, failure := range failures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{t: t, answers: []answer{failure, failure, body(200, written)}}
				c := newFake(t, s.ServeHTTP)
				got, err := c.Set(t.Context(), "a", []byte("x"), 0)
				if err != nil || got.Revision != 7 {
					t.Fatalf("%+v, %v", got, err)
				}
				checkTries(t, s.asked(), 3)
			})
		})
	}
}

// Clients that a server asked to wait do not all come back at once.
func TestWaitsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits := map[time.Duration]bool{}
		for range 20 {
			s := &script{t: t, answers: []answer{coded(429, `"code":"RATE_LIMITED","retryAfterMs":20000`), body(200, written)}}
			if _, err := newFake(t, s.ServeHTTP).Set(t.Context(), "a", []byte("x"), 0); err != nil {
				t.Fatal(err)
			}
			waited := s.asked()[1].at.Sub(s.asked()[0].at)
			if waited < 20*time.Second || waited > 31*time.Second {
				t.Errorf("asked to wait 20 s, waited %v", waited)
			}
			waits[waited.Truncate(time.Second)] = true
		}
		if len(waits) < 4 {
			t.Errorf("20 clients that were asked at once come back within %d seconds: %v", len(waits), waits)
		}
	})
}

// checkTries checks that the tries of a write are one write, each signed anew.
func checkTries(t *testing.T, calls []call, want int) {
	t.Helper()
	if len(calls) != want {
		t.Fatalf("%d tries, want %d", len(calls), want)
	}
	mutation, signatures := calls[0].Variables.Input.MutationID, map[string]bool{}
	if len(mutation) != 32 {
		t.Errorf("mutation id %q is not 128 random bits", mutation)
	}
	for _, c := range calls {
		if c.Variables.Input.MutationID != mutation {
			t.Errorf("mutation ids differ: %q and %q", c.Variables.Input.MutationID, mutation)
		}
		signatures[c.header.Get("Signature-Input")] = true
	}
	if len(signatures) != len(calls) {
		t.Errorf("%d signatures for %d tries", len(signatures), len(calls))
	}
}

func TestRefusalsAreNotTriedAgain(t *testing.T) {
	refusals := []struct {
		name string
		answer
		want error
	}{
		{"unauthenticated", coded(401, `"code":"UNAUTHENTICATED"`), client.ErrUnauthenticated},
		{"forbidden", coded(403, `"code":"FORBIDDEN"`), client.ErrForbidden},
		{"bad input", coded(200, `"code":"BAD_USER_INPUT","field":"input.id"`), client.ErrBadUserInput},
		{"mutation id reused", coded(200, `"code":"MUTATION_ID_REUSED"`), client.ErrMutationIDReused},
		{"fenced", coded(200, `"code":"FENCED"`), client.ErrFenced},
		{"unknown owner", coded(200, `"code":"UNKNOWN_OWNER"`), client.ErrUnknownOwner},
		{"quota", coded(200, `"code":"QUOTA_EXCEEDED"`), client.ErrQuotaExceeded},
		{"internal", coded(200, `"code":"INTERNAL"`), client.ErrInternal},
		{"not GraphQL", body(200, "<html>hello</html>"), client.ErrProtocol},
		{"nothing", body(200, ""), client.ErrProtocol},
		{"no data", body(200, `{}`), client.ErrProtocol},
		{"null data", body(200, `{"data":null}`), client.ErrProtocol},
		{"other data", body(200, `{"data":{"setRecord":{"status":"MAYBE"}}}`), client.ErrProtocol},
		{"data of another type", body(200, `{"data":{"setRecord":[1]}}`), client.ErrProtocol},
		{"not found", body(404, "404 page not found"), client.ErrProtocol},
		{"redirect", func(w http.ResponseWriter) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusPermanentRedirect)
		}, client.ErrProtocol},
	}
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{t: t, answers: []answer{r.answer}}
				_, err := newFake(t, s.ServeHTTP).Set(t.Context(), "a", nil, 0)
				if !errors.Is(err, r.want) {
					t.Errorf("%v, want %v", err, r.want)
				}
				if n := len(s.asked()); n != 1 {
					t.Errorf("tried %d times", n)
				}
			})
		})
	}
}

func TestAReusedNonceIsReplacedAFewTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: []answer{coded(401, `"code":"NONCE_REUSED"`)}}
		_, err := newFake(t, s.ServeHTTP).Set(t.Context(), "a", nil, 0)
		if !errors.Is(err, client.ErrNonceReused) {
			t.Errorf("%v", err)
		}
		checkTries(t, s.asked(), 6)
	})
}

func TestNullIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: []answer{body(200, `{"data":null}`)}}
		if v, err := newFake(t, s.ServeHTTP).Viewer(t.Context()); !errors.Is(err, client.ErrProtocol) {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

func TestErrorsCarryTheirData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: []answer{
			coded(200, `"code":"CURSOR_TOO_OLD","floor":9`),
			coded(200, `"code":"EPOCH_MISMATCH","restoredHead":4,"erased":true`),
			coded(200, `"code":"BAD_USER_INPUT","field":"since"`),
		}}
		c := newFake(t, s.ServeHTTP)
		for _, want := range []client.Error{
			{Code: client.ErrCursorTooOld, Message: "no", Floor: 9},
			{Code: client.ErrEpochMismatch, Message: "no", RestoredHead: 4, Erased: true},
			{Code: client.ErrBadUserInput, Message: "no", Field: "since"},
		} {
			_, err := c.Changes(t.Context(), "x", 10)
			var got *client.Error
			if !errors.As(err, &got) || *got != want || !errors.Is(err, want.Code) {
				t.Errorf("%#v, want %#v", err, want)
			}
		}
	})
}

func TestWaitsAsLongAsTheServerAsks(t *testing.T) {
	retryAfter := func(seconds string) answer {
		return func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", seconds)
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	const aMinuteAtMost = time.Minute
	for name, asked := range map[string]struct {
		busy    answer
		atLeast time.Duration
	}{
		"retryAfterMs":              {coded(503, `"code":"UNAVAILABLE","retryAfterMs":7000`), 7 * time.Second},
		"Retry-After":               {retryAfter("7"), 7 * time.Second},
		"retryAfterMs of an age":    {coded(503, `"code":"UNAVAILABLE","retryAfterMs":9223372036854775807`), aMinuteAtMost},
		"Retry-After a day":         {retryAfter("86400"), aMinuteAtMost},
		"Retry-After of an age":     {retryAfter("9223372037"), aMinuteAtMost},
		"Retry-After without sense": {retryAfter("-9223372037"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{t: t, answers: []answer{asked.busy, body(200, viewerAnswer)}}
				if _, err := newFake(t, s.ServeHTTP).Viewer(t.Context()); err != nil {
					t.Fatal(err)
				}
				calls := s.asked()
				if waited := calls[1].at.Sub(calls[0].at); waited < asked.atLeast || waited > asked.atLeast*3/2+time.Second {
					t.Errorf("waited %v", waited)
				}
			})
		})
	}
}

func TestTriesUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: []answer{hangUp}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		began := time.Now()
		_, err := newFake(t, s.ServeHTTP).Viewer(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, client.ErrUnreachable) {
			t.Errorf("%v, want the deadline and the last failure", err)
		}
		if took := time.Since(began); took != 10*time.Minute {
			t.Errorf("gave up after %v", took)
		}
		// Pauses grow to 5 to 15 s.
		if n := len(s.asked()); n < 40 || n > 140 {
			t.Errorf("%d tries in ten minutes", n)
		}
	})
}

func TestSlowServerIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls int
		c := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			readCall(t, r)
			if calls++; calls == 1 {
				<-r.Context().Done()
				return
			}
			body(200, viewerAnswer)(w)
		}, client.WithTryTimeout(3*time.Second))
		began := time.Now()
		if _, err := c.Viewer(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// TestClockIsCorrected has a server that refuses signatures as the real one
// does, and a client whose clock is an hour off.
func TestClockIsCorrected(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				c := newFake(t, func(w http.ResponseWriter, r *http.Request) {
					requests++
					if skew := time.Since(created(t, r.Header.Get("Signature-Input"))); skew < -60*time.Second || skew > 300*time.Second {
						expired()(w)
						return
					}
					body(200, viewerAnswer)(w)
				}, client.WithClock(func() time.Time { return time.Now().Add(off) }))
				for range 2 {
					if _, err := c.Viewer(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if requests != 3 {
					t.Errorf("%d requests for two calls: one correction is enough", requests)
				}
			})
		})
	}
}

func TestClockIsCorrectedOnceACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: []answer{expired()}}
		_, err := newFake(t, s.ServeHTTP).Viewer(t.Context())
		if !errors.Is(err, client.ErrSignatureExpired) {
			t.Errorf("%v", err)
		}
		if n := len(s.asked()); n != 2 {
			t.Errorf("tried %d times", n)
		}
	})
}

func expired() answer {
	return func(w http.ResponseWriter) {
		now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
		coded(401, `"code":"SIGNATURE_EXPIRED","serverTime":"`+now+`"`)(w)
	}
}

func created(t *testing.T, signatureInput string) time.Time {
	t.Helper()
	_, rest, _ := strings.Cut(signatureInput, ";created=")
	var seconds int64
	if _, err := fmt.Sscanf(rest, "%d;", &seconds); err != nil {
		t.Errorf("%v in %q", err, signatureInput)
	}
	return time.Unix(seconds, 0)
}

func TestLimitsAreNotSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: []answer{body(200, `{"data":{"limits":{"maxBatch":100,"maxRecords":null}}}`)}}
		got, err := newFake(t, s.ServeHTTP).Limits(t.Context())
		if err != nil || got.MaxBatch != 100 || got.MaxRecords != nil {
			t.Errorf("%+v, %v", got, err)
		}
		if h := s.asked()[0].header; h.Get("Signature") != "" || h.Get("Authorization") != "" {
			t.Error("signed")
		}
	})
}

func TestCertificateGoesWithEachCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: []answer{body(200, viewerAnswer)}}
		if _, err := newFake(t, s.ServeHTTP, client.WithCertificate([]byte("der"))).Viewer(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.asked()[0].header.Get("Authorization"); got != "Bearer ZGVy" {
			t.Errorf("Authorization: %s", got)
		}
	})
}

func TestTextThatIsNotUTF8IsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: []answer{body(200, viewerAnswer)}}
		c := newFake(t, s.ServeHTTP)
		if _, err := c.Set(t.Context(), "\xff", nil, 0); !errors.Is(err, client.ErrBadUserInput) {
			t.Errorf("Set: %v", err)
		}
		if _, err := c.Get(t.Context(), "\xff"); !errors.Is(err, client.ErrBadUserInput) {
			t.Errorf("Get: %v", err)
		}
		if n := len(s.asked()); n != 0 {
			t.Errorf("%d requests sent", n)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	key, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, endpoint := range []string{"", "localhost:8080", "ws://localhost/graphql", "http:///graphql", "http://u:p@host/", "http://host/graphql#top", ":"} {
		if _, err := client.New(endpoint, key); err == nil {
			t.Errorf("%q was accepted", endpoint)
		}
	}
	if _, err := client.New("http://localhost/graphql", signing.PrivateKey{}); err == nil {
		t.Error("no key was accepted")
	}
	for name, option := range map[string]client.Option{
		"no pings":           client.WithKeepAlive(0, time.Second),
		"no time for a pong": client.WithKeepAlive(time.Second, 0),
		"no time for a try":  client.WithTryTimeout(0),
		"no HTTP client":     client.WithHTTPClient(nil),
		"no clock":           client.WithClock(nil),
		"no logger":          client.WithLogger(nil),
	} {
		if _, err := client.New("http://localhost/graphql", key, option); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
