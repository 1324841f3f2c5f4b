package wstransport

import (
	"context"
	stderrors "errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/peerlog"
	"syncline/synckit/transport/internal/wire"
)

const (
	// maxRequests is how many requests of one connection are served at once. More
	// are not read.
	maxRequests = 8
	// maxFollows is how many pages a connection may wait for at once.
	maxFollows = 16
)

var errFollows = fmt.Errorf("more than %d subscriptions on one connection", maxFollows)

// session serves one connection.
type session struct {
	*Handler
	socket   *socket
	requests chan struct{} // one token for each request that is served
	running  sync.WaitGroup

	mu      sync.Mutex
	follows map[int64]*follow
}

// serve serves a connection to its end.
func serve(ctx context.Context, h *Handler, socket *socket) {
	ctx, cancel := context.WithCancel(ctx)
	s := &session{Handler: h, socket: socket, requests: make(chan struct{}, maxRequests), follows: map[int64]*follow{}}
	stop := context.AfterFunc(ctx, func() { socket.close(websocket.CloseServiceRestart, "") })
	defer func() {
		cancel()
		stop()
		s.running.Wait()
		_ = socket.conn.Close()
	}()
	s.running.Go(func() { socket.ping(ctx) })
	greeting := message{Hello: &hello{MaxMessageBytes: h.options.MaxMessageBytes, MaxEvents: h.options.MaxEvents}}
	if socket.write(greeting) != nil {
		return
	}
	for {
		if err := s.receive(ctx); err != nil {
			if stderrors.Is(err, errProtocol) {
				socket.close(websocket.ClosePolicyViolation, err.Error())
			}
			return
		}
	}
}

var errProtocol = stderrors.New("not a message of " + subprotocol)

