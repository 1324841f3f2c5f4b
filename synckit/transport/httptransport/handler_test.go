package httptransport_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/transport/httptransport"
)

const oneEvent = `[{"event":{"id":"a","type":"Noted","aggregate_id":"n","data":{"x":1}},"version":"1"}]`

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

// ask sends one request to a handler.
func ask(t *testing.T, h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func codeIn(t *testing.T, body []byte) errors.Code {
	t.Helper()
	var answer struct{ Error *struct{ Code errors.Code } }
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if answer.Error == nil {
		return ""
	}
	return answer.Error.Code
}

func TestStatusCodes(t *testing.T) {
	t.Parallel()
	options := &httptransport.ServerOptions{MaxRequestBytes: 2000, MaxDecompressedBytes: 10000, MaxEvents: 3}
	h := newHandler(newStore(t), options)
	many := "[" + strings.Repeat(oneEvent[1:len(oneEvent)-1]+",", 3) + oneEvent[1:len(oneEvent)-1] + "]"
	for _, c := range []struct {
		name, method, target, body string
		header                     []string
		status                     int
		code                       errors.Code
	}{
		{"pushed", "POST", "/push", oneEvent, nil, 200, ""},
		{"pushed again", "POST", "/push", oneEvent, nil, 200, ""},
		{"pushed with charset", "POST", "/push", oneEvent, []string{"Content-Type", "application/json; charset=UTF-8"}, 200, ""},
		{"pushed as gzip", "POST", "/push", zipped(oneEvent), []string{"Content-Encoding", "gzip"}, 200, ""},
		{"pushed nothing", "POST", "/push", `[]`, nil, 200, ""},
		{"another event of the id", "POST", "/push", strings.Replace(oneEvent, `"x":1`, `"x":2`, 1), nil, 422, ""},
		{"an event without id", "POST", "/push", `[{"event":{},"version":"1"}]`, nil, 422, ""},
		{"a version that cannot be read", "POST", "/push", strings.Replace(oneEvent, `"version":"1"`, `"version":"?"`, 1), nil, 422, ""},
		{"no JSON", "POST", "/push", `nonsense`, nil, 400, errors.InvalidEvent},
		{"no array", "POST", "/push", `{}`, nil, 400, errors.InvalidEvent},
		{"no events", "POST", "/push", `[1]`, nil, 400, errors.InvalidEvent},
		{"nothing at all", "POST", "/push", ``, nil, 400, errors.InvalidEvent},
		{"cut off", "POST", "/push", oneEvent[:len(oneEvent)-1], nil, 400, errors.InvalidEvent},
		{"more than an array", "POST", "/push", oneEvent + oneEvent, nil, 400, errors.InvalidEvent},
		{"trailing rubbish", "POST", "/push", oneEvent + "]", nil, 400, errors.InvalidEvent},
		{"no gzip", "POST", "/push", oneEvent, []string{"Content-Encoding", "gzip"}, 400, errors.InvalidEvent},
		{"gzip cut off", "POST", "/push", zipped(oneEvent)[:40], []string{"Content-Encoding", "gzip"}, 400, errors.InvalidEvent},
		{"another method", "GET", "/push", "", nil, 405, errors.Unsupported},
		{"another method", "POST", "/pull", "", nil, 405, errors.Unsupported},
		{"elsewhere", "GET", "/", "", nil, 404, errors.Unsupported},
		{"too large", "POST", "/push", oneEvent + strings.Repeat(" ", 2000), nil, 413, errors.TooLarge},
		{"too large as gzip", "POST", "/push", zipped(oneEvent) + strings.Repeat(zipped(""), 200), []string{"Content-Encoding", "gzip"}, 413, errors.TooLarge},
		{"a zip bomb", "POST", "/push", zipped(oneEvent[:len(oneEvent)-1] + strings.Repeat(" ", 1<<20) + "]"), []string{"Content-Encoding", "gzip"}, 413, errors.TooLarge},
		{"a zip bomb of one token", "POST", "/push", zipped(`["` + strings.Repeat("x", 1<<20) + `"]`), []string{"Content-Encoding", "gzip"}, 413, errors.TooLarge},
		{"too many events", "POST", "/push", many, nil, 413, errors.TooLarge},
		{"a form", "POST", "/push", oneEvent, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, errors.Unsupported},
		{"no content type", "POST", "/push", oneEvent, []string{"Content-Type", ""}, 415, errors.Unsupported},
		{"another charset", "POST", "/push", oneEvent, []string{"Content-Type", "application/json; charset=latin1"}, 415, errors.Unsupported},
		{"another encoding", "POST", "/push", oneEvent, []string{"Content-Encoding", "br"}, 415, errors.Unsupported},
		{"pulled", "GET", "/pull", "", nil, 200, ""},
		{"pulled since", "GET", "/pull?since=1", "", nil, 200, ""},
		{"pulled from the end", "GET", "/pull?from=end", "", nil, 200, ""},
		{"a bad version", "GET", "/pull?since=nonsense", "", nil, 400, errors.InvalidVersion},
		{"a bad limit", "GET", "/pull?limit=0", "", nil, 400, errors.InvalidVersion},
		{"a bad wait", "GET", "/pull?wait=NaN", "", nil, 400, errors.InvalidVersion},
		{"a bad cursor", "GET", "/pull?cursor=nonsense", "", nil, 400, errors.InvalidVersion},
		{"a lost cursor", "GET", "/pull?cursor=other.MQ.x", "", nil, 410, errors.CursorLost},
	} {
		w := ask(t, h, c.method, c.target, c.body, c.header...)
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d: %s", c.name, w.Code, c.status, w.Body)
			continue
		}
		if c.status >= 400 && c.status != 422 {
			if code := codeIn(t, w.Body.Bytes()); code != c.code {
				t.Errorf("%s: %s, want %s", c.name, code, c.code)
			}
		}
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("%s: content type %q", c.name, got)
		}
	}
	if allow := ask(t, h, "PUT", "/push", "").Header().Get("Allow"); allow != "POST" {
		t.Errorf("Allow: %q", allow)
	}
}

