package httptransport_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/httptransport"
	"syncline/synckit/version"
)

func newEvents(n int) []synckit.EventWithVersion {
	events := make([]synckit.EventWithVersion, n)
	for i := range events {
		events[i].Event = synckit.NewEvent(fmt.Sprint("event-", i), "Noted", "n", i, nil)
	}
	return events
}

// answering is a server that says one thing.
func answering(t *testing.T, status int, body string, header ...string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestAnswersOfAllKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		want   errors.Code
	}{
		{401, "", errors.Unauthenticated},
		{403, "<html>", errors.Unauthenticated},
		{404, "404 page not found", errors.Unsupported},
		{308, "", errors.Unsupported},
		{400, "no", errors.Refused},
		{408, "", errors.Timeout},
		{429, "", errors.Unavailable},
		{500, "panic", errors.Unavailable},
		{502, "<html>Bad Gateway</html>", errors.Unavailable},
		{504, "", errors.Timeout},
		{503, `{"error":{"code":"UNAVAILABLE"}}`, errors.Unavailable},
		{500, `{"error":{"code":"INTERNAL"}}`, errors.Internal},
		{410, `{"error":{"code":"CURSOR_LOST"}}`, errors.CursorLost},
		{200, `<html>hello</html>`, errors.Unsupported},
	} {
		transport := connect(t, answering(t, c.status, c.body), nil)
		if _, err := transport.PullPage(t.Context(), "x", 10); errors.CodeOf(err) != c.want {
			t.Errorf("pull, %d %s: %v, want %s", c.status, c.body, err, c.want)
		}
		if c.status == 200 {
			continue
		}
		err := transport.Push(t.Context(), newEvents(2))
		if errors.CodeOf(err) != c.want {
			t.Errorf("push, %d %s: %v, want %s", c.status, c.body, err, c.want)
		}
		if outcome, ok := stderrors.AsType[*synckit.PushError](err); !ok || len(outcome.Stored) > 0 || len(outcome.Refused) > 0 {
			t.Errorf("push, %d %s: %#v", c.status, c.body, err)
		}
	}
}