// receive takes one message, once it is this connection's and this message's
// turn to be in memory.
func (s *session) receive(ctx context.Context) error {
	r, err := s.socket.next()
	if err != nil {
		return err
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	m, err := s.socket.read(r)
	switch {
	case stderrors.Is(err, websocket.ErrReadLimit):
	case err != nil:
		err = fmt.Errorf("%w: unreadable", errProtocol)
	case m.Push != nil || m.Pull != nil:
		return s.start(ctx, m, leave)
	default:
		err = s.control(ctx, m)
	}
	leave()
	return err
}

// start serves a request beside others.
func (s *session) start(ctx context.Context, m message, leave func()) error {
	select {
	case s.requests <- struct{}{}:
	case <-ctx.Done():
		leave()
		return context.Cause(ctx)
	}
	s.running.Go(func() {
		defer func() {
			leave()
			<-s.requests
		}()
		bound, cancel := context.WithTimeout(ctx, s.options.RequestTimeout)
		defer cancel()
		if m.Push != nil {
			s.send(message{ID: m.ID, Pushed: s.push(bound, *m.Push)})
			return
		}
		s.answerPage(m.ID)(s.pull(bound, *m.Pull))
	})
	return nil
}

// send sends an answer. What cannot be sent ends the connection.
func (s *session) send(m message) {
	if s.socket.write(m) != nil {
		_ = s.socket.conn.Close()
	}
}

func (s *session) answerPage(id int64) func(peerlog.Page, error) {
	return func(p peerlog.Page, err error) {
		if err != nil {
			s.send(message{ID: id, Fault: s.fault("pull", err)})
			return
		}
		s.send(message{ID: id, Page: s.encode(p)})
	}
}

func (s *session) fault(op string, err error) *wire.Fault {
	fault := wire.NewFault(err)
	if fault.Code.Retryable() {
		s.printf("%s: %v", op, err)
	}
	return &fault
}

func (s *session) push(ctx context.Context, p push) *wire.PushAnswer {
	if len(p.Events) > s.options.MaxEvents {
		tooMany := errors.New(errors.TooLarge, "push", fmt.Errorf("more than %d events", s.options.MaxEvents))
		return &wire.PushAnswer{Error: s.fault("push", tooMany)}
	}
	end, outcome := s.log.Receive(ctx, p.Events, p.After)
	answer := wire.NewPushAnswer(outcome)
	answer.Cursor = end
	if outcome.Err != nil {
		s.fault("push", outcome.Err)
	}
	return &answer
}

func (s *session) pull(ctx context.Context, q query) (peerlog.Page, error) {
	since, err := wire.ParseVersion(ctx, s.parse, q.Since)
	if err != nil {
		return peerlog.Page{}, err
	}
	return s.log.Page(ctx, peerlog.Query{Cursor: q.Cursor, Since: since, Limit: s.limit(q)})
}

func (s *session) limit(q query) int {
	if q.Limit < 1 {
		return s.options.MaxEvents
	}
	return min(q.Limit, s.options.MaxEvents)
}

func (s *session) encode(p peerlog.Page) *page {
	encoded := &page{Cursor: p.Cursor, More: p.More}
	for _, e := range p.Encode(func(err error) { s.printf("pull: left out: %v", err) }) {
		encoded.Events = append(encoded.Events, wire.Received{Event: e})
	}
	return encoded
}

// control takes a message about a follow.
func (s *session) control(ctx context.Context, m message) error {
	if m.Follow != nil {
		return s.begin(ctx, m.ID, *m.Follow)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, known := s.follows[m.ID]
	switch {
	case m.Next && known:
		select {
		case f.next <- struct{}{}:
		default: // it is on its way
		}
	case m.Stop && known:
		f.stop()
	case m.Next || m.Stop: // it ended meanwhile
	default:
		return errProtocol
	}
	return nil
}

// begin begins a follow. One too many is refused and does the others no harm: it
// may come before the word that another has ended.
func (s *session) begin(ctx context.Context, id int64, q query) error {
	f := &follow{id: id, at: q.Cursor, limit: s.limit(q), next: make(chan struct{}, 1)}
	s.mu.Lock()
	_, known := s.follows[id]
	full := len(s.follows) == maxFollows
	if !known && !full {
		s.follows[id] = f
	}
	s.mu.Unlock()
	switch {
	case known:
		return fmt.Errorf("%w: a follow twice", errProtocol)
	case full:
		s.send(message{ID: id, Fault: &wire.Fault{Code: errors.Unavailable, Message: errFollows.Error()}})
	default:
		ctx, f.stop = context.WithCancel(ctx)
		s.running.Go(func() { s.follow(ctx, f) })
	}
	return nil
}

// follow is a client that waits for pages.
type follow struct {
	id    int64
	at    string
	limit int
	next  chan struct{} // the client wants a further page
	stop  context.CancelFunc
}

// follow sends pages until the client wants no more.
func (s *session) follow(ctx context.Context, f *follow) {
	defer s.forget(f)
	for {
		if err := s.followOnce(ctx, f); err != nil {
			if ctx.Err() == nil && errors.CodeOf(err) != errors.Closed { // then the connection's end tells
				s.send(message{ID: f.id, Fault: s.fault("follow", err)})
			}
			return
		}
		select {
		case <-f.next:
		case <-ctx.Done():
			return
		}
	}
}

func (s *session) forget(f *follow) {
	f.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.follows, f.id)
}

// forever is how long a follow waits for events.
const forever = time.Duration(math.MaxInt64)

// followOnce sends one page, once there is one. It waits without holding any.
func (s *session) followOnce(ctx context.Context, f *follow) error {
	if f.at == "" {
		end, err := s.log.End(ctx)
		if err == nil {
			f.at = end
			s.send(message{ID: f.id, Page: &page{Cursor: end}})
		}
		return err
	}
	if _, err := s.log.Next(ctx, peerlog.Query{Cursor: f.at, Limit: 1}, forever); err != nil {
		return err
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	p, err := s.log.Page(ctx, peerlog.Query{Cursor: f.at, Limit: f.limit})
	if err == nil {
		f.at = p.Cursor
		s.send(message{ID: f.id, Page: s.encode(p)})
	}
	return err
}
