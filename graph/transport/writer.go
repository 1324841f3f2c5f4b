package transport

import (
	"time"

	"github.com/gorilla/websocket"
)

// outgoing is a message on its way, and who waits for it to be gone.
type outgoing struct {
	frames [][]byte
	op     *operation // nil: the reader's own
	last   bool       // the operation is over with this one
	gone   chan struct{}
}

// push queues a message. The queue is short: each operation, and the reader,
// has at most one message in it besides an operation's last.
func (s *socket) push(m outgoing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, m)
	if s.writing {
		return
	}
	s.writing = true
	s.running.Add(1)
	go s.write()
}

// reply sends a message of the reader's own and waits until it is gone, so that
// whoever asks much and reads nothing is not read either.
func (s *socket) reply(frame []byte) {
	gone := make(chan struct{}, 1)
	s.push(outgoing{frames: [][]byte{frame}, gone: gone})
	<-gone
}

// write empties the queue.
func (s *socket) write() {
	defer s.running.Done()
	for m, ok := s.pop(); ok; m, ok = s.pop() {
		for _, frame := range m.frames {
			s.writeFrame(frame)
		}
		if m.gone != nil {
			m.gone <- struct{}{}
		}
	}
}

// pop takes the next message. An operation that sends its last one is over
// before its client can know.
func (s *socket) pop() (outgoing, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.writing, s.queue = false, nil
		if s.retiring && s.slots == 0 {
			go s.restart()
		}
		return outgoing{}, false
	}
	m := s.queue[0]
	s.queue[0] = outgoing{}
	s.queue = s.queue[1:]
	if m.op != nil && m.op.cancelled {
		m.frames = nil
	}
	if m.last {
		s.release(m.op)
	}
	return m, true
}

// writeFrame gives a large message the time that a slow reader needs. One that
// reads nothing at all loses the connection.
func (s *socket) writeFrame(data []byte) {
	timeout := s.config.writeTimeout(len(data))
	if !s.heard(timeout) {
		return
	}
	_ = s.ws.SetWriteDeadline(time.Now().Add(timeout))
	if s.ws.WriteMessage(websocket.TextMessage, data) != nil {
		s.abort()
		return
	}
	s.heard(0)
}
