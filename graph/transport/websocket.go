package transport

import (
	"context"
	"net/http"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gorilla/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/internal/budget"
	"syncline/internal/clientaddr"
)

// subprotocol is the only one that is spoken. The older "graphql-ws" is not.
const subprotocol = "graphql-transport-ws"

// Buffers are small because most sockets are silent; large messages pass by
// the write buffer, and the read buffer is only what one system call brings.
const (
	readBufferSize  = 1 << 10
	writeBufferSize = 1 << 10
)

// webSocket serves operations over graphql-transport-ws.
type webSocket struct {
	*Transports
	upgrader websocket.Upgrader
}

func newWebSocket(t *Transports) webSocket {
	return webSocket{t, websocket.Upgrader{
		HandshakeTimeout: t.config.WriteTimeout,
		ReadBufferSize:   readBufferSize,
		WriteBufferSize:  writeBufferSize,
		WriteBufferPool:  &sync.Pool{},
		Subprotocols:     []string{subprotocol},
		CheckOrigin:      t.config.CheckOrigin,
		Error:            t.refuseUpgrade,
	}}
}

func (webSocket) Supports(r *http.Request) bool { return websocket.IsWebSocketUpgrade(r) }

// Do returns once the connection is handed over: what net/http keeps for a
// request is not kept for the life of a socket.
func (t webSocket) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	noStore(w)
	if t.live.isClosed() {
		t.answer(w, http.StatusServiceUnavailable, mediaGraphQL, &graphql.Response{Errors: gqlerror.List{unavailable()}})
		return
	}
	// Counted before the upgrade is answered, so that many at once are not too many.
	from := clientaddr.Network(clientaddr.FromContext(r.Context()))
	switch t.unacknowledged.take(from) {
	case placeFull:
		t.answer(w, http.StatusServiceUnavailable, mediaGraphQL, &graphql.Response{Errors: gqlerror.List{tooBusy(budget.ErrFull)}})
		return
	case placeShare:
		err := coded(codeRateLimited, "too many connections from this address were opened and not initialised")
		err.Extensions["retryAfterMs"] = 1000
		t.answer(w, http.StatusTooManyRequests, mediaGraphQL, &graphql.Response{Errors: gqlerror.List{err}})
		return
	case placeTaken:
	}
	ws, err := t.upgrader.Upgrade(w, r, http.Header{"Cache-Control": {"no-store"}})
	if err != nil {
		t.unacknowledged.leave(from)
		return // refuseUpgrade has answered
	}
	ctx := context.WithoutCancel(r.Context())
	if budget.FromContext(ctx) != nil { // of a body that came with the upgrade, and is no socket's
		ctx = budget.NewContext(ctx, nil)
	}
	ctx, cancel := context.WithCancel(ctx)
	c := newSocket(t.Transports, exec, ws, cancel)
	c.from = from
	if !t.live.add(c) {
		t.unacknowledged.leave(from)
		cancel()
		c.abort()
		return
	}
	go c.serve(ctx, r)
}

func (t *Transports) refuseUpgrade(w http.ResponseWriter, _ *http.Request, status int, _ error) {
	if status == http.StatusForbidden {
		resp := &graphql.Response{Errors: gqlerror.List{coded(codeForbidden, "this origin may not open a WebSocket here")}}
		t.answer(w, status, mediaGraphQL, resp)
		return
	}
	t.reject(w, &requestError{status, "not a WebSocket handshake"})
}
