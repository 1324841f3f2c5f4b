package ratelimit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"syncline/auth"
	"syncline/auth/signing"
	"syncline/internal/clientaddr"
	"syncline/internal/ratelimit"
)

// world is a server behind a Gate, with a clock of its own. Its requests say in
// headers what they cost, for whom they are signed and what they are.
type world struct {
	gate    *ratelimit.Gate
	handler http.Handler

	mu      sync.Mutex
	now     time.Time
	refused map[string]int
	known   map[signing.PublicKey]bool
}

func newWorld(limits ratelimit.Limits) *world {
	w := &world{now: time.Unix(1_800_000_000, 0), refused: map[string]int{}, known: map[signing.PublicKey]bool{}}
	w.gate = ratelimit.New(limits, ratelimit.Options{
		Now: w.clock,
		Log: slog.New(slog.DiscardHandler),
		Refused: func(whose, limit string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.refused[whose+" "+limit]++
		},
		Known: func(_ context.Context, owner auth.Principal) (bool, error) { return w.known[owner.Key], nil },
	})
	w.handler = w.gate.Middleware(http.HandlerFunc(w.execute))
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// execute does what verification and execution do.
func (w *world) execute(out http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	ctx := r.Context()
	if owner := r.Header.Get("Owner"); owner != "" {
		ctx = auth.NewContext(ctx, auth.Principal{Key: keyOf(owner)})
	}
	cost, _ := strconv.Atoi(r.Header.Get("Cost"))
	err := w.gate.Admit(ctx)
	if err == nil {
		err = w.gate.Charge(ctx, ast.Operation(r.Header.Get("Kind")), cost)
	}
	var refusal http.Handler
	if refusal, _ = err.(http.Handler); refusal != nil {
		refusal.ServeHTTP(out, r)
		return
	}
	answer, _ := strconv.Atoi(r.Header.Get("Answer"))
	_, _ = out.Write(make([]byte, answer))
}

func keyOf(name string) (key signing.PublicKey) {
	copy(key[:], name)
	return key
}

// send answers how long to wait; 0 if the request was served.
func (w *world) send(t *testing.T, address string, headers ...string) time.Duration {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(""))
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Body" {
			size, _ := strconv.Atoi(value)
			r = r.WithContext(t.Context())
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", size)))
		}
		r.Header.Add(name, value)
	}
	if address != "" {
		r = r.WithContext(clientaddr.NewContext(r.Context(), netip.MustParseAddr(address)))
	}
	out := httptest.NewRecorder()
	w.handler.ServeHTTP(out, r)
	switch out.Code {
	case http.StatusOK:
		return 0
	case http.StatusTooManyRequests:
		return retryAfter(t, out)
	}
	t.Fatalf("%d %s", out.Code, out.Body)
	return 0
}

// retryAfter is what a refusal asks for, in both places alike.
func retryAfter(t *testing.T, out *httptest.ResponseRecorder) time.Duration {
	t.Helper()
	var answer struct {
		Errors []struct {
			Extensions struct {
				Code         string
				RetryAfterMs int64
			}
		}
	}
	if err := json.Unmarshal(out.Body.Bytes(), &answer); err != nil || len(answer.Errors) != 1 {
		t.Fatalf("%v in %s", err, out.Body)
	}
	told := answer.Errors[0].Extensions
	seconds, _ := strconv.ParseInt(out.Header().Get("Retry-After"), 10, 64)
	if told.Code != "RATE_LIMITED" || told.RetryAfterMs <= 0 || (told.RetryAfterMs+999)/1000 != seconds {
		t.Errorf("%+v, Retry-After %d", told, seconds)
	}
	return time.Duration(told.RetryAfterMs) * time.Millisecond
}

// An owner may take a minute's worth at once, then what comes back each second, and
// the wait that is told is enough. Others are not concerned.
func TestCostOfAnOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(ratelimit.Limits{Cost: 100})
	for i := range 60 {
		if wait := w.send(t, "192.0.2.1", "Owner: a", "Cost: 90"); wait > 0 {
			t.Fatalf("request %d of a minute's worth waits %v", i, wait)
		}
	}
	wait := w.send(t, "192.0.2.1", "Owner: a", "Cost: 90")
	if wait == 0 {
		t.Fatal("an owner may take more than a minute's worth at once")
	}
	if wait := w.send(t, "192.0.2.1", "Owner: b", "Cost: 90"); wait > 0 {
		t.Errorf("another owner waits %v", wait)
	}
	w.pass(wait)
	if again := w.send(t, "192.0.2.1", "Owner: a", "Cost: 90"); again > 0 {
		t.Errorf("after %v it waits %v more", wait, again)
	}
	if wait := w.send(t, "192.0.2.1", "Owner: a", "Cost: 90"); wait < 900*time.Millisecond || wait > 1100*time.Millisecond {
		t.Errorf("a document of a second's worth is paid for in %v", wait)
	}
}

