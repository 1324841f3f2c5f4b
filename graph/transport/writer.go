package transport

import (
	"net"
	"time"

	"github.com/gorilla/websocket"
)

// outgoing is a message on its way, and who waits for it to be gone.
type outgoing struct {
	frames []frame
	op     *operation // nil: the reader's own
	last   bool       // the operation is over with this one
	gone   chan struct{}
	done   func() // called when it is gone, or dropped; may be nil
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
	s.reader.Made() // it could take nothing before
	s.running.Add(1)
	go s.write()
}

// reply sends a message of the reader's own and waits until it is gone, so that
// whoever asks much and reads nothing is not read either.
func (s *socket) reply(message frame) {
	gone := make(chan struct{}, 1)
	s.push(outgoing{frames: []frame{message}, gone: gone})
	<-gone
}

// write empties the queue.
func (s *socket) write() {
	defer s.running.Done()
	for m, ok := s.pop(); ok; m, ok = s.pop() {
		for _, frame := range m.frames {
			s.writeFrame(frame)
		}
		if m.done != nil {
			m.done()
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

// writeFrame writes a message, a large one in pieces. A client that takes nothing
// of it loses the connection.
func (s *socket) writeFrame(f frame) {
	p := &pace{timeout: s.config.WriteTimeout, reader: &s.reader, deadline: s}
	var err error
	if size := f.size(); size <= maxPiece {
		p.began = time.Now()
		p.allow(size)
		err = s.ws.WriteMessage(websocket.TextMessage, f.bytes())
		s.reader.Made()
	} else {
		err = s.writePieces(p, f)
	}
	if err != nil {
		s.config.slow(err)
		s.abort()
		return
	}
	s.heard(0)
}

// SetWriteDeadline fails once the socket is aborted.
func (s *socket) SetWriteDeadline(until time.Time) error {
	if !s.heard(time.Until(until)) {
		return net.ErrClosed
	}
	return s.ws.SetWriteDeadline(until)
}

func (s *socket) writePieces(p *pace, f frame) error {
	w, err := s.ws.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	p.to = w
	if f.blobs == nil {
		_, err = p.Write(f.head)
	} else {
		err = f.blobs.Send(p, f.head, f.json, f.tail)
	}
	if err != nil {
		return err
	}
	return w.Close()
}
