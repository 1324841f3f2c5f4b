package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"syncline/auth/signing"
)

const (
	subprotocol  = "graphql-transport-ws"
	writeTimeout = 10 * time.Second
	dialTimeout  = 20 * time.Second
	// pendingMessages are read ahead of a slow consumer, so that the server's
	// pings are answered meanwhile. Beyond them the network holds what comes.
	pendingMessages = 64
)

const (
	closeForbidden     = 4403
	closeRateLimited   = 4429
	closeTryAgainLater = 1013
)

// keepAlive says how a dead connection is told from a quiet one.
type keepAlive struct {
	interval time.Duration // between pings
	timeout  time.Duration // for the answer
}

// message is one of the graphql-transport-ws protocol.
type message struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// socket is an acknowledged connection.
type socket struct {
	conn      *websocket.Conn
	keepAlive keepAlive
	trace     SocketTrace
	writing   sync.Mutex
	incoming  chan message // closed when reading ended
	err       error        // why, once incoming is closed
	closing   chan struct{}
	running   sync.WaitGroup
}

// connect dials and authenticates. The socket ends with ctx.
func (c *Client) connect(ctx context.Context) (*socket, error) {
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	target := c.socketURL()
	conn, res, err := c.dialer().DialContext(dialing, target.String(), nil) //nolint:bodyclose // refusedUpgrade closes it; else it is the connection
	c.trace.Dialled(target, err)
	if err != nil {
		return nil, refusedUpgrade(res, err)
	}
	conn.SetReadLimit(maxAnswerBytes)
	s := &socket{
		conn: conn, keepAlive: c.keepAlive, trace: c.trace,
		incoming: make(chan message, pendingMessages), closing: make(chan struct{}),
	}
	stop := context.AfterFunc(dialing, func() { _ = conn.Close() })
	err = s.authenticate(c, target)
	if !stop() || err != nil {
		_ = conn.Close()
		return nil, cmp.Or[error](err, &unreachableError{cause: context.Cause(dialing)})
	}
	s.running.Go(s.read)
	s.running.Go(s.ping)
	return s, nil
}

func (c *Client) socketURL() *url.URL {
	u := *c.endpoint
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	return &u
}

func (c *Client) dialer() *websocket.Dialer {
	d := &websocket.Dialer{Proxy: http.ProxyFromEnvironment, Subprotocols: []string{subprotocol}}
	transport := c.http.Transport
	if wrapped, ok := transport.(interface{ Unwrap() http.RoundTripper }); ok {
		transport = wrapped.Unwrap()
	}
	if t, ok := transport.(*http.Transport); ok {
		t = t.Clone() // a transport completes itself when it is first used, or cloned
		d.Proxy, d.NetDialContext, d.NetDialTLSContext = t.Proxy, t.DialContext, t.DialTLSContext
		if t.TLSClientConfig != nil {
			d.TLSClientConfig = t.TLSClientConfig
			d.TLSClientConfig.NextProtos = []string{"http/1.1"} // HTTP/2 has no Upgrade
		}
	}
	return d
}

// refusedUpgrade is why a connection could not be made.
func refusedUpgrade(res *http.Response, err error) error {
	if res == nil || !errors.Is(err, websocket.ErrBadHandshake) {
		return &unreachableError{cause: err}
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body) // gorilla hands out the first kilobyte
	if _, err := readAnswer(res, body); err != nil {
		return err
	}
	return fmt.Errorf("%w: no WebSocket, HTTP status %s", ErrProtocol, res.Status)
}

// authenticate sends connection_init and waits for the acknowledgement.
func (s *socket) authenticate(c *Client, target *url.URL) error {
	headers, err := signing.SignWebSocket(target, c.key, c.clock.now(), signing.NewNonce())
	if err != nil {
		return err
	}
	payload, err := json.Marshal(struct {
		SignatureInput string `json:"signature-input"`
		Signature      string `json:"signature"`
		Authorization  string `json:"authorization,omitempty"`
	}{headers.SignatureInput, headers.Signature, c.certificate})
	if err != nil {
		return err
	}
	if err := s.write(message{Type: "connection_init", Payload: payload}); err != nil {
		return err
	}
	for {
		m, err := s.receive()
		switch {
		case err != nil:
			return err
		case m.Type == "connection_ack":
			return nil
		case m.Type != "":
			return fmt.Errorf("%w: %q before connection_ack", ErrProtocol, m.Type)
		}
	}
}

// write sends a message. It may be called by several goroutines.
func (s *socket) write(m message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode a message: %w", err)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	s.trace.Message(true, text)
	if err := s.conn.WriteMessage(websocket.TextMessage, text); err != nil {
		return &unreachableError{cause: err}
	}
	return nil
}

// receive reads the next message. Pings are answered, and come out as a message
// without type, as pongs do. A connection on which nothing arrived for longer
// than a ping and its answer take is dead.
func (s *socket) receive() (message, error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(s.keepAlive.interval + s.keepAlive.timeout))
	_, text, err := s.conn.ReadMessage()
	if err != nil {
		s.trace.Ended(err)
		return message{}, closed(err)
	}
	s.trace.Message(false, text)
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		return message{}, closed(err)
	}
	switch m.Type {
	case "ping":
		return message{}, s.write(message{Type: "pong"})
	case "pong":
		return message{}, nil
	}
	return m, nil
}

// closed is what the end of a connection means.
func closed(err error) error {
	var end *websocket.CloseError
	if !errors.As(err, &end) {
		return &unreachableError{cause: err}
	}
	var reason struct {
		Code         Code
		ServerTime   time.Time
		RetryAfterMs int64
	}
	_ = json.Unmarshal([]byte(end.Text), &reason) // other reasons are text
	switch end.Code {
	case closeForbidden, closeRateLimited, closeTryAgainLater:
		if reason.Code != "" {
			return &Error{
				Code: reason.Code, Message: "connection refused", ServerTime: reason.ServerTime,
				RetryAfter: units(reason.RetryAfterMs, time.Millisecond),
			}
		}
	}
	return &unreachableError{cause: err}
}

// read hands out messages until the connection ends.
func (s *socket) read() {
	defer close(s.incoming)
	for {
		m, err := s.receive()
		if err != nil {
			s.err = err
			return
		}
		if m.Type == "" {
			continue
		}
		select {
		case s.incoming <- m:
		case <-s.closing:
			s.err = net.ErrClosed
			return
		}
	}
}

// ping asks for a sign of life until the socket closes.
func (s *socket) ping() {
	tick := time.NewTicker(s.keepAlive.interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.closing:
			return
		}
		if s.write(message{Type: "ping"}) != nil {
			_ = s.conn.Close() // reading ends, and tells
			return
		}
	}
}

// close ends the connection and waits for its goroutines.
func (s *socket) close() {
	close(s.closing)
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = s.conn.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(time.Second))
	_ = s.conn.Close()
	s.running.Wait()
}