// The original answered 200 here.
func TestFailedStorageIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	var logged bytes.Buffer
	h := httptransport.NewSyncHandler(store, log.New(&logged, "", 0), nil, nil)
	store.Fail(true)
	w := ask(t, h, "POST", "/push", oneEvent)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || codeIn(t, w.Body.Bytes()) != errors.Unavailable {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if strings.Contains(w.Body.String(), "device") {
		t.Errorf("the client is told of the disk: %s", w.Body)
	}
	if !strings.Contains(logged.String(), "no space left") {
		t.Errorf("logged %q", logged.String())
	}
}

func TestPartlyRefusedPushTellsEachEvent(t *testing.T) {
	t.Parallel()
	h := newHandler(newStore(t), nil)
	ask(t, h, "POST", "/push", oneEvent)
	w := ask(t, h, "POST", "/push", `[{"event":{"id":"a"},"version":""},{"event":{"id":"b","data":null},"version":""}]`)
	var answer struct {
		Stored  []string
		Refused map[string]struct{ Code errors.Code }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if w.Code != 422 || fmt.Sprint(answer.Stored) != "[b]" || answer.Refused["a"].Code != errors.EventIDReused {
		t.Errorf("%d %+v", w.Code, answer)
	}
}

// documented is the shape of what /pull answers by the documentation.
type documented []struct {
	Event struct {
		ID          string          `json:"id"`
		Type        string          `json:"type"`
		AggregateID string          `json:"aggregate_id"`
		Data        json.RawMessage `json:"data"`
	} `json:"event"`
	Version string `json:"version"`
}

func TestADocumentedClientReadsByVersion(t *testing.T) {
	t.Parallel()
	h := newHandler(newStore(t), nil)
	for i := range 5 {
		body := fmt.Sprintf(`[{"event":{"id":"%d","type":"Noted","aggregate_id":"n","data":%d},"version":"1"}]`, i, i)
		if w := ask(t, h, "POST", "/push", body); w.Code != 200 {
			t.Fatal(w.Body)
		}
	}
	for since, want := range map[string]string{"": "01234", "?since=": "01234", "?since=0": "01234", "?since=3": "34", "?since=5": "", "?since=9": ""} {
		w := ask(t, h, "GET", "/pull"+since, "")
		var events documented
		if err := json.Unmarshal(w.Body.Bytes(), &events); err != nil || events == nil {
			t.Fatalf("%v in %s", err, w.Body)
		}
		var got string
		for _, e := range events {
			got += e.Event.ID
			if string(e.Event.Data) != e.Event.ID || e.Event.AggregateID != "n" {
				t.Errorf("%+v", e)
			}
		}
		if got != want {
			t.Errorf("%q: %s, want %s", since, got, want)
		}
	}
}

func TestAnswersAreCompressedForWhoTakesIt(t *testing.T) {
	t.Parallel()
	h := newHandler(newStore(t), nil)
	body := `[{"event":{"id":"a","data":"` + strings.Repeat("x", 5000) + `"},"version":""}]`
	ask(t, h, "POST", "/push", body)
	for accepted, want := range map[string]string{
		"gzip": "gzip", "br, gzip;q=0.5": "gzip", "": "", "br": "", "gzip;q=0": "", "gzip; q=0.0": "",
	} {
		w := ask(t, h, "GET", "/pull", "", "Accept-Encoding", accepted)
		if got := w.Header().Get("Content-Encoding"); got != want {
			t.Errorf("%q: %q", accepted, got)
		}
		if want == "gzip" && w.Body.Len() > 500 {
			t.Errorf("%d bytes", w.Body.Len())
		}
	}
	never := newHandler(newStore(t), &httptransport.ServerOptions{CompressAbove: -1})
	ask(t, never, "POST", "/push", body)
	if w := ask(t, never, "GET", "/pull", "", "Accept-Encoding", "gzip"); w.Header().Get("Content-Encoding") != "" {
		t.Error("compressed")
	}
}

func TestCustomVersions(t *testing.T) {
	t.Parallel()
	parser := func(_ context.Context, s string) (synckit.Version, error) {
		if !strings.HasPrefix(s, "v") {
			return nil, fmt.Errorf("version must start with 'v'")
		}
		seq, err := strconv.ParseUint(s[1:], 10, 64)
		return cursor.IntegerCursor{Seq: seq}, err
	}
	h := httptransport.NewSyncHandler(newStore(t), nil, parser, nil)
	s := startServer(t, h)
	transport := httptransport.NewTransport(s.url(), nil, parser, nil)
	defer transport.Close()
	if err := transport.Push(t.Context(), newEvents(2)); err != nil {
		t.Fatal(err)
	}
	if events, err := transport.Pull(t.Context(), nil); err != nil || len(events) != 2 {
		t.Errorf("%d, %v", len(events), err)
	}
	for target, want := range map[string]int{"/pull?since=v1": 200, "/pull?since=1": 400} {
		if w := ask(t, h, "GET", target, ""); w.Code != want {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
}

// parsingStore has a ParseVersion, as the documentation wants it.
type parsingStore struct{ synckit.Log }

func (parsingStore) ParseVersion(_ context.Context, s string) (synckit.Version, error) {
	if s != "latest" {
		return nil, io.ErrUnexpectedEOF
	}
	return cursor.IntegerCursor{Seq: 1}, nil
}

func TestTheStoresParserIsTheDefault(t *testing.T) {
	t.Parallel()
	h := newHandler(parsingStore{newStore(t)}, nil)
	for target, want := range map[string]int{"/pull?since=latest": 200, "/pull?since=1": 400} {
		if w := ask(t, h, "GET", target, ""); w.Code != want {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
}

func TestALiveRequestWaitsAndIsWoken(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]func(synckit.EventStore) synckit.EventStore{
		"log":              func(s synckit.EventStore) synckit.EventStore { return s },
		"documented store": func(s synckit.EventStore) synckit.EventStore { return plainStore{s} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := newStore(t)
				h := httptransport.NewSyncHandler(store(inner), nil, nil, nil)
				at := ask(t, h, "GET", "/pull?from=end", "").Header().Get("Synckit-Cursor")
				target := "/pull?wait=20&cursor=" + at

				began := time.Now()
				if w := ask(t, h, "GET", target, ""); w.Body.String() != "[]" || time.Since(began) != 20*time.Second {
					t.Errorf("%s after %v", w.Body, time.Since(began))
				}
				for what, write := range map[string]func(){
					"pushed": func() { ask(t, h, "POST", "/push", oneEvent) },
					"stored": func() { inner.Store(t.Context(), synckit.NewEvent("b", "", "", 1, nil), nil) },
				} {
					began, woken := time.Now(), make(chan struct{})
					at := ask(t, h, "GET", "/pull?from=end", "").Header().Get("Synckit-Cursor")
					go func() {
						defer close(woken)
						w := ask(t, h, "GET", "/pull?wait=20&cursor="+at, "")
						if after := time.Since(began); w.Body.String() == "[]" || after > 2*time.Second {
							t.Errorf("%s: %s after %v", what, w.Body, after)
						}
					}()
					synctest.Wait()
					write()
					<-woken
				}
				ended := make(chan int)
				go func() {
					at := ask(t, h, "GET", "/pull?from=end", "").Header().Get("Synckit-Cursor")
					ended <- ask(t, h, "GET", "/pull?wait=20&cursor="+at, "").Code
				}()
				synctest.Wait()
				h.Close()
				if status := <-ended; status != 503 {
					t.Errorf("status %d after Close", status)
				}
			})
		})
	}
}

// A client that sends or reads too slowly, or not at all, does not keep its
// connection.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	for i := range 8 {
		if err := store.Store(t.Context(), synckit.NewEvent(strconv.Itoa(i), "", "", strings.Repeat("x", 900<<10), nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	s := startServer(t, newHandler(store, &httptransport.ServerOptions{RequestTimeout: 300 * time.Millisecond, CompressAbove: -1}))
	for name, request := range map[string]string{
		"sending": "POST /push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[",
		"reading": strings.Repeat("GET /pull HTTP/1.1\r\nHost: x\r\n\r\n", 20),
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		io.WriteString(conn, request)
		if name == "sending" {
			answer, err := io.ReadAll(conn)
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503") {
				t.Errorf("%s, %v", answer, err)
			}
			continue
		}
		// The server gives up before it has written all, which shows here as an end.
		awaitClosed(t, conn)
	}
}

// awaitClosed writes until the other side has closed the connection.
func awaitClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	conn.SetWriteDeadline(time.Now().Add(30 * time.Second))
	for {
		_, err := io.WriteString(conn, "GET /pull?from=end HTTP/1.1\r\nHost: x\r\n\r\n")
		if stderrors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the connection is still open")
		}
		if err != nil {
			return
		}
	}
}

func TestRequestsWaitTheirTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(newStore(t), &httptransport.ServerOptions{MaxConcurrent: 1, RequestTimeout: time.Second})
		body, hold := io.Pipe()
		held := make(chan struct{})
		go func() {
			defer close(held)
			r := httptest.NewRequest(http.MethodPost, "/push", body)
			r.Header.Set("Content-Type", "application/json")
			h.ServeHTTP(httptest.NewRecorder(), r)
		}()
		synctest.Wait()
		for _, c := range [][2]string{{"GET", "/pull"}, {"POST", "/push"}} {
			if w := ask(t, h, c[0], c[1], "[]"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
				t.Errorf("%v: %d", c, w.Code)
			}
		}
		io.WriteString(hold, "[]")
		hold.Close()
		<-held
		if w := ask(t, h, "GET", "/pull", ""); w.Code != 200 {
			t.Errorf("%d", w.Code)
		}
	})
}
