//go:build !race

package hostile

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sys/unix"

	"syncline/auth/signing"
)

// attacker is who carries out an attack: any number of connections, from one
// address or from many.
type attacker struct {
	target    string // host:port
	addresses int    // that it comes from
	next      atomic.Uint32

	mu       sync.Mutex
	outcomes map[string]int // what became of its requests and connections
	begun    chan struct{}  // closed at the first of them
}

func newAttacker(target string, addresses int) *attacker {
	return &attacker{target: target, addresses: addresses, outcomes: make(map[string]int), begun: make(chan struct{})}
}

// keyOf is the same key each time, for the program and for the attackers'.
func keyOf(whose string, i int) signing.PrivateKey {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", whose, i))
	key, err := signing.NewPrivateKey(sum[:])
	if err != nil {
		panic(err) // one in 2^128
	}
	return key
}

// rich is one of the owners that have a full page of the largest records.
func rich(i int) signing.PrivateKey { return keyOf("rich", i%richOwners) }

// poor is one of any number of owners that have nothing.
func poor(i int) signing.PrivateKey { return keyOf("poor", i) }

// note counts what became of something.
func (a *attacker) note(outcome string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.outcomes) == 0 {
		close(a.begun)
	}
	a.outcomes[outcome]++
}

// String tells what was counted, the most frequent first.
func (a *attacker) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	names := slices.SortedFunc(maps.Keys(a.outcomes), func(x, y string) int { return a.outcomes[y] - a.outcomes[x] })
	var b strings.Builder
	for _, name := range names[:min(len(names), 6)] {
		fmt.Fprintf(&b, "%s %d, ", name, a.outcomes[name])
	}
	return strings.TrimSuffix(b.String(), ", ")
}

// crowd runs f again and again until ctx ends, n at a time. i counts the calls.
func (a *attacker) crowd(ctx context.Context, n int, f func(ctx context.Context, i int) error) {
	var calls atomic.Int64
	var running sync.WaitGroup
	for range n {
		running.Go(func() {
			for ctx.Err() == nil {
				if err := f(ctx, int(calls.Add(1)-1)); err != nil && ctx.Err() == nil {
					a.note(kindOf(err))
					pause(ctx, 20*time.Millisecond) // an attacker is not cleverer for spinning
				}
			}
		})
	}
	running.Wait()
}

// kindOf is a short name of what befell a connection.
func kindOf(err error) string {
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed):
		return fmt.Sprintf("closed with %d", closed.Code)
	case errors.Is(err, unix.ECONNREFUSED):
		return "not connected"
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "cut"
	case errors.Is(err, websocket.ErrBadHandshake):
		return "no upgrade"
	}
	return err.Error()
}

// dial connects from the next of the attacker's addresses. The connection is
// closed when ctx ends.
func (a *attacker) dial(ctx context.Context) (*net.TCPConn, error) {
	i := int(a.next.Add(1)) % a.addresses
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i)+2)}, Timeout: 10 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", a.target)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	return conn.(*net.TCPConn), nil
}

// dialIdle is dial for a client that does not read: the kernel does not read for it either.
func (a *attacker) dialIdle(ctx context.Context) (*net.TCPConn, error) {
	conn, err := a.dial(ctx)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetReadBuffer(4 << 10)
}

// post is a POST of a body to /graphql as it goes over the wire, signed unless
// the key is zero. Headers are name, value pairs.
func (a *attacker) post(key signing.PrivateKey, body []byte, headers ...string) []byte {
	return a.request(http.MethodPost, "/graphql", key, time.Now(), body, headers...)
}

var unsigned signing.PrivateKey

func (a *attacker) request(method, target string, key signing.PrivateKey, created time.Time, body []byte, headers ...string) []byte {
	r, err := http.NewRequest(method, "http://"+a.target+target, bytes.NewReader(body))
	if err != nil {
		panic(err) // the attack is written wrongly
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if !key.IsZero() {
		if err := signing.SignRequest(r, body, key, created, signing.NewNonce()); err != nil {
			panic(err)
		}
	}
	var wire bytes.Buffer
	_ = r.Write(&wire) // into memory
	return wire.Bytes()
}

// document is the body of a request.
func document(query string, variables any) []byte {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		panic(err)
	}
	return body
}

