package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"syncline/client"
)

// A write of which nobody knows whether it was applied is sent again for as long as
// the server remembers its mutation id, and then no more.
func TestWriteIsNotSentAgainOnceItsIDMayBeForgotten(t *testing.T) {
	t.Parallel()
	const retention = 25 * time.Hour
	for name, failure := range map[string]answer{
		"unknown":       coded(503, `"code":"UNAVAILABLE","outcome":"UNKNOWN","retryAfterMs":60000`),
		"never applied": coded(503, `"code":"UNAVAILABLE","outcome":"NOT_APPLIED","retryAfterMs":60000`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began, ids := time.Now(), map[string]bool{}
				var last, asked time.Duration
				c := newFake(t, func(w http.ResponseWriter, r *http.Request) {
					call := readCall(t, r)
					switch age := time.Since(began); {
					case strings.Contains(call.Query, "limits"):
						if asked == 0 {
							asked = age
						}
						body(200, `{"data":{"limits":{"mutationRetentionSeconds":90000}}}`)(w)
					case age > retention+time.Hour:
						body(200, `{"data":{"setRecord":{"status":"SUCCESS","newRevision":1}}}`)(w)
					default:
						last = age
						ids[call.Variables.Input.MutationID] = true
						failure(w)
					}
				})
				_, err := c.Set(context.Background(), "a", nil, 0)
				if len(ids) != 1 {
					t.Errorf("%d mutation ids", len(ids))
				}
				if name == "never applied" { // an id under which nothing was written cannot be forgotten
					if err != nil || asked != 0 {
						t.Errorf("what was never applied: %v; limits were asked for after %v", err, asked)
					}
					return
				}
				if !errors.Is(err, client.ErrTooOldToRetry) {
					t.Errorf("got %v", err)
				}
				if last < retention-20*time.Minute || last >= retention {
					t.Errorf("it was sent again until %v", last)
				}
				if asked < 23*time.Hour {
					t.Errorf("limits were asked for after %v", asked)
				}
			})
		})
	}
}
