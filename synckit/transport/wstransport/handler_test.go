package wstransport_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"syncline/synckit/errors"
	"syncline/synckit/transport/wstransport"
)

const protocol = "synckit.v1"

// dialRaw connects without a client, and reads the greeting.
func dialRaw(t *testing.T, s *server) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{protocol}}
	conn, _, err := dialer.DialContext(t.Context(), "ws://"+s.address, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	if m := readRaw(t, conn); m.Hello == nil {
		t.Fatalf("%+v", m)
	}
	return conn
}

type rawMessage struct {
	Hello  *struct{}
	ID     int
	Pushed *struct {
		Stored []string
		Error  *struct{ Code errors.Code }
	}
	Page *struct {
		Events []json.RawMessage
		Cursor string
	}
	Fault *struct{ Code errors.Code }
}

func readRaw(t *testing.T, conn *websocket.Conn) rawMessage {
	t.Helper()
	var m rawMessage
	if err := conn.ReadJSON(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func writeRaw(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestWhoMayConnect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		allowed []string
		origin  string
		status  int
	}{
		{nil, "", 101},
		{nil, "http://HOST", 101},
		{nil, "https://evil.example", 403},
		{nil, "null", 403},
		{[]string{"https://app.example"}, "https://app.example", 101},
		{[]string{"https://app.example"}, "http://HOST", 101},
		{[]string{"https://app.example"}, "", 101},
		{[]string{"https://app.example"}, "https://app.example.evil", 403},
		{[]string{"https://app.example"}, "://", 403},
		{[]string{"*"}, "https://evil.example", 101},
	} {
		s := startServer(t, wstransport.NewHandler(newStore(t), &wstransport.ServerOptions{AllowedOrigins: c.allowed}))
		header := http.Header{}
		if c.origin != "" {
			header.Set("Origin", strings.Replace(c.origin, "HOST", s.address, 1))
		}
		dialer := websocket.Dialer{Subprotocols: []string{protocol}}
		conn, res, err := dialer.DialContext(t.Context(), "ws://"+s.address, header)
		if res == nil || res.StatusCode != c.status {
			t.Errorf("%v, %q: %v, %v", c.allowed, c.origin, res, err)
		}
		if conn != nil {
			conn.Close()
		}
	}
}

func TestNotAWebSocket(t *testing.T) {
	t.Parallel()
	s := startServer(t, wstransport.NewHandler(newStore(t), nil))
	for _, header := range []http.Header{{}, {"Sec-Websocket-Protocol": {protocol}}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("%d", res.StatusCode)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	s := startServer(t, wstransport.NewHandler(newStore(t), &wstransport.ServerOptions{MaxConnections: 1}))
	first := dialRaw(t, s)
	err := connect(t, s.url(), nil).Push(t.Context(), newEvents(1))
	if errors.CodeOf(err) != errors.Unavailable {
		t.Errorf("%v", err)
	}
	first.Close()
	second := connect(t, s.url(), nil)
	for { // until the server has seen that the first is gone
		err := second.Push(t.Context(), newEvents(1))
		if err == nil {
			break
		}
		if errors.CodeOf(err) != errors.Unavailable {
			t.Fatal(err)
		}
	}
}

func TestMessagesThatAreNone(t *testing.T) {
	t.Parallel()
	s := startServer(t, wstransport.NewHandler(newStore(t), &wstransport.ServerOptions{MaxMessageBytes: 2000}))
	const follow = `{"id":1,"follow":{}}`
	for name, c := range map[string]struct {
		texts []string
		code  int
	}{
		"no JSON":       {[]string{"nonsense"}, websocket.ClosePolicyViolation},
		"nothing asked": {[]string{`{"id":1}`}, websocket.ClosePolicyViolation},
		"one id twice":  {[]string{follow, follow}, websocket.ClosePolicyViolation},
		"too large":     {[]string{`{"id":1,"push":{"events":[` + strings.Repeat(" ", 2000) + `]}}`}, websocket.CloseMessageTooBig},
	} {
		conn := dialRaw(t, s)
		for _, text := range c.texts {
			writeRaw(t, conn, text)
		}
		var err error
		for err == nil {
			_, _, err = conn.ReadMessage()
		}
		if !websocket.IsCloseError(err, c.code) {
			t.Errorf("%s: %v, want close code %d", name, err, c.code)
		}
	}
	conn := dialRaw(t, s)
	if err := conn.WriteMessage(websocket.BinaryMessage, []byte{1}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); err == nil {
		t.Error("binary is answered")
	}
}

// A follow too many is refused, and ends no other.
func TestFollowsAreBounded(t *testing.T) {
	t.Parallel()
	s := startServer(t, wstransport.NewHandler(newStore(t), nil))
	conn := dialRaw(t, s)
	const most = 16
	for i := range most {
		writeRaw(t, conn, fmt.Sprintf(`{"id":%d,"follow":{}}`, i+1))
		if m := readRaw(t, conn); m.Page == nil {
			t.Fatalf("%+v", m)
		}
	}
	writeRaw(t, conn, `{"id":17,"follow":{}}`)
	if m := readRaw(t, conn); m.ID != 17 || m.Fault == nil || m.Fault.Code != errors.Unavailable {
		t.Errorf("%+v", m)
	}
	writeRaw(t, conn, `{"id":18,"push":{"events":[{"event":{"id":"a"}}]}}`)
	if m := readRaw(t, conn); m.Pushed == nil {
		t.Errorf("%+v", m)
	}
	for i := range most {
		writeRaw(t, conn, fmt.Sprintf(`{"id":%d,"next":true}`, i+1))
		if m := readRaw(t, conn); m.ID != i+1 || m.Page == nil || len(m.Page.Events) != 1 {
			t.Errorf("%+v", m)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	var logged lockedBuffer
	store := newStore(t)
	s := startServer(t, wstransport.NewHandler(store, &wstransport.ServerOptions{MaxEvents: 1, Logger: log.New(&logged, "", 0)}))
	conn := dialRaw(t, s)
	for text, code := range map[string]errors.Code{
		`{"id":1,"pull":{"cursor":"nonsense"}}`:              errors.InvalidVersion,
		`{"id":2,"pull":{"since":"nonsense"}}`:               errors.InvalidVersion,
		`{"id":3,"pull":{"cursor":"other.MQ.x"}}`:            errors.CursorLost,
		`{"id":4,"follow":{"cursor":"other.MQ.x"}}`:          errors.CursorLost,
		`{"id":5,"push":{"events":[{"event":{}},{}]}}`:       errors.TooLarge,
		`{"id":6,"push":{"events":[{"event":{"id":"a"}}]}}`:  errors.Unavailable,
		`{"id":7,"stop":true}{"id":8,"pull":{"cursor":"x"}}`: "",
	} {
		store.Fail(true)
		writeRaw(t, conn, text)
		if code == "" {
			continue // a stop of what is not there has no answer
		}
		m := readRaw(t, conn)
		got := m.Fault
		if m.Pushed != nil {
			got = m.Pushed.Error
		}
		if got == nil || got.Code != code {
			t.Errorf("%s: %+v, want %s", text, m, code)
		}
	}
	if text := logged.String(); !strings.Contains(text, "no space left") || strings.Contains(text, "CURSOR_LOST") {
		t.Errorf("logged %q", text)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A follower that asks for no further page gets none: what is new waits in the
// store, not in a queue.
func TestAFollowerSetsThePace(t *testing.T) {
	t.Parallel()
	s := startServer(t, wstransport.NewHandler(newStore(t), nil))
	conn := dialRaw(t, s)
	writeRaw(t, conn, `{"id":1,"follow":{}}`)
	if m := readRaw(t, conn); m.Page == nil || len(m.Page.Events) != 0 || m.Page.Cursor == "" {
		t.Fatalf("%+v", m)
	}
	for i := range 10 {
		writeRaw(t, conn, fmt.Sprintf(`{"id":%d,"push":{"events":[{"event":{"id":"%d"}}]}}`, i+2, i))
		if m := readRaw(t, conn); m.Pushed == nil || len(m.Pushed.Stored) != 1 {
			t.Fatalf("%+v", m)
		}
	}
	writeRaw(t, conn, `{"id":1,"next":true}`)
	if m := readRaw(t, conn); m.ID != 1 || m.Page == nil || len(m.Page.Events) != 10 {
		t.Errorf("%+v", m)
	}
	writeRaw(t, conn, `{"id":1,"stop":true}`)
}

// A peer that is gone without a word is told from one that is quiet.
func TestDeadClientsAreNoticed(t *testing.T) {
	t.Parallel()
	serve := func(timeout time.Duration) *server {
		options := &wstransport.ServerOptions{PingInterval: 50 * time.Millisecond, PingTimeout: timeout}
		return startServer(t, wstransport.NewHandler(newStore(t), options))
	}
	s := serve(500 * time.Millisecond)
	dead := dialRaw(t, s)
	pings := 0
	dead.SetPingHandler(func(string) error { pings++; return nil }) // no answer
	var err error
	for err == nil {
		_, _, err = dead.ReadMessage()
	}
	if pings == 0 || strings.Contains(err.Error(), "timeout") {
		t.Errorf("%d pings, %v", pings, err)
	}

	alive := dialRaw(t, serve(20*time.Second))
	answer, seen := alive.PingHandler(), make(chan struct{}, 100)
	alive.SetPingHandler(func(text string) error {
		seen <- struct{}{}
		return answer(text)
	})
	go alive.ReadMessage()
	for range 5 {
		<-seen
	}
}

func TestCloseEndsConnections(t *testing.T) {
	t.Parallel()
	h := wstransport.NewHandler(newStore(t), nil)
	s := startServer(t, h)
	conn := dialRaw(t, s)
	writeRaw(t, conn, `{"id":1,"follow":{}}`)
	readRaw(t, conn)
	writeRaw(t, conn, `{"id":1,"next":true}`)
	h.Close()
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseServiceRestart) {
		t.Errorf("%v", err)
	}
	h.Close()
	if err := connect(t, s.url(), nil).Push(t.Context(), newEvents(1)); errors.CodeOf(err) != errors.Unavailable {
		t.Errorf("%v", err)
	}
}
