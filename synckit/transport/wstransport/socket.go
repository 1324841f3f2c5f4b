package wstransport

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"io"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// socket is a connection, on either side.
type socket struct {
	conn      *websocket.Conn
	keepAlive keepAlive
	patience  time.Duration // for the other side to take a message
	writing   sync.Mutex
	// inMessage: the deadline is the message's. Only what reads looks at it.
	inMessage bool
}

// keepAlive says how a dead connection is told from a quiet one.
type keepAlive struct {
	interval time.Duration // between pings
	timeout  time.Duration // for the answer
}

func newSocket(conn *websocket.Conn, k keepAlive, patience time.Duration, maxMessage int) *socket {
	s := &socket{conn: conn, keepAlive: k, patience: patience}
	conn.SetReadLimit(int64(maxMessage))
	conn.SetPongHandler(func(string) error { return s.extend() })
	answer := conn.PingHandler()
	conn.SetPingHandler(func(text string) error {
		_ = s.extend()
		return answer(text)
	})
	return s
}

// extend gives the other side time for a further sign of life.
func (s *socket) extend() error {
	if s.inMessage {
		return nil
	}
	return s.conn.SetReadDeadline(time.Now().Add(s.keepAlive.interval + s.keepAlive.timeout))
}

// next waits for a message, which the caller reads before the one after.
func (s *socket) next() (io.Reader, error) {
	_ = s.extend()
	kind, r, err := s.conn.NextReader()
	if err == nil && kind != websocket.TextMessage {
		err = errBinary
	}
	return r, err
}

var errBinary = stderrors.New("a message that is not text")

func (s *socket) read(r io.Reader) (message, error) {
	s.inMessage = true
	defer func() { s.inMessage = false }()
	_ = s.conn.SetReadDeadline(time.Now().Add(s.patience))
	var m message
	err := json.NewDecoder(r).Decode(&m)
	return m, err
}

// write sends a message. It may be called by several goroutines.
func (s *socket) write(m message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return s.writeText(text)
}

func (s *socket) writeText(text []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(s.patience))
	return s.conn.WriteMessage(websocket.TextMessage, text)
}

// ping asks for signs of life until ctx ends or the connection breaks.
func (s *socket) ping(ctx context.Context) {
	tick := time.NewTicker(s.keepAlive.interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(s.keepAlive.timeout)) != nil {
			_ = s.conn.Close() // reading ends, and tells
			return
		}
	}
}

// close says why, and ends the connection.
func (s *socket) close(code int, why string) {
	goodbye := websocket.FormatCloseMessage(code, why)
	_ = s.conn.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(time.Second))
	_ = s.conn.Close()
}