// Each limit holds for an owner at any address and, four times as high, for an
// address with any owners.
func TestEachLimit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		limits  ratelimit.Limits
		headers []string // of a request that takes a minute's worth
		limit   string
	}{
		{"cost", ratelimit.Limits{Cost: 1000}, []string{"Cost: 60000"}, "cost"},
		{"bytes in", ratelimit.Limits{BytesIn: 1000}, []string{"Body: 60000"}, "bytes_in"},
		{"bytes out", ratelimit.Limits{BytesOut: 1000}, []string{"Answer: 60000"}, "bytes_out"},
		{"connects", ratelimit.Limits{Connects: 1.0 / 60}, []string{"Accept: text/event-stream"}, "connects"},
	} {
		test.limits.AddressFactor = 4
		w := newWorld(test.limits)
		if wait := w.send(t, "192.0.2.1", append(test.headers, "Owner: a")...); wait > 0 {
			t.Errorf("%s: the first request waits %v", test.name, wait)
		}
		if wait := w.send(t, "192.0.2.2", append(test.headers, "Owner: a")...); wait == 0 || w.refused["owner "+test.limit] != 1 {
			t.Errorf("%s: the same owner waits %v elsewhere; refused %v", test.name, wait, w.refused)
		}
		for _, owner := range []string{"b", "c", "d"} {
			if wait := w.send(t, "192.0.2.1", append(test.headers, "Owner: "+owner)...); wait > 0 {
				t.Errorf("%s: owner %s waits %v", test.name, owner, wait)
			}
		}
		if wait := w.send(t, "192.0.2.1", append(test.headers, "Owner: e")...); wait == 0 || w.refused["address "+test.limit] != 1 {
			t.Errorf("%s: a fifth owner at the address waits %v; refused %v", test.name, wait, w.refused)
		}
		if wait := w.send(t, "192.0.2.3", append(test.headers, "Owner: e")...); wait > 0 {
			t.Errorf("%s: at another address it waits %v", test.name, wait)
		}
	}
}

// What is not signed, or cannot be read, is its address's.
func TestUnsigned(t *testing.T) {
	t.Parallel()
	w := newWorld(ratelimit.Limits{Cost: 1, AddressFactor: 4}) // 240 at once
	served := 0
	for served < 100 && w.send(t, "192.0.2.1", "Cost: 0") == 0 {
		served++
	}
	if served == 0 || served > 5 {
		t.Errorf("%d requests of at least 50 were served for 240", served)
	}
	if wait := w.send(t, "2001:db8::1"); wait > 0 {
		t.Errorf("another address waits %v", wait)
	}
}

// Addresses of one /64 are one client.
func TestNetworks(t *testing.T) {
	t.Parallel()
	w := newWorld(ratelimit.Limits{Cost: 1, AddressFactor: 4})
	for i := range 100 {
		w.send(t, fmt.Sprintf("2001:db8::%x", i+1), "Cost: 100")
	}
	if w.refused["address cost"] < 90 {
		t.Errorf("refused: %v", w.refused)
	}
	if wait := w.send(t, "2001:db8:0:1::1"); wait > 0 {
		t.Errorf("the next /64 waits %v", wait)
	}
}

// Owners who have an account come and go as they like; only so many new ones
// begin at an address in an hour, and each counts once.
func TestNewOwners(t *testing.T) {
	t.Parallel()
	w := newWorld(ratelimit.Limits{NewOwners: 3})
	w.known[keyOf("old")] = true
	for range 3 {
		for _, owner := range []string{"old", "a", "b", "c"} {
			if wait := w.send(t, "192.0.2.1", "Kind: mutation", "Owner: "+owner); wait > 0 {
				t.Errorf("%s waits %v", owner, wait)
			}
		}
	}
	if wait := w.send(t, "192.0.2.1", "Kind: query", "Owner: d"); wait > 0 {
		t.Errorf("a new owner who reads waits %v", wait)
	}
	wait := w.send(t, "192.0.2.1", "Kind: mutation", "Owner: d")
	if wait < 19*time.Minute || wait > 21*time.Minute {
		t.Errorf("a fourth new owner waits %v, want a third of an hour", wait)
	}
	if wait := w.send(t, "192.0.2.2", "Kind: mutation", "Owner: e"); wait > 0 {
		t.Errorf("at another address it waits %v", wait)
	}
	w.pass(wait)
	if wait := w.send(t, "192.0.2.1", "Kind: mutation", "Owner: d"); wait > 0 {
		t.Errorf("after that time it waits %v", wait)
	}
}

