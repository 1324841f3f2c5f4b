package synclinetransport_test

import (
	"encoding/json"
	stderrors "errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"syncline/client"
	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/synclinetransport"
)

const limits = `{"data":{"limits":{"maxRecordBytes":65536,"maxBatch":100,"maxPage":1000,"maxRequestBytes":1048576}}}`

// newFake makes a transport to a service that answers the limits, and everything
// else as it is told.
func newFake(t *testing.T, answer func(w http.ResponseWriter, input []string)) *synclinetransport.Transport {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Query     string
			Variables struct {
				Input struct {
					Writes []struct{ Set struct{ ID string } }
				}
			}
		}
		body, _ := io.ReadAll(r.Body)
		json.Unmarshal(body, &asked)
		if strings.HasPrefix(asked.Query, "query Limits") {
			io.WriteString(w, limits)
			return
		}
		var written []string
		for _, one := range asked.Variables.Input.Writes {
			written = append(written, one.Set.ID)
		}
		answer(w, written)
	}))
	t.Cleanup(s.Close)
	transport := synclinetransport.New(newClient(t, s.URL, newKey(t)), &synclinetransport.Options{Timeout: 2 * time.Second})
	t.Cleanup(func() { transport.Close() })
	return transport
}

func coded(code string) string {
	return fmt.Sprintf(`{"errors":[{"message":"no","extensions":{"code":%q,"retryAfterMs":1000}}]}`, code)
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		want   errors.Code
	}{
		{401, coded("UNAUTHENTICATED"), errors.Unauthenticated},
		{403, coded("FORBIDDEN"), errors.Unauthenticated},
		{401, coded("NONCE_REUSED"), errors.Unauthenticated},
		{200, coded("EPOCH_MISMATCH"), errors.CursorLost},
		{200, coded("CURSOR_TOO_OLD"), errors.CursorLost},
		{503, coded("UNAVAILABLE"), errors.Unavailable},
		{429, coded("RATE_LIMITED"), errors.Unavailable},
		{200, coded("QUOTA_EXCEEDED"), errors.Unavailable},
		{502, "<html>", errors.Unavailable},
		{200, coded("MUTATION_ID_REUSED"), errors.Refused},
		{200, coded("INTERNAL"), errors.Internal},
		{404, "404 page not found", errors.Unsupported},
	} {
		t.Run(fmt.Sprint(c.status, " ", c.want), func(t *testing.T) {
			t.Parallel()
			transport := newFake(t, func(w http.ResponseWriter, _ []string) {
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			_, err := transport.PullPage(t.Context(), "x", 10)
			if errors.CodeOf(err) != c.want {
				t.Errorf("pull: %v, want %s", err, c.want)
			}
			if kept := strings.Contains(c.body, "CURSOR_TOO_OLD"); errors.KeepsLog(err) != kept {
				t.Errorf("the log is kept: %t, want %t", !kept, kept)
			}
			err = transport.Push(t.Context(), []synckit.EventWithVersion{newEvent("a"), newEvent("b")})
			if errors.CodeOf(err) != c.want {
				t.Errorf("push: %v, want %s", err, c.want)
			}
			outcome, ok := stderrors.AsType[*synckit.PushError](err)
			if !ok || len(outcome.Stored)+len(outcome.Refused) > 0 {
				t.Errorf("push: %#v", err)
			}
		})
	}
}

const badInput = `{"errors":[{"message":"no","extensions":{"code":"BAD_USER_INPUT","field":%q}}]}`

// What the service finds wrong with one event is refused, and takes no other
// along.
func TestBadInputIsRefusedAlone(t *testing.T) {
	t.Parallel()
	transport := newFake(t, func(w http.ResponseWriter, written []string) {
		results := make([]string, len(written))
		for i, id := range written {
			if id == "e/bad" {
				fmt.Fprintf(w, badInput, fmt.Sprintf("input.writes.%d.set.id", i))
				return
			}
			results[i] = `{"status":"SUCCESS","newRevision":1}`
		}
		fmt.Fprintf(w, `{"data":{"writeRecords":{"status":"SUCCESS","results":[%s]}}}`, strings.Join(results, ","))
	})
	events := []synckit.EventWithVersion{newEvent("a"), newEvent("b"), newEvent("bad"), newEvent("c"), newEvent("d")}
	outcome, ok := stderrors.AsType[*synckit.PushError](transport.Push(t.Context(), events))
	if !ok || outcome.Err != nil || len(outcome.Stored) != 4 || outcome.Refused["bad"] == nil {
		t.Errorf("%+v", outcome)
	}
}

// What it finds wrong with all that a device sends is none of the events' fault:
// they wait until that is mended.
func TestBadInputOfTheDeviceRefusesNoEvent(t *testing.T) {
	t.Parallel()
	transport := newFake(t, func(w http.ResponseWriter, _ []string) { fmt.Fprintf(w, badInput, "input.clientId") })
	err := transport.Push(t.Context(), []synckit.EventWithVersion{newEvent("a"), newEvent("b")})
	outcome, ok := stderrors.AsType[*synckit.PushError](err)
	if !ok || len(outcome.Refused) > 0 || errors.CodeOf(outcome.Err) != errors.InvalidOptions {
		t.Errorf("%+v", outcome)
	}
}

func TestAPageWithoutCursorIsNoAnswer(t *testing.T) {
	t.Parallel()
	transport := newFake(t, func(w http.ResponseWriter, _ []string) { io.WriteString(w, `{"data":{"changes":{}}}`) })
	if _, err := transport.PullPage(t.Context(), "", 10); errors.CodeOf(err) != errors.Unsupported {
		t.Errorf("%v", err)
	}
	if _, err := transport.PullPage(t.Context(), string(client.Now), 10); errors.CodeOf(err) != errors.InvalidVersion {
		t.Errorf("%v", err)
	}
}

// Check goes by the limits that came with the first page, and asks nobody.
func TestCheckDoesNotCallTheServer(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	transport := newFake(t, func(w http.ResponseWriter, _ []string) {
		asked.Add(1)
		io.WriteString(w, `{"data":{"changes":{"records":[],"cursor":"c","hasMore":false,"head":0}}}`)
	})
	large := synckit.EventWithVersion{Event: synckit.NewEvent("large", "T", "x", strings.Repeat("x", 70_000), nil)}
	if err := transport.Check(t.Context(), large); errors.CodeOf(err) != errors.Unavailable {
		t.Errorf("before the limits are known: %v", err)
	}
	if _, err := transport.PullPage(t.Context(), "", 10); err != nil {
		t.Fatal(err)
	}
	if err := transport.Check(t.Context(), large); errors.CodeOf(err) != errors.TooLarge {
		t.Errorf("once they are: %v", err)
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}
