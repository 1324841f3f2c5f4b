package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"syncline/client"
)

// A lockServer keeps one lock for the client's instances as the service does,
// and can be made to fail.
type lockServer struct {
	t  *testing.T
	mu sync.Mutex
	// fail answers in place of the lock while it is set.
	fail     answer
	holder   string
	expires  time.Time
	token    int
	renewals int
}

func (s *lockServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := readCall(s.t, r).Variables.Input
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		s.fail(w)
		return
	}
	if !time.Now().Before(s.expires) {
		s.holder = ""
	}
	switch {
	case !in.Acquire:
		if s.holder == in.InstanceID {
			s.holder = ""
		}
		s.answer(w, "RELEASED", "null")
	case in.Token != 0 && (s.holder != in.InstanceID || s.token != in.Token):
		s.answer(w, "RELEASED", "null")
	case s.holder == in.InstanceID:
		s.renewals++
		s.grant(w)
	case s.holder == "":
		s.holder = in.InstanceID
		s.token++
		s.grant(w)
	default:
		s.answer(w, "HELD", "null")
	}
}

func (s *lockServer) grant(w http.ResponseWriter) {
	s.expires = time.Now().Add(30 * time.Second)
	s.answer(w, "ACQUIRED", fmt.Sprint(s.token))
}

func (s *lockServer) answer(w http.ResponseWriter, status, token string) {
	body(200, fmt.Sprintf(`{"data":{"setLock":{"status":%q,"renewed":false,"token":%s,"expiresAt":null,
		"lock":{"name":"l","locked":%t,"exclusive":true,"holders":[]}}}}`, status, token, s.holder != ""))(w)
}

func (s *lockServer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func takeLock(t *testing.T, c *client.Client) *client.Lease {
	t.Helper()
	lease, err := c.TryLock(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func ended(l *client.Lease) bool {
	select {
	case <-l.Done():
		return true
	default:
		return false
	}
}

func TestLeaseRenewsItselfUntilReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lockServer{t: t}
		lease := takeLock(t, newFake(t, s.ServeHTTP))
		if lease.Token() != 1 || lease.Fence() != (client.Fence{Lock: "l", Token: 1}) {
			t.Errorf("token %d, fence %+v", lease.Token(), lease.Fence())
		}
		advance(10*time.Minute + time.Second)
		if ended(lease) || lease.Err() != nil {
			t.Fatalf("the lease ended: %v", lease.Err())
		}
		s.set(func() {
			if s.renewals != 60 {
				t.Errorf("%d renewals in ten minutes, want one in ten seconds", s.renewals)
			}
		})
		if err := lease.Release(t.Context()); err != nil {
			t.Error(err)
		}
		if !ended(lease) || !errors.Is(lease.Err(), client.ErrReleased) {
			t.Errorf("after release: %v", lease.Err())
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Errorf("second release: %v", err)
		}
		s.set(func() {
			if s.holder != "" {
				t.Error("the server still has a holder")
			}
		})
	})
}

func TestHeldLockIsATypedError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFake(t, (&lockServer{t: t}).ServeHTTP)
		lease := takeLock(t, c)
		_, err := c.TryLock(t.Context(), "l")
		var held *client.HeldError
		if !errors.As(err, &held) || !errors.Is(err, client.ErrHeld) || !held.Lock.Locked {
			t.Errorf("%#v", err)
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLeaseIsLostBeforeTheServersTTLEnds(t *testing.T) {
	failures := map[string]answer{
		"unreachable": hangUp,
		"unavailable": coded(503, `"code":"UNAVAILABLE","outcome":"UNKNOWN"`),
		"internal":    coded(200, `"code":"INTERNAL"`),
		"forbidden":   coded(403, `"code":"FORBIDDEN"`),
	}
	for name, failure := range failures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &lockServer{t: t}
				began := time.Now()
				lease := takeLock(t, newFake(t, s.ServeHTTP))
				s.set(func() { s.fail = failure })
				<-lease.Done()
				if held := time.Since(began); held != 27*time.Second {
					t.Errorf("lost after %v, want a tenth of the TTL before its end", held)
				}
				if !errors.Is(lease.Err(), client.ErrLockLost) {
					t.Errorf("%v", lease.Err())
				}
				if err := lease.Release(t.Context()); !errors.Is(err, client.ErrLockLost) {
					t.Errorf("release of a lost lease: %v", err)
				}
			})
		})
	}
}

