package wstransport

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/gorilla/websocket"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/live"
	"syncline/synckit/transport/internal/peerlog"
	"syncline/synckit/transport/internal/wire"
)

// Handler serves a store to clients. It is safe for concurrent use.
type Handler struct {
	log      *peerlog.Log
	parse    wire.VersionParser
	options  ServerOptions
	upgrader websocket.Upgrader
	lifetime *live.Lifetime
	serving  chan struct{} // one token for each message in memory

	mu       sync.Mutex
	sessions int
	running  sync.WaitGroup
}

var _ http.Handler = (*Handler)(nil)

// NewHandler serves a store; nil options are the defaults. Who may connect is
// for a handler around it to check.
func NewHandler(store synckit.EventStore, options *ServerOptions) *Handler {
	o := options.withDefaults()
	h := &Handler{
		log:      peerlog.New(store, wire.VersionParser(o.Parser)),
		parse:    peerlog.Parser(store, wire.VersionParser(o.Parser)),
		options:  o,
		upgrader: websocket.Upgrader{Subprotocols: []string{subprotocol}},
		lifetime: live.NewLifetime(),
		serving:  make(chan struct{}, o.MaxConcurrent),
	}
	if len(o.AllowedOrigins) > 0 {
		own := sameOrigin
		h.upgrader.CheckOrigin = func(r *http.Request) bool { return h.allows(r.Header.Get("Origin")) || own(r) }
	}
	return h
}

// Close ends all connections, which http.Server.Shutdown leaves alone, and waits
// until they have. It leaves the store open.
func (h *Handler) Close() {
	h.mu.Lock()
	h.lifetime.Close()
	h.mu.Unlock()
	h.log.Close()
	h.running.Wait()
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.begin() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	defer h.end()
	if !slices.Contains(websocket.Subprotocols(r), subprotocol) {
		http.Error(w, "this is a WebSocket of the protocol "+subprotocol, http.StatusBadRequest)
		return
	}
	conn, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // it has been answered
	}
	// The request's context is no use: it ends with the upgrade's handler alone.
	ctx, release := h.lifetime.Bind(context.WithoutCancel(r.Context()))
	defer release()
	k := keepAlive{h.options.PingInterval, h.options.PingTimeout}
	serve(ctx, h, newSocket(conn, k, h.options.RequestTimeout, h.options.MaxMessageBytes))
}

func (h *Handler) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lifetime.Err() != nil || h.sessions >= h.options.MaxConnections {
		return false
	}
	h.sessions++
	h.running.Add(1)
	return true
}

func (h *Handler) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions--
	h.running.Done()
}

func (h *Handler) allows(origin string) bool {
	return slices.Contains(h.options.AllowedOrigins, origin) || slices.Contains(h.options.AllowedOrigins, "*")
}

// enter waits for a turn to hold a message in memory.
func (h *Handler) enter(ctx context.Context) (leave func(), err error) {
	select {
	case h.serving <- struct{}{}:
		return func() { <-h.serving }, nil
	case <-ctx.Done():
		return nil, errors.New(errors.Unavailable, "serve", context.Cause(ctx))
	}
}

func (h *Handler) printf(format string, args ...any) {
	if h.options.Logger != nil {
		h.options.Logger.Printf(format, args...)
	}
}
