package wstransport

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/wire"
)

// connection is a client's socket and who waits for its answers.
type connection struct {
	socket *socket
	hello  hello
	done   chan struct{} // closed when it ended
	err    error         // why, once done

	mu      sync.Mutex
	lastID  int64
	waiting map[int64]chan message
}

// connection gives the present one, or makes one.
func (t *Transport) connection(ctx context.Context, op string) (*connection, error) {
	bound, release, err := t.lifetime.Begin(ctx, op)
	if err != nil {
		return nil, err
	}
	defer release()
	select {
	case t.dialing <- struct{}{}:
		defer func() { <-t.dialing }()
	case <-bound.Done():
		return nil, t.lifetime.Failed(ctx, bound, op, context.Cause(bound))
	}
	if conn := t.present(); conn != nil {
		return conn, nil
	}
	bound, cancel := context.WithTimeout(bound, t.options.Timeout)
	defer cancel()
	conn, err := t.dial(bound)
	if err != nil {
		return nil, t.lifetime.Failed(ctx, bound, op, err)
	}
	return conn, t.keep(conn)
}

// present is the connection, unless it has ended.
func (t *Transport) present() *connection {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn == nil {
		return nil
	}
	select {
	case <-t.conn.done:
		return nil
	default:
		return t.conn
	}
}

func (t *Transport) keep(conn *connection) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.lifetime.Err(); err != nil {
		_ = conn.socket.conn.Close()
		return err
	}
	t.conn = conn
	ctx, cancel := context.WithCancel(context.Background())
	t.running.Go(func() { conn.socket.ping(ctx) })
	t.running.Go(func() {
		conn.read()
		cancel()
	})
	return nil
}

func (t *Transport) dial(ctx context.Context) (*connection, error) {
	dialer := *t.options.Dialer
	dialer.Subprotocols = []string{subprotocol}
	conn, res, err := dialer.DialContext(ctx, t.url, t.options.Header) //nolint:bodyclose // gorilla hands out a copy that needs no closing
	if err != nil {
		return nil, notConnected(res, err)
	}
	k := keepAlive{t.options.PingInterval, t.options.PingTimeout}
	c := &connection{
		socket:  newSocket(conn, k, t.options.Timeout, t.options.MaxMessageBytes),
		done:    make(chan struct{}),
		waiting: map[int64]chan message{},
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err = c.greet()
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// greet reads the server's first message.
func (c *connection) greet() error {
	r, err := c.socket.next()
	if err != nil {
		return err
	}
	m, err := c.socket.read(r)
	if err != nil {
		return err
	}
	if m.Hello == nil || m.Hello.MaxEvents < 1 || m.Hello.MaxMessageBytes <= envelope || c.socket.conn.Subprotocol() != subprotocol {
		return errors.New(errors.Unsupported, "connect", fmt.Errorf("the peer does not speak %s", subprotocol))
	}
	c.hello = *m.Hello
	return nil
}

// notConnected is why a server did not take a connection.
func notConnected(res *http.Response, err error) error {
	if res == nil || !stderrors.Is(err, websocket.ErrBadHandshake) {
		return errors.New(errors.Unavailable, "connect", err)
	}
	err = fmt.Errorf("HTTP status %s: %w", res.Status, err)
	switch {
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		return errors.New(errors.Unauthenticated, "connect", err)
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusRequestTimeout,
		res.StatusCode >= http.StatusInternalServerError:
		e := errors.New(errors.Unavailable, "connect", err)
		if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
			e.Metadata = errors.Metadata{errors.RetryAfter: (time.Duration(seconds) * time.Second).String()}
		}
		return e
	default:
		return errors.New(errors.Unsupported, "connect", err)
	}
}

// read hands out answers until the connection ends.
func (c *connection) read() {
	for {
		r, err := c.socket.next()
		var m message
		if err == nil {
			m, err = c.socket.read(r)
		}
		if err == nil && !c.deliver(m) {
			err = errAnswer
		}
		if err != nil {
			c.err = errors.New(errors.Unavailable, "read connection", err)
			_ = c.socket.conn.Close()
			close(c.done)
			return
		}
	}
}

// deliver hands a message to who waits for it. It tells whether one could come.
func (c *connection) deliver(m message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer, ok := c.waiting[m.ID]
	if !ok {
		return m.ID > 0 && m.ID <= c.lastID // who asked has given up
	}
	select {
	case answer <- m:
		return true
	default:
		return false // it was not asked for more
	}
}

// expect makes an id whose answers come out of a channel, one at a time.
func (c *connection) expect() (int64, <-chan message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastID++
	answers := make(chan message, 1)
	c.waiting[c.lastID] = answers
	return c.lastID, answers
}

func (c *connection) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

// send sends a message. If ctx ends before the server has taken it, it goes on by
// itself: a part of a message would be the end of the connection.
func (c *connection) send(ctx context.Context, m message) error {
	sent := make(chan error, 1)
	go func() { sent <- c.write(m) }()
	select {
	case err := <-sent:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *connection) write(m message) error {
	if err := c.socket.write(m); err != nil {
		_ = c.socket.conn.Close()
		return errors.New(errors.Unavailable, "send", err)
	}
	return nil
}

// close ends the connection and waits for its end.
func (c *connection) close() {
	c.socket.close(websocket.CloseNormalClosure, "")
	<-c.done
}

// envelope is room for what a message has beside its events.
const envelope = 1 << 10

// refuseTooLarge refuses the events that the server would not read.
func (c *connection) refuseTooLarge(events []wire.Event, outcome *synckit.PushError) []wire.Event {
	sound := make([]wire.Event, 0, len(events))
	for _, e := range events {
		if err := c.checkSize(e); err != nil {
			wire.Refuse(outcome, e.Event.ID, err)
			continue
		}
		sound = append(sound, e)
	}
	return sound
}

func (c *connection) checkSize(e wire.Event) error {
	most := c.hello.MaxMessageBytes - envelope
	if wire.Size(e) <= most {
		return nil
	}
	exact, err := json.Marshal(e)
	if err == nil && len(exact) > most {
		err = errors.New(errors.TooLarge, "push", fmt.Errorf("the server takes up to %d bytes", c.hello.MaxMessageBytes))
	}
	return err
}

// ask sends a message and waits for its answer.
func (t *Transport) ask(ctx context.Context, op string, m message) (message, error) {
	conn, err := t.connection(ctx, op)
	if err != nil {
		return message{}, err
	}
	bound, release := t.lifetime.Bind(ctx)
	defer release()
	bound, cancel := context.WithTimeout(bound, t.options.Timeout)
	defer cancel()
	id, answers := conn.expect()
	defer conn.forget(id)
	m.ID = id
	if err := conn.send(bound, m); err != nil {
		return message{}, t.lifetime.Failed(ctx, bound, op, err)
	}
	select {
	case answer := <-answers:
		if answer.Fault != nil || (m.Push != nil) != (answer.Pushed != nil) || (m.Pull != nil) != (answer.Page != nil) {
			return message{}, answer.failure(op)
		}
		return answer, nil
	case <-conn.done:
		return message{}, t.lifetime.Failed(ctx, bound, op, conn.err)
	case <-bound.Done():
		return message{}, t.lifetime.Failed(ctx, bound, op, context.Cause(bound))
	}
}