// A Syncline server, for one, has no sync handler.
func TestWhatIsNoSyncHandlerIsTold(t *testing.T) {
	t.Parallel()
	const want = "404, as where no SyncHandler is: check the URL, and use synclinetransport for a Syncline server"
	transport := connect(t, answering(t, 404, "404 page not found"), nil)
	if _, err := transport.PullPage(t.Context(), "x", 10); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestAnswersThatContradictThemselves(t *testing.T) {
	t.Parallel()
	transport := connect(t, answering(t, 422, `{"stored":["event-0"]}`), nil)
	outcome, ok := stderrors.AsType[*synckit.PushError](transport.Push(t.Context(), newEvents(2)))
	if !ok || errors.CodeOf(outcome.Err) != errors.Internal || !slices.Equal(outcome.Stored, []string{"event-0"}) {
		t.Errorf("%+v", outcome)
	}
}

func TestZipBombsAreNotRead(t *testing.T) {
	t.Parallel()
	bomb := zipped("[" + strings.Repeat(" ", 10<<20) + "]")
	options := &httptransport.ClientOptions{MaxResponseBytes: 1 << 20, MaxDecompressedBytes: 5 << 20}
	transport := connect(t, answering(t, 200, bomb, "Content-Encoding", "gzip"), options)
	if _, err := transport.PullPage(t.Context(), "", 10); errors.CodeOf(err) != errors.TooLarge {
		t.Errorf("decompressed: %v", err)
	}
	transport = connect(t, answering(t, 200, "["+strings.Repeat(" ", 2<<20)+"]"), options)
	if _, err := transport.PullPage(t.Context(), "", 10); errors.CodeOf(err) != errors.TooLarge {
		t.Errorf("as sent: %v", err)
	}
	transport = connect(t, answering(t, 200, "[]", "Content-Encoding", "br"), options)
	if _, err := transport.PullPage(t.Context(), "", 10); errors.CodeOf(err) != errors.Unsupported {
		t.Errorf("another encoding: %v", err)
	}
}

func TestPushesAreSplitByWhatTheServerTakes(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	s := startServer(t, newHandler(store, &httptransport.ServerOptions{MaxRequestBytes: 2000, MaxEvents: 7}))
	events := newEvents(40)
	events[20].Event = synckit.NewEvent("huge", "", "", strings.Repeat("x", 3000), nil)
	outcome, ok := stderrors.AsType[*synckit.PushError](connect(t, s.url(), &httptransport.ClientOptions{CompressAbove: -1}).Push(t.Context(), events))
	if !ok || outcome.Err != nil || len(outcome.Stored) != 39 || errors.CodeOf(outcome.Refused["huge"]) != errors.TooLarge {
		t.Errorf("%+v", outcome)
	}
}

func TestLargePushesAreCompressed(t *testing.T) {
	t.Parallel()
	var encodings []string
	h := newHandler(newStore(t), nil)
	s := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		encodings = append(encodings, r.Header.Get("Content-Encoding"))
		h.ServeHTTP(w, r)
	}))
	large := []synckit.EventWithVersion{{Event: synckit.NewEvent("large", "", "", strings.Repeat("x", 5000), nil)}}
	if err := connect(t, s.url(), nil).Push(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	if err := connect(t, s.url(), &httptransport.ClientOptions{CompressAbove: -1}).Push(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(encodings, []string{"gzip", ""}) {
		t.Errorf("%q", encodings)
	}
}

// A server of the documented API alone answers arrays, and knows neither pages
// nor cursors.
func TestADocumentedServerIsReadByVersion(t *testing.T) {
	t.Parallel()
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		since := r.URL.Query().Get("since")
		asked = append(asked, since)
		all := []string{"1", "2", "3"}
		all = all[max(0, slices.Index(all, since)+1):]
		for i, id := range all {
			all[i] = fmt.Sprintf(`{"event":{"id":"%s"},"version":"%s"}`, id, id)
		}
		fmt.Fprintf(w, "[%s]", strings.Join(all, ","))
	}))
	defer s.Close()
	transport := connect(t, s.URL, nil)
	var got, at string
	for more := true; more; {
		page, err := transport.PullPage(t.Context(), at, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			got += e.Event.ID()
		}
		at, more = page.Cursor, page.More
	}
	if page, err := transport.PullPage(t.Context(), at, 2); err != nil || len(page.Events) != 0 || page.Cursor != at {
		t.Errorf("%+v, %v", page, err)
	}
	if got != "123" || !slices.Equal(asked, []string{"", "2", "3"}) {
		t.Errorf("got %s, asked %q", got, asked)
	}
	err := transport.Subscribe(t.Context(), func([]synckit.EventWithVersion) error { return nil })
	if errors.CodeOf(err) != errors.Unsupported {
		t.Errorf("%v", err)
	}
}

// What such a server answers is parted only where its versions lead on.
func TestADocumentedServersEventsAreAllRead(t *testing.T) {
	t.Parallel()
	for name, versions := range map[string][]string{
		"several of one version": {"1", "1", "1", "2", "2", "3"},
		"none":                   {"", "", ""},
		"some":                   {"1", "", "2", ""},
		"the beginning":          {"0", "0", "1"},
	} {
		for _, heeds := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, heeds them: %t", name, heeds), func(t *testing.T) {
				t.Parallel()
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					first, since := 0, r.URL.Query().Get("since")
					for i, version := range versions {
						if heeds && version != "" && version == since {
							first = i + 1
						}
					}
					all := []string{}
					for i, version := range versions[first:] {
						all = append(all, fmt.Sprintf(`{"event":{"id":"%d"},"version":"%s"}`, first+i, version))
					}
					fmt.Fprintf(w, "[%s]", strings.Join(all, ","))
				}))
				defer s.Close()
				transport := connect(t, s.URL, nil)
				at, seen := "", map[string]bool{}
				for pages := range 20 {
					page, err := transport.PullPage(t.Context(), at, 1)
					if err != nil {
						t.Fatal(err)
					}
					for _, e := range page.Events {
						seen[e.Event.ID()] = true
					}
					if at = page.Cursor; !page.More {
						if len(seen) != len(versions) {
							t.Errorf("%d of %d events in %d pages", len(seen), len(versions), pages+1)
						}
						return
					}
				}
				t.Error("there is no end")
			})
		}
	}
}