func TestLeaseOutlivesAShortOutage(t *testing.T) {
	for name, failure := range map[string]answer{
		"unreachable":      hangUp,
		"internal":         coded(200, `"code":"INTERNAL"`),
		"a gateway's page": body(200, "<html>Please log in</html>"),
		"not found":        body(404, "<html>no such site</html>"),
		"no data":          body(200, `{"data":{"setLock":null}}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &lockServer{t: t}
				lease := takeLock(t, newFake(t, s.ServeHTTP))
				advance(9 * time.Second)
				s.set(func() { s.fail = failure })
				advance(10 * time.Second)
				s.set(func() { s.fail = nil })
				advance(time.Minute)
				if ended(lease) {
					t.Fatalf("the lease ended: %v", lease.Err())
				}
				if err := lease.Release(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestLeaseIsLostWhenOthersHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lockServer{t: t}
		lease := takeLock(t, newFake(t, s.ServeHTTP))
		began := time.Now()
		s.set(func() { s.holder, s.token = "another", 2 })
		<-lease.Done()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("noticed after %v, not with the next renewal", took)
		}
		if err := lease.Err(); !errors.Is(err, client.ErrLockLost) || !errors.Is(err, client.ErrHeld) {
			t.Errorf("%v", err)
		}
	})
}

// TestLeaseIsLostWhenForgotten: the server forgot the hold, and others may have
// had the lock in between.
func TestLeaseIsLostWhenForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lockServer{t: t}
		lease := takeLock(t, newFake(t, s.ServeHTTP))
		s.set(func() { s.holder = "" })
		<-lease.Done()
		if !errors.Is(lease.Err(), client.ErrLockLost) {
			t.Errorf("%v", lease.Err())
		}
		synctest.Wait()
		s.set(func() {
			if s.holder != "" {
				t.Error("the renewal took the lock again, for nobody")
			}
		})
	})
}

// TestLeaseIsLostWithAnotherToken: the server granted the lock again, so that
// others may have had it in between.
func TestLeaseIsLostWithAnotherToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lockServer{t: t}
		lease := takeLock(t, newFake(t, s.ServeHTTP))
		began := time.Now()
		s.set(func() {
			s.fail = func(w http.ResponseWriter) { s.answer(w, "ACQUIRED", "2") }
		})
		<-lease.Done()
		if took := time.Since(began); took > 10*time.Second || !errors.Is(lease.Err(), client.ErrLockLost) {
			t.Errorf("after %v: %v", took, lease.Err())
		}
	})
}

// TestSlowGrantCountsFromBeforeItWasAsked: the answer took most of the TTL.
func TestSlowGrantCountsFromBeforeItWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lockServer{t: t}
		slow := true
		c := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			if slow {
				slow = false
				advance(9 * time.Second)
				s.ServeHTTP(w, r)
				return
			}
			readCall(t, r)
			hangUp(w)
		})
		began := time.Now()
		lease := takeLock(t, c)
		<-lease.Done()
		if held := time.Since(began); held != 27*time.Second {
			t.Errorf("lost %v after it was asked for", held)
		}
	})
}

func TestReleaseDoesNotWaitBeyondItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lockServer{t: t}
		lease := takeLock(t, newFake(t, s.ServeHTTP))
		s.set(func() { s.fail = hangUp })
		advance(11 * time.Second) // a renewal is under way
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := lease.Release(ctx); err == nil {
			t.Error("released though the server was away")
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestTTLIsChecked(t *testing.T) {
	c := newClient(t, "http://127.0.0.1:1/graphql")
	for _, ttl := range []time.Duration{0, time.Second - 1, 1500 * time.Millisecond, 301 * time.Second} {
		if _, err := c.TryLock(t.Context(), "l", client.WithTTL(ttl)); !errors.Is(err, client.ErrBadUserInput) {
			t.Errorf("%v: %v", ttl, err)
		}
	}
}

// advance lets time pass in a synctest bubble.
func advance(d time.Duration) { <-time.After(d) }
