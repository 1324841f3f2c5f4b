package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"syncline/client"
)

// expiredAt refuses every signature and shows a clock of its own.
func expiredAt(now func() time.Time) answer {
	return func(w http.ResponseWriter) {
		coded(401, fmt.Sprintf(`"code":"SIGNATURE_EXPIRED","serverTime":%q`, now().UTC().Format(time.RFC3339Nano)))(w)
	}
}

// A server that lies about the time gets no signature that is good next year,
// neither at once nor step by step, by calls or by feeds.
func TestClockIsNotCorrectedFar(t *testing.T) {
	year := 365 * 24 * time.Hour
	for name, ahead := range map[string]time.Duration{"next year": year, "last year": -year, "a day and a bit": 25 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{t: t, answers: []answer{expiredAt(func() time.Time { return time.Now().Add(ahead) })}}
				_, err := newFake(t, s.ServeHTTP).Viewer(t.Context())
				off, ok := errors.AsType[*client.ClockError](err)
				if !ok || !errors.Is(err, client.ErrSignatureExpired) || off.Server.Sub(off.Local).Round(time.Minute) != ahead {
					t.Errorf("%v", err)
				}
				if n := len(s.asked()); n != 1 {
					t.Errorf("%d requests were signed", n)
				}
			})
		})
	}
	t.Run("step by step", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			steps := 0
			s := &script{t: t, answers: []answer{expiredAt(func() time.Time {
				steps++
				return time.Now().Add(time.Duration(steps) * 12 * time.Hour)
			})}}
			c := newFake(t, s.ServeHTTP)
			for range 20 {
				_, _ = c.Viewer(t.Context())
			}
			for _, call := range s.asked() {
				if ahead := created(t, call.header.Get("Signature-Input")).Sub(call.at); ahead > 24*time.Hour {
					t.Fatalf("signed %v ahead", ahead)
				}
			}
		})
	})
	t.Run("a feed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &feedServer{t: t, scenes: []scene{func(p *peer) {
				p.end(4403, `{"code":"SIGNATURE_EXPIRED","serverTime":"`+time.Now().Add(year).UTC().Format(time.RFC3339Nano)+`"}`)
			}}}
			_, err := follow(t, s, client.Now, "")
			if _, ok := errors.AsType[*client.ClockError](err); !ok {
				t.Errorf("%v", err)
			}
		})
	})
}

// An app that knows that its device has no clock of its own says so.
func TestClockIsCorrectedAsFarAsTheAppAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: []answer{expired(), body(200, viewerAnswer)}}
		epoch := client.WithClock(func() time.Time { return time.Unix(0, 0).Add(time.Since(time.Unix(0, 0)) % time.Hour) })
		if _, err := newFake(t, s.ServeHTTP, epoch, client.WithClockCorrection(100*365*24*time.Hour)).Viewer(t.Context()); err != nil {
			t.Fatal(err)
		}
		if off := created(t, s.asked()[1].header.Get("Signature-Input")).Sub(s.asked()[1].at).Abs(); off > 2*time.Second {
			t.Errorf("signed %v off", off)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, answers: []answer{expired(), body(200, viewerAnswer)}}
		_, err := newFake(t, s.ServeHTTP, client.WithClockCorrection(0)).Viewer(t.Context())
		if err != nil { // the clocks agree: there is nothing to correct
			t.Errorf("%v", err)
		}
	})
}
