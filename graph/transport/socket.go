package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gorilla/websocket"
	"golang.org/x/sync/semaphore"

	"syncline/internal/budget"
)

// closeWait is how long a peer may take to answer a close frame.
const closeWait = time.Second

// socket is one WebSocket. One goroutine at a time reads it, each operation has
// one while it has something to do, and one writes while there is something to
// write. The socket is gone when the reader has seen an error: whoever wants it gone makes the connection
// fail, at once by abort or after a close frame by close.
type socket struct {
	*Transports
	exec    graphql.GraphExecutor
	ws      *websocket.Conn
	cancel  context.CancelFunc // ends everything that runs for the socket
	from    netip.Prefix       // its client's address, if that is known
	running sync.WaitGroup     // operations, and the writer while there is one

	unsent *semaphore.Weighted // bytes that operations hold until they are sent
	reader budget.Progress     // the client's, in taking what is written

	// Only the reader's.
	initialised bool
	upgrade     *http.Request // until initialised
	expiry      *time.Timer   // of the time for that
	timers      []stopper

	mu         sync.Mutex
	acked      bool
	closing    bool
	retiring   bool
	operations []*operation // few: see Config.MaxOperations
	slots      int          // operations that have not sent their last message
	resume     map[string]string
	readBy     time.Time // when the message that is being read must be there; or zero
	queue      []outgoing
	writing    bool
}

type stopper interface{ Stop() }

// stopTimer is a time.Timer whose Stop answers nothing.
type stopTimer struct{ *time.Timer }

func (t stopTimer) Stop() { t.Timer.Stop() }

func newSocket(t *Transports, exec graphql.GraphExecutor, ws *websocket.Conn, cancel context.CancelFunc) *socket {
	return &socket{Transports: t, exec: exec, ws: ws, cancel: cancel, unsent: semaphore.NewWeighted(maxQueued)}
}

// serve reads until the connection fails, and leaves nothing behind.
func (s *socket) serve(ctx context.Context, upgrade *http.Request) {
	if s.ws.Subprotocol() == "" {
		s.close(closeBadSubprotocol, "Subprotocol not acceptable")
		s.linger()
		s.end()
		return
	}
	s.upgrade = upgrade
	s.ws.SetReadLimit(s.config.initBytes())
	s.ws.SetPongHandler(func(string) error { s.heard(0); return nil })
	s.heard(0)
	s.expiry = time.AfterFunc(s.initTimeout(), s.expireInit)
	s.timers = append(s.timers, repeat(s.config.KeepAlive, s.ping))
	s.read(ctx)
}

// read handles messages. ctx is replaced by what Init makes of it.
func (s *socket) read(ctx context.Context) {
	handedOver := false
	defer func() {
		if value := recover(); value != nil {
			_ = presentPanic(ctx, s.exec, value)
			s.close(websocket.CloseInternalServerErr, "internal error")
		}
		if !handedOver {
			s.end()
		}
	}()
	for {
		frame, data, input, cut, err := s.readMessage(ctx)
		if errors.Is(err, websocket.ErrReadLimit) {
			s.linger() // gorilla has sent 1009
		}
		if errors.Is(err, errFragments) {
			s.close(closeBadRequest, clipReason("Invalid message: "+err.Error()))
			s.linger()
		}
		if err != nil {
			return
		}
		if !s.heard(0) {
			input.Release()
			continue // closing: nothing counts any more
		}
		m, err := s.decode(ctx, frame, data, cut)
		m.input = input
		if err != nil {
			input.Release()
		}
		if errors.Is(err, errTooLong) {
			s.close(websocket.CloseMessageTooBig, "Message too big")
			continue
		}
		if errors.Is(err, errBusy) {
			s.close(websocket.CloseTryAgainLater, "No memory left")
			continue
		}
		if err != nil {
			s.close(closeBadRequest, clipReason("Invalid message: "+err.Error()))
			continue
		}
		if ctx = s.handle(ctx, m); m.kind == "connection_init" {
			// A goroutine keeps the stack that verification took, and this one
			// waits for most of its life: a new one reads on.
			handedOver = true
			go s.read(ctx)
			return
		}
	}
}

