package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"syncline/client"
)

// A feedServer plays one scene for each WebSocket that connects, the last for
// ever, and keeps what was subscribed to.
type feedServer struct {
	t        *testing.T
	scenes   []scene
	sinces   []*string
	inits    []map[string]string
	connects int
}

// A scene is what the server does with a connection after connection_init.
type scene func(*peer)

type peer struct {
	*websocket.Conn
	server *feedServer
}

func (s *feedServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scene := s.scenes[min(s.connects, len(s.scenes)-1)]
	s.connects++
	up := websocket.Upgrader{Subprotocols: []string{"graphql-transport-ws"}}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer conn.Close()
	p := &peer{Conn: conn, server: s}
	init := map[string]string{}
	if err := json.Unmarshal(p.read("connection_init"), &init); err != nil {
		s.t.Error(err)
	}
	s.inits = append(s.inits, init)
	scene(p)
}

// read reads a message, which must be of a type, and answers its payload.
func (p *peer) read(kind string) json.RawMessage {
	var m struct {
		Type    string
		Payload json.RawMessage
	}
	if err := p.ReadJSON(&m); err != nil || m.Type != kind {
		p.server.t.Errorf("%+v, %v; want %s", m, err, kind)
	}
	return m.Payload
}

func (p *peer) send(message string) { _ = p.WriteMessage(websocket.TextMessage, []byte(message)) }

// accept acknowledges the connection and reads the subscription.
func (p *peer) accept() {
	p.send(`{"type":"connection_ack"}`)
	var c call
	if err := json.Unmarshal(p.read("subscribe"), &c); err != nil {
		p.server.t.Error(err)
	}
	p.server.sinces = append(p.server.sinces, c.Variables.Since)
}

func (p *peer) changed(revisions ...int) {
	for _, r := range revisions {
		p.send(fmt.Sprintf(`{"id":"1","type":"next","payload":{"data":{"recordChanged":{"kind":"CHANGED","cursor":"at-%d",
			"record":{"id":"r","data":"eA==","revision":%d,"schemaVersion":"","deleted":false,"clientId":null,"updatedAt":"2026-01-01T00:00:00.000000Z"}}}}}`, r, r))
	}
}

func (p *peer) caughtUp(at int) {
	p.send(fmt.Sprintf(`{"id":"1","type":"next","payload":{"data":{"recordChanged":{"kind":"CAUGHT_UP","record":null,"cursor":"at-%d"}}}}`, at))
}

func (p *peer) end(code int, reason string) {
	_ = p.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
}

// live answers pings until the client goes.
func (p *peer) live() {
	for {
		var m struct{ Type string }
		if p.ReadJSON(&m) != nil {
			return
		}
		if m.Type == "ping" {
			p.send(`{"type":"pong"}`)
		}
	}
}

// follow follows a scripted feed until the last event wanted arrived, or an
// error, and answers the events in short.
func follow(t *testing.T, s *feedServer, since client.Cursor, until string, opts ...client.Option) ([]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var got []string
	for e, err := range newFake(t, s.ServeHTTP, opts...).Follow(ctx, since) {
		if err != nil {
			return got, err
		}
		got = append(got, fmt.Sprintf("%s %s", e.Kind, e.Cursor))
		if got[len(got)-1] == until {
			break
		}
	}
	return got, nil
}