func TestPullAfterAClock(t *testing.T) {
	t.Parallel()
	s := startServer(t, newHandler(newStore(t), nil))
	transport := connect(t, s.url(), nil)
	events := newEvents(4)
	for i, counters := range []map[string]uint64{{"A": 1}, {"B": 1}, {"A": 2, "B": 1}} {
		clock, err := version.NewVectorClock(counters)
		if err != nil {
			t.Fatal(err)
		}
		events[i].Version = clock
	}
	if err := transport.Push(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	rest, err := transport.Pull(t.Context(), events[1].Version)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range rest {
		got = append(got, e.Event.ID())
	}
	if want := []string{"event-0", "event-2", "event-3"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v: all that who has B:1 does not know of", got, want)
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stuck }))
	defer s.Close()
	defer close(stuck)
	transport := connect(t, s.URL, &httptransport.ClientOptions{Timeout: 50 * time.Millisecond})
	if _, err := transport.PullPage(t.Context(), "", 1); errors.CodeOf(err) != errors.Timeout {
		t.Errorf("%v", err)
	}
	patient := connect(t, s.URL, nil)
	ended := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- patient.Push(ctx, newEvents(1)) }()
	cancel()
	if err := <-ended; !stderrors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	go func() { ended <- patient.Push(t.Context(), newEvents(1)) }()
	patient.Close()
	if err := <-ended; errors.CodeOf(err) != errors.Closed {
		t.Errorf("%v", err)
	}
}

func TestRetryAfterIsHeeded(t *testing.T) {
	t.Parallel()
	_, err := connect(t, answering(t, 503, "", "Retry-After", "7"), nil).PullPage(t.Context(), "", 1)
	var coded *errors.Error
	if !stderrors.As(err, &coded) || coded.Metadata["retry_after"] != "7s" {
		t.Errorf("%#v", err)
	}
}

func TestAnAddressThatIsNone(t *testing.T) {
	t.Parallel()
	transport := connect(t, "http://bad host", nil)
	if err := transport.Push(t.Context(), newEvents(1)); errors.CodeOf(err) != errors.InvalidOptions {
		t.Errorf("%v", err)
	}
	if got := connect(t, "http://localhost:8080/", nil).Peer(); got != "http://localhost:8080" {
		t.Errorf("peer %q", got)
	}
}

// What authenticates requests is the HTTP client's, and the handler's around.
func TestAnHTTPClientOfOnesOwn(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	h := newHandler(newStore(t), nil)
	s := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		calls.Add(1)
		h.ServeHTTP(w, r)
	}))
	connections := &http.Transport{}
	defer connections.CloseIdleConnections()
	signed := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.SetBasicAuth("me", "secret")
		return connections.RoundTrip(r)
	})}
	transport := httptransport.NewTransport(s.url(), signed, nil, nil)
	defer transport.Close()
	if err := transport.Push(t.Context(), newEvents(1)); err != nil || calls.Load() != 1 {
		t.Errorf("%v, %d", err, calls.Load())
	}
	if err := connect(t, s.url(), nil).Push(t.Context(), newEvents(1)); errors.CodeOf(err) != errors.Unauthenticated {
		t.Errorf("%v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A live request asks for an answer before the HTTP client loses its patience: it
// would otherwise fail whenever there is no news.
func TestLiveRequestsFitTheHTTPClient(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration]string{0: "25", time.Minute: "25", 10 * time.Second: "5"} {
		handler, waits := newHandler(newStore(t), nil), make(chan string, 10)
		s := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if wait := r.URL.Query().Get("wait"); wait != "" {
				waits <- wait
			}
			handler.ServeHTTP(w, r)
		}))
		client := &http.Client{Timeout: timeout, Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		transport := httptransport.NewTransport(s.url(), client, nil, nil)
		go transport.Subscribe(t.Context(), func([]synckit.EventWithVersion) error { return nil })
		if got := <-waits; got != want {
			t.Errorf("a client with a timeout of %v waits for %s s, want %s s", timeout, got, want)
		}
		transport.Close()
	}
}