// decode reads what a message says. The error is ctx's if it ends before that.
func (s *socket) decode(ctx context.Context, frame int, data []byte, cut error) (message, error) {
	end, err := s.turns.take(ctx, len(data))
	if err != nil {
		return message{}, err
	}
	defer end()
	m, err := parseMessage(frame, data, s.most(), cut)
	m.size = len(data)
	return m, err
}

func (s *socket) handle(ctx context.Context, m message) context.Context {
	if m.kind != "subscribe" {
		defer m.input.Release()
	}
	switch m.kind {
	case "connection_init":
		return s.initialise(ctx, m)
	case "ping":
		s.reply(pongMessage(m.payload))
	case "subscribe":
		s.subscribe(ctx, m)
	case "complete":
		s.complete(m.id)
	}
	return ctx
}

// heard allows the peer another interval of silence, and more if something
// long is being written to it. False once the socket is closing.
func (s *socket) heard(writing time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	until := time.Now().Add(s.config.KeepAlive + s.config.PongTimeout + writing)
	if !s.readBy.IsZero() && s.readBy.Before(until) {
		until = s.readBy
	}
	_ = s.ws.SetReadDeadline(until)
	return true
}

// ping uses the frames of the WebSocket, which browsers answer by themselves,
// also in a page that sleeps. An answer that does not come ends the reader.
func (s *socket) ping() bool {
	_ = s.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(s.config.PongTimeout))
	return !s.isClosing()
}

func (s *socket) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// idle tells whether nothing is being written.
func (s *socket) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.writing
}

// after arms a timer that end disarms.
func (s *socket) after(d time.Duration, f func()) {
	s.timers = append(s.timers, stopTimer{time.AfterFunc(d, f)})
}

// close says why, cancels what runs, and leaves the peer closeWait to answer.
func (s *socket) close(code int, reason string) {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return
	}
	s.closing = true
	s.mu.Unlock()
	s.cancel()
	frame := websocket.FormatCloseMessage(code, reason)
	if s.ws.WriteControl(websocket.CloseMessage, frame, time.Now().Add(closeWait)) != nil {
		_ = s.ws.Close()
		return
	}
	_ = s.ws.SetReadDeadline(time.Now().Add(closeWait))
}

// linger takes in what the peer still sends for a moment: to close a socket
// with unread bytes is a reset, which may destroy the close frame on its way.
func (s *socket) linger() {
	conn := s.ws.NetConn()
	_ = conn.SetReadDeadline(time.Now().Add(closeWait))
	_, _ = io.Copy(io.Discard, &yielding{Reader: conn})
}

// retire closes the socket with 1012, which tells clients to come back. Queries
// and mutations that run are answered first, within the time of one write.
func (s *socket) retire() {
	s.mu.Lock()
	s.retiring = true
	for _, op := range s.operations {
		if op.subscription {
			op.cancel()
		}
	}
	idle := s.slots == 0 && !s.writing
	s.mu.Unlock()
	if idle {
		s.restart()
		return
	}
	time.AfterFunc(s.config.WriteTimeout, s.restart)
}

func (s *socket) restart() { s.close(websocket.CloseServiceRestart, "Service restart") }

func (s *socket) abort() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.cancel()
	_ = s.ws.Close()
}

// end waits for all that ran for the socket.
func (s *socket) end() {
	s.abort()
	if s.expiry != nil {
		s.expiry.Stop()
	}
	for _, timer := range s.timers {
		timer.Stop()
	}
	s.running.Wait()
	s.mu.Lock()
	acked := s.acked
	s.mu.Unlock()
	if !acked {
		s.unacknowledged.leave(s.from)
	}
	s.live.remove(s)
}

// clipReason keeps a reason within a control frame.
func clipReason(reason string) string {
	const most = 123
	if len(reason) <= most {
		return reason
	}
	return strings.ToValidUTF8(reason[:most], "")
}