func sinces(s *feedServer) (all []string) {
	for _, c := range s.sinces {
		if c == nil {
			all = append(all, "null")
		} else {
			all = append(all, *c)
		}
	}
	return all
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestFollowResumesAfterAnyEnd(t *testing.T) {
	ends := map[string]scene{
		"cut":                 func(p *peer) { p.NetConn().Close() },
		"half a frame":        func(p *peer) { p.NetConn().Write([]byte{0x81, 0x7e, 0x10}); p.NetConn().Close() },
		"a frame of no JSON":  func(p *peer) { p.send("hello"); p.live() },
		"shutdown":            func(p *peer) { p.end(1012, "shutdown"); p.live() },
		"try again later":     func(p *peer) { p.end(1013, `{"code":"UNAVAILABLE"}`); p.live() },
		"too many connects":   func(p *peer) { p.end(4429, `{"code":"RATE_LIMITED","retryAfterMs":2000}`); p.live() },
		"normal closure":      func(p *peer) { p.end(1000, ""); p.live() },
		"refused, no reason":  func(p *peer) { p.end(4403, "Forbidden"); p.live() },
		"complete":            func(p *peer) { p.send(`{"id":"1","type":"complete"}`); p.live() },
		"unavailable":         func(p *peer) { p.fail(`"code":"UNAVAILABLE","retryAfterMs":1000`) },
		"rate limited":        func(p *peer) { p.fail(`"code":"RATE_LIMITED"`) },
		"internal":            func(p *peer) { p.fail(`"code":"INTERNAL"`) },
		"silence without end": func(p *peer) { p.readAll() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &feedServer{t: t, scenes: []scene{
					func(p *peer) { p.accept(); p.changed(3, 5); end(p) },
					func(p *peer) { p.accept(); end(p) },
					func(p *peer) { p.accept(); p.changed(5, 8); p.caughtUp(8); end(p) },
					func(p *peer) { p.accept(); p.caughtUp(8); p.changed(9); p.live() },
				}}
				got, err := follow(t, s, "at-2", "CHANGED at-9")
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "events", got, "[CHANGED at-3 CHANGED at-5 CHANGED at-8 CAUGHT_UP at-8 CAUGHT_UP at-8 CHANGED at-9]")
				equal(t, "subscribed from", sinces(s), "[at-2 at-5 at-5 at-8]")
			})
		})
	}
}

func (p *peer) fail(extensions string) {
	p.send(`{"id":"1","type":"error","payload":[{"message":"no","extensions":{` + extensions + `}}]}`)
	p.live()
}

// readAll reads on without an answer to any ping.
func (p *peer) readAll() {
	for {
		if _, _, err := p.ReadMessage(); err != nil {
			return
		}
	}
}

func TestFollowFromNowHasNoHoleAfterCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &feedServer{t: t, scenes: []scene{
			func(p *peer) { p.accept(); p.NetConn().Close() },
			func(p *peer) { p.accept(); p.caughtUp(4); p.NetConn().Close() },
			func(p *peer) { p.accept(); p.changed(5); p.caughtUp(5); p.live() },
		}}
		if _, err := follow(t, s, client.Now, "CHANGED at-5"); err != nil {
			t.Fatal(err)
		}
		equal(t, "subscribed from", sinces(s), "[null null at-4]")
	})
}

func TestFollowFromTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &feedServer{t: t, scenes: []scene{func(p *peer) { p.accept(); p.caughtUp(0); p.live() }}}
		if _, err := follow(t, s, client.Beginning, "CAUGHT_UP at-0"); err != nil {
			t.Fatal(err)
		}
		equal(t, "subscribed from", sinces(s), "[0]")
	})
}

func TestFollowEndsWithWhatNoRetryMends(t *testing.T) {
	ends := []struct {
		name string
		scene
		want error
	}{
		{"cursor too old", func(p *peer) { p.accept(); p.fail(`"code":"CURSOR_TOO_OLD","floor":7`) }, client.ErrCursorTooOld},
		{"other epoch", func(p *peer) { p.accept(); p.fail(`"code":"EPOCH_MISMATCH","restoredHead":7`) }, client.ErrEpochMismatch},
		{"bad cursor", func(p *peer) { p.accept(); p.fail(`"code":"BAD_USER_INPUT","field":"since"`) }, client.ErrBadUserInput},
		{"foreign key", func(p *peer) { p.end(4403, `{"code":"UNAUTHENTICATED"}`); p.live() }, client.ErrUnauthenticated},
		{"certificate", func(p *peer) { p.end(4403, `{"code":"FORBIDDEN"}`); p.live() }, client.ErrForbidden},
		{"an event of no kind", func(p *peer) {
			p.accept()
			p.send(`{"id":"1","type":"next","payload":{"data":{"recordChanged":null}}}`)
			p.live()
		}, client.ErrProtocol},
	}
	for _, e := range ends {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &feedServer{t: t, scenes: []scene{e.scene}}
				_, err := follow(t, s, "at-1", "")
				if !errors.Is(err, e.want) {
					t.Errorf("%v, want %v", err, e.want)
				}
				if s.connects != 1 {
					t.Errorf("%d connections", s.connects)
				}
			})
		})
	}
}

