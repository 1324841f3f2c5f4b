package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"syncline/auth/signing"
)

// Socket is an authenticated WebSocket, on which any number of operations may
// be in progress.
type Socket struct {
	ws      *websocket.Conn
	writing sync.Mutex

	mu       sync.Mutex
	last     int
	handlers map[string]Handler
	err      error // why it ended

	ended chan struct{}
	pongs chan struct{}
}

// Handler gets what the server says on an operation: an event's payload, or the
// error that ended the operation. It is called by the socket's one reader, and
// must not keep the payload.
type Handler func(payload []byte, err error)

// Dial connects to an endpoint as an owner.
func Dial(ctx context.Context, endpoint *url.URL, owner Owner) (*Socket, error) {
	target := *endpoint
	target.Scheme = "ws"
	dialer := websocket.Dialer{
		Subprotocols: []string{"graphql-transport-ws"}, HandshakeTimeout: requestTimeout,
		ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10, // thousands may be idle
	}
	ws, res, err := dialer.DialContext(ctx, target.String(), nil)
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close() // empty
	s := &Socket{ws: ws, handlers: map[string]Handler{}, ended: make(chan struct{}), pongs: make(chan struct{}, 1)}
	if err := s.authenticate(&target, owner); err != nil {
		_ = ws.Close()
		return nil, err
	}
	go s.read()
	return s, nil
}

func (s *Socket) authenticate(target *url.URL, owner Owner) error {
	h, err := signing.SignWebSocket(target, owner.key, time.Now(), signing.NewNonce())
	if err != nil {
		return err
	}
	payload := map[string]string{"signature-input": h.SignatureInput, "signature": h.Signature}
	if err := s.ws.WriteJSON(map[string]any{"type": "connection_init", "payload": payload}); err != nil {
		return err
	}
	_ = s.ws.SetReadDeadline(time.Now().Add(requestTimeout))
	_, message, err := s.ws.ReadMessage()
	if err != nil {
		return err
	}
	_ = s.ws.SetReadDeadline(time.Time{})
	return Contains(`"connection_ack"`)(message)
}

// Start begins an operation.
func (s *Socket) Start(request []byte, h Handler) error {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return s.err
	}
	s.last++
	id := strconv.Itoa(s.last)
	s.handlers[id] = h
	s.mu.Unlock()
	message := make([]byte, 0, len(request)+64)
	message = append(message, `{"id":"`...)
	message = append(message, id...)
	message = append(message, `","type":"subscribe","payload":`...)
	message = append(message, request...)
	return s.write(append(message, '}'))
}

// Do runs a query or mutation and checks the answer.
func (s *Socket) Do(ctx context.Context, request []byte, check Check) error {
	done := make(chan error, 1)
	err := s.Start(request, func(payload []byte, err error) {
		if err == nil {
			err = check(payload)
		}
		select {
		case done <- err:
		default: // it was answered already
		}
	})
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ping asks the server for a sign of life and waits for it. One caller at a time may.
func (s *Socket) Ping(ctx context.Context) error {
	if err := s.write([]byte(`{"type":"ping"}`)); err != nil {
		return err
	}
	select {
	case <-s.pongs:
		return nil
	case <-s.ended:
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Socket) write(message []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.ws.WriteMessage(websocket.TextMessage, message)
}

func (s *Socket) read() {
	var message bytes.Buffer
	for {
		_, r, err := s.ws.NextReader()
		if err == nil {
			message.Reset()
			_, err = message.ReadFrom(r)
		}
		if err == nil {
			err = s.handle(message.Bytes())
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

var errProtocol = errors.New("unexpected message")

// handle hands a message out. Messages of the server begin with their type, and
// their id follows.
func (s *Socket) handle(message []byte) error {
	rest, ok := bytes.CutPrefix(message, []byte(`{"type":"`))
	kind, rest, found := bytes.Cut(rest, []byte(`"`))
	if !ok || !found {
		return s.handleSlowly(message)
	}
	switch string(kind) {
	case "ping":
		return s.write([]byte(`{"type":"pong"}`))
	case "pong":
		select {
		case s.pongs <- struct{}{}:
		default: // nobody asked
		}
		return nil
	}
	rest, ok = bytes.CutPrefix(rest, []byte(`,"id":"`))
	id, payload, found := bytes.Cut(rest, []byte(`"`))
	if !ok || !found {
		return s.handleSlowly(message)
	}
	payload = bytes.TrimSuffix(bytes.TrimPrefix(payload, []byte(`,"payload":`)), []byte(`}`))
	return s.dispatch(string(kind), string(id), payload)
}

// handleSlowly is for messages whose members stand in another order.
func (s *Socket) handleSlowly(message []byte) error {
	var m struct {
		ID, Type string
		Payload  json.RawMessage
	}
	if err := json.Unmarshal(message, &m); err != nil {
		return err
	}
	return s.dispatch(m.Type, m.ID, m.Payload)
}

func (s *Socket) dispatch(kind, id string, payload []byte) error {
	s.mu.Lock()
	h := s.handlers[id]
	if kind != "next" {
		delete(s.handlers, id)
	}
	s.mu.Unlock()
	switch {
	case h == nil: // over already
	case kind == "next":
		h(payload, nil)
	case kind == "error":
		h(nil, fmt.Errorf("the operation failed: %.200s", payload))
	case kind != "complete":
		return errProtocol
	}
	return nil
}

// end tells all operations that it is over.
func (s *Socket) end(err error) {
	s.mu.Lock()
	s.err = err
	handlers := s.handlers
	s.handlers = nil
	s.mu.Unlock()
	for _, h := range handlers {
		h(nil, err)
	}
	close(s.ended)
}

// Close ends the connection at once.
func (s *Socket) Close() {
	_ = s.ws.Close()
	<-s.ended
}
