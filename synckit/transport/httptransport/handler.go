package httptransport

import (
	"context"
	"log"
	"net/http"
	"strings"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/peerlog"
	"syncline/synckit/transport/internal/wire"
)

// SyncHandler serves a store to clients. It is safe for concurrent use.
type SyncHandler struct {
	log     *peerlog.Log
	logger  *log.Logger
	parse   wire.VersionParser
	options ServerOptions
	serving chan struct{} // holds one token for each request with a body or a page in memory
}

var _ http.Handler = (*SyncHandler)(nil)

// NewSyncHandler serves a store. A nil logger logs nothing, a nil parser is the
// store's ParseVersion if it has one, or that of package version; nil options are
// the defaults. Who may call it is for a handler around it to check.
//
// A store that is a synckit.Log is served exactly. Of others all events after a
// cursor are loaded for each page, and clients that wait are answered about a
// second late.
func NewSyncHandler(store synckit.EventStore, logger *log.Logger, parser VersionParser, options *ServerOptions) *SyncHandler {
	h := &SyncHandler{
		log:     peerlog.New(store, wire.VersionParser(parser)),
		logger:  logger,
		parse:   peerlog.Parser(store, wire.VersionParser(parser)),
		options: options.withDefaults(),
	}
	h.serving = make(chan struct{}, h.options.MaxConcurrent)
	return h
}

// Close ends the requests that wait for news, which http.Server.Shutdown would
// wait for: hand it to Server.RegisterOnShutdown. It leaves the store open.
func (h *SyncHandler) Close() { h.log.Close() }

// prefix is where a handler may stand without http.StripPrefix.
const prefix = "/sync"

// ServeHTTP implements http.Handler. It serves the paths /push and /pull, also below /sync.
func (h *SyncHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch strings.TrimPrefix(r.URL.Path, prefix) {
	case "/push":
		h.only(http.MethodPost, h.push)(w, r)
	case "/pull":
		h.only(http.MethodGet, h.pull)(w, r)
	default:
		h.fail(w, r, http.StatusNotFound, wire.Fault{Code: errors.Unsupported, Message: "there is /push and /pull"})
	}
}

func (h *SyncHandler) only(method string, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", method)
			h.fail(w, r, http.StatusMethodNotAllowed, wire.Fault{Code: errors.Unsupported, Message: "the method is " + method})
			return
		}
		serve(w, r)
	}
}

// enter waits for a turn to hold a body or a page in memory.
func (h *SyncHandler) enter(ctx context.Context) (leave func(), err error) {
	select {
	case h.serving <- struct{}{}:
		return func() { <-h.serving }, nil
	case <-ctx.Done():
		return nil, errors.New(errors.Unavailable, "serve", context.Cause(ctx))
	}
}

func (h *SyncHandler) printf(format string, args ...any) {
	if h.logger != nil {
		h.logger.Printf(format, args...)
	}
}