// flood sends requests on n connections that stay open, each as soon as the
// answer to the one before is there.
func (a *attacker) flood(ctx context.Context, n int, request func(i int) []byte) {
	var sent atomic.Int64
	a.crowd(ctx, n, func(ctx context.Context, _ int) error {
		conn, err := a.dial(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		answers := bufio.NewReader(conn)
		for ctx.Err() == nil {
			if _, err := conn.Write(request(int(sent.Add(1) - 1))); err != nil {
				return err
			}
			a.note("asked")
			if err := a.answer(answers); err != nil {
				return err
			}
		}
		return nil
	})
}

// answer reads an answer and counts it by its status.
func (a *attacker) answer(r *bufio.Reader) error {
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	head, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return err
	}
	a.note(fmt.Sprintf("%d %s", res.StatusCode, codeIn(head)))
	if _, err = io.Copy(io.Discard, res.Body); err == nil && res.Close {
		err = io.EOF
	}
	return err
}

// codeIn finds the first code of an error in the beginning of an answer.
func codeIn(answer []byte) string {
	_, after, found := bytes.Cut(answer, []byte(`"code":"`))
	code, _, closed := bytes.Cut(after, []byte(`"`))
	if !found || !closed {
		return "ok"
	}
	return string(code)
}

// hold sends something on n connections, reads nothing, and keeps them open. A
// connection that the server cuts is made again.
func (a *attacker) hold(ctx context.Context, n int, wire func(i int) []byte) {
	a.crowd(ctx, n, func(ctx context.Context, i int) error {
		conn, err := a.dialIdle(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := conn.Write(wire(i)); err != nil {
			return err
		}
		a.note("held")
		untilCut(ctx, conn)
		return io.EOF
	})
}

// untilCut waits until the other end has closed a connection, without reading
// from it, or ctx ends.
func untilCut(ctx context.Context, conn net.Conn) {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return
	}
	for open := true; open && ctx.Err() == nil; {
		pause(ctx, 50*time.Millisecond)
		err := raw.Control(func(fd uintptr) {
			info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			open = err == nil && info.State == unix.BPF_TCP_ESTABLISHED
		})
		if err != nil {
			return
		}
	}
}