func TestFollowRefusedByHTTP(t *testing.T) {
	for status, want := range map[int]error{404: client.ErrProtocol, 401: client.ErrUnauthenticated} {
		synctest.Test(t, func(t *testing.T) {
			c := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
				if status == 401 {
					coded(401, `"code":"UNAUTHENTICATED"`)(w)
					return
				}
				w.WriteHeader(status)
			})
			for _, err := range c.Follow(t.Context(), client.Now) {
				if !errors.Is(err, want) {
					t.Errorf("%d: %v", status, err)
				}
			}
		})
	}
}

func TestFollowWaitsForAServerThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &feedServer{t: t, scenes: []scene{
			func(p *peer) { p.accept(); p.caughtUp(1); p.NetConn().Close() },
			func(p *peer) { p.accept(); p.changed(2); p.live() },
		}}
		refusals := 0
		c := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			if s.connects == 1 && refusals < 50 {
				refusals++
				w.WriteHeader([]int{404, 502, 503}[refusals%3])
				return
			}
			s.ServeHTTP(w, r)
		})
		for e, err := range c.Follow(t.Context(), client.Now) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == client.Changed {
				break
			}
		}
		if refusals != 50 {
			t.Errorf("%d refusals", refusals)
		}
	})
}

func TestFollowCorrectsItsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &feedServer{t: t, scenes: []scene{
			func(p *peer) {
				p.end(4403, `{"code":"SIGNATURE_EXPIRED","serverTime":"`+time.Now().UTC().Format(time.RFC3339Nano)+`"}`)
				p.live()
			},
			func(p *peer) { p.accept(); p.caughtUp(1); p.live() },
		}}
		hourLate := client.WithClock(func() time.Time { return time.Now().Add(-time.Hour) })
		began := time.Now()
		if _, err := follow(t, s, client.Now, "CAUGHT_UP at-1", hourLate); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
		if skew := time.Since(created(t, s.inits[1]["signature-input"])).Abs(); skew > 2*time.Second {
			t.Errorf("the second signature is %v off", skew)
		}
		if s.inits[0]["signature-input"] == s.inits[1]["signature-input"] {
			t.Error("a signature was used twice")
		}
	})
}

func TestFollowEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &feedServer{t: t, scenes: []scene{func(p *peer) { p.accept(); p.caughtUp(1); p.live() }}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		var last error
		for _, err := range newFake(t, s.ServeHTTP).Follow(ctx, client.Now) {
			last = err
		}
		if !errors.Is(last, context.DeadlineExceeded) {
			t.Errorf("%v", last)
		}
		if s.connects != 1 {
			t.Errorf("a quiet but living connection was given up: %d connections", s.connects)
		}
	})
}

// TestSlowConsumerKeepsItsConnection: pings are answered while an event is
// being worked on.
func TestSlowConsumerKeepsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &feedServer{t: t, scenes: []scene{func(p *peer) {
			p.accept()
			p.changed(1, 2)
			p.send(`{"type":"ping"}`)
			p.read("pong")
			p.changed(3)
			p.live()
		}}}
		for e, err := range newFake(t, s.ServeHTTP).Follow(t.Context(), client.Now) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Record.Revision == 3 {
				break
			}
			advance(5 * time.Second)
		}
		equal(t, "connections", s.connects, 1)
	})
}