// What is open is given back however its request ends.
func TestPlacesAreGivenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(ratelimit.Limits{Connections: 1, AddressFactor: 1})
	aborted := w.gate.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	for i := range 3 {
		func() {
			defer func() { _ = recover() }()
			r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
			r.Header.Set("Accept", "text/event-stream")
			aborted.ServeHTTP(httptest.NewRecorder(), r.WithContext(clientaddr.NewContext(r.Context(), netip.MustParseAddr("192.0.2.1"))))
		}()
		if wait := w.send(t, "192.0.2.1", "Accept: text/event-stream", "Owner: a"); wait > 0 {
			t.Fatalf("after %d streams that ended it waits %v", i+1, wait)
		}
	}
}

// Zero is no limit, and so is a Gate that is nil.
func TestOff(t *testing.T) {
	t.Parallel()
	w := newWorld(ratelimit.Limits{})
	for range 1000 {
		if wait := w.send(t, "192.0.2.1", "Owner: a", "Kind: mutation", "Cost: 30000", "Answer: 100000", "Accept: text/event-stream"); wait > 0 {
			t.Fatalf("without limits it waits %v", wait)
		}
	}
	var none *ratelimit.Gate
	out := httptest.NewRecorder()
	none.Middleware(http.NotFoundHandler()).ServeHTTP(out, httptest.NewRequest(http.MethodGet, "/", nil))
	if err := none.Admit(t.Context()); err != nil || out.Code != http.StatusNotFound {
		t.Errorf("%v, %d", err, out.Code)
	}
}

// However many keys there are, they neither fill the memory nor make room by pushing out those who
// owe: an owner over a limit is over it still. One who comes when there is no
// room is served.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(ratelimit.Limits{Cost: 1000})
	w.send(t, "", "Owner: victim", "Cost: 30000")
	w.send(t, "", "Owner: abuser", "Cost: 90000")
	const keys = 100_000
	for i := range keys {
		w.send(t, "", "Owner: "+strconv.Itoa(i), "Cost: 1")
	}
	if w.send(t, "", "Owner: abuser") == 0 {
		t.Error("an owner who owes was forgotten")
	}
	if wait := w.send(t, "", "Owner: victim", "Cost: 1"); wait > 0 {
		t.Errorf("an honest owner waits %v", wait)
	}
	if wait := w.send(t, "", "Owner: newcomer", "Cost: 1"); wait > 0 {
		t.Errorf("a newcomer waits %v", wait)
	}
	if n := w.gate.Subjects(); n > 25_000 {
		t.Errorf("%d are remembered", n)
	}
	w.pass(time.Hour)
	w.send(t, "", "Owner: later")
	w.gate.Tidy()
	if n := w.gate.Subjects(); n > 300 {
		t.Errorf("an hour later %d are remembered", n)
	}
}

// What the server upgrades is what counts, however its header is written.
func TestWebSocketsAreThoseThatTheServerUpgrades(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		headers []string
		counts  bool
	}{
		{"usual", []string{"Connection: Upgrade", "Upgrade: websocket"}, true},
		{"behind an empty line", []string{"Connection: Upgrade", "Upgrade: ", "Upgrade: websocket"}, true},
		{"behind another protocol", []string{"Connection: keep-alive", "Connection: upgrade", "Upgrade: h2c", "Upgrade: WebSocket"}, true},
		{"another protocol", []string{"Connection: Upgrade", "Upgrade: h2c"}, false},
		{"not asked for", []string{"Upgrade: websocket"}, false},
	} {
		w := newWorld(ratelimit.Limits{Connects: 1.0 / 60, AddressFactor: 1})
		first, second := w.send(t, "192.0.2.1", test.headers...), w.send(t, "192.0.2.1", test.headers...)
		if first > 0 || (second > 0) != test.counts {
			t.Errorf("%s: waits of %v and %v", test.name, first, second)
		}
	}
}

// A factor below 1 makes limits smaller, and turns none off.
func TestFractionOfALimitIsALimit(t *testing.T) {
	t.Parallel()
	w := newWorld(ratelimit.Limits{Subscriptions: 1, AddressFactor: 0.5})
	for i, owner := range []string{"a", "b"} {
		if wait := w.send(t, "192.0.2.1", "Owner: "+owner, "Kind: subscription"); (wait > 0) != (i > 0) {
			t.Errorf("subscription %d: a wait of %v", i, wait)
		}
	}
}