// trickle sends something on n connections slowly, a piece at a time with
// pauses, and reads nothing.
func (a *attacker) trickle(ctx context.Context, n, piece int, every time.Duration, wire func(i int) []byte) {
	a.crowd(ctx, n, func(ctx context.Context, i int) error {
		conn, err := a.dialIdle(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		a.note("begun")
		for rest := wire(i); len(rest) > 0 && ctx.Err() == nil; {
			n := min(piece, len(rest))
			if _, err := conn.Write(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
			pause(ctx, every)
		}
		untilCut(ctx, conn)
		return io.EOF
	})
}

// sockets keeps n WebSockets open that are let in, sends messages on each, and
// reads nothing from then on.
func (a *attacker) sockets(ctx context.Context, n int, key func(i int) signing.PrivateKey, send func(ws *websocket.Conn, i int) error) {
	a.crowd(ctx, n, func(ctx context.Context, i int) error {
		ws, err := a.open(ctx, key(i), nil)
		if err != nil {
			return err
		}
		defer ws.Close()
		a.note("let in")
		if err := send(ws, i); err != nil {
			return err
		}
		untilCut(ctx, ws.NetConn())
		return io.EOF
	})
}

// open opens a WebSocket and waits until it is let in. More may stand in
// connection_init beside the signature.
func (a *attacker) open(ctx context.Context, key signing.PrivateKey, more map[string]any) (*websocket.Conn, error) {
	return handshake(ctx, a.dialSocket(ctx), a.target, key, more)
}

// knock opens a WebSocket and does not send connection_init.
func (a *attacker) knock(ctx context.Context) (*websocket.Conn, error) {
	return upgrade(ctx, a.dialSocket(ctx), a.target)
}

// dialSocket binds a connection to the whole attack: the context that a dialer
// is given ends with the handshake.
func (a *attacker) dialSocket(attack context.Context) dialFunc {
	return func(context.Context, string, string) (net.Conn, error) { return a.dialIdle(attack) }
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// openSocket opens a WebSocket by a dialer and waits until it is let in.
func openSocket(ctx context.Context, dialer net.Dialer, target string, key signing.PrivateKey, more map[string]any) (*websocket.Conn, error) {
	return handshake(ctx, dialer.DialContext, target, key, more)
}

func upgrade(ctx context.Context, dial dialFunc, target string) (*websocket.Conn, error) {
	dialer := websocket.Dialer{
		Subprotocols: []string{"graphql-transport-ws"}, NetDialContext: dial,
		HandshakeTimeout: honestPatience, ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10,
	}
	ws, res, err := dialer.DialContext(ctx, "ws://"+target+"/graphql", nil)
	if err != nil && res != nil {
		return nil, fmt.Errorf("%w: HTTP %d", err, res.StatusCode)
	}
	return ws, err
}

func handshake(ctx context.Context, dial dialFunc, target string, key signing.PrivateKey, more map[string]any) (*websocket.Conn, error) {
	ws, err := upgrade(ctx, dial, target)
	if err != nil {
		return nil, err
	}
	payload, err := credentials(target, key)
	if err != nil {
		return nil, err
	}
	maps.Copy(payload, more)
	if err := ws.WriteJSON(map[string]any{"type": "connection_init", "payload": payload}); err != nil {
		ws.Close()
		return nil, err
	}
	_ = ws.SetReadDeadline(time.Now().Add(honestPatience))
	var answer struct{ Type string }
	if err := ws.ReadJSON(&answer); err != nil {
		ws.Close()
		return nil, err
	}
	if answer.Type != "connection_ack" {
		ws.Close()
		return nil, fmt.Errorf("the first message is %q", answer.Type)
	}
	return ws, ws.SetReadDeadline(time.Time{})
}

// credentials are what connection_init carries.
func credentials(target string, key signing.PrivateKey) (map[string]any, error) {
	r, err := http.NewRequest(http.MethodGet, "ws://"+target+"/graphql", nil)
	if err != nil {
		return nil, err
	}
	signed, err := signing.SignWebSocket(r.URL, key, time.Now(), signing.NewNonce())
	if err != nil {
		return nil, err
	}
	return map[string]any{"signature-input": signed.SignatureInput, "signature": signed.Signature}, nil
}

// subscribe is the message that begins an operation.
func subscribe(id, query string, variables any) []byte {
	message, err := json.Marshal(map[string]any{"id": id, "type": "subscribe", "payload": map[string]any{"query": query, "variables": variables}})
	if err != nil {
		panic(err)
	}
	return message
}

func sendText(ws *websocket.Conn, message []byte) error {
	return ws.WriteMessage(websocket.TextMessage, message)
}

// rawFrame sends a text frame that says it has size bytes, and waits.
func (a *attacker) rawFrame(ctx context.Context, ws *websocket.Conn, size int, payload string) error {
	a.note("begun")
	if _, err := ws.NetConn().Write(frame(0x81, size, payload)); err != nil {
		return err
	}
	untilCut(ctx, ws.NetConn())
	return io.EOF
}

// sip reads an answer a byte at a time, ten times a second, on n connections.
func (a *attacker) sip(ctx context.Context, n int, wire func(i int) []byte) {
	a.crowd(ctx, n, func(ctx context.Context, i int) error {
		conn, err := a.dialIdle(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := conn.Write(wire(i)); err != nil {
			return err
		}
		a.note("held")
		for one := make([]byte, 1); ctx.Err() == nil; pause(ctx, 100*time.Millisecond) {
			if _, err := conn.Read(one); err != nil {
				return err
			}
		}
		return nil
	})
}

func writeControl(ws *websocket.Conn, payload string) error {
	return ws.WriteControl(websocket.PingMessage, []byte(payload), time.Now().Add(time.Minute))
}
