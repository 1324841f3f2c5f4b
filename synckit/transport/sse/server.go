package sse

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/peerlog"
	"syncline/synckit/transport/internal/wire"
)

// ServerOptions bound what a server holds. The zero value of each is its default.
type ServerOptions struct {
	// MaxEvents bounds the events of one message; 0: 100.
	MaxEvents int
	// MaxStreams bounds the streams; more are refused with 503; 0: 10000.
	MaxStreams int
	// MaxConcurrent is how many messages may be in memory at once, of all streams;
	// others wait their turn; 0: 128. One of up to 16 KiB counts only while it is made.
	MaxConcurrent int
	// Heartbeat is how often a quiet stream carries a comment; 0: 15 s.
	Heartbeat time.Duration
	// WriteTimeout bounds how long a message may take to be taken; 0: 30 s.
	WriteTimeout time.Duration
}

// Server streams a store's events. It is safe for concurrent use.
type Server struct {
	log     *peerlog.Log
	logger  *slog.Logger
	options ServerOptions
	streams chan struct{} // one token for each
	holding chan struct{} // one token for each message in memory
}

// smallMessage is up to how many bytes a message may have to be in memory beside those that
// MaxConcurrent counts, while a slow reader takes it.
const smallMessage = 16 << 10

// NewServer serves a store, with the default options. A nil logger logs nothing. Who may
// call it is for a handler around it to check.
func NewServer(store synckit.EventStore, logger *slog.Logger) *Server {
	return NewServerWithOptions(store, logger, ServerOptions{})
}

// NewServerWithOptions is NewServer with limits of one's own.
func NewServerWithOptions(store synckit.EventStore, logger *slog.Logger, options ServerOptions) *Server {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	options.MaxEvents = cmp.Or(options.MaxEvents, 100)
	options.MaxStreams = cmp.Or(options.MaxStreams, 10_000)
	options.MaxConcurrent = cmp.Or(options.MaxConcurrent, 128)
	options.Heartbeat = cmp.Or(options.Heartbeat, 15*time.Second)
	options.WriteTimeout = cmp.Or(options.WriteTimeout, 30*time.Second)
	return &Server{
		log: peerlog.New(store, nil), logger: logger, options: options,
		streams: make(chan struct{}, options.MaxStreams), holding: make(chan struct{}, options.MaxConcurrent),
	}
}

// Handler serves streams, at whatever path it stands.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Close ends all streams, for which http.Server.Shutdown would wait: hand it to
// Server.RegisterOnShutdown. A message that is being sent has up to WriteTimeout to be
// taken. It leaves the store open.
func (s *Server) Close() { s.log.Close() }

// stream is one answer that goes on.
type stream struct {
	*Server
	w       http.ResponseWriter
	control *http.ResponseController
	query   peerlog.Query
	begun   bool
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	st := &stream{Server: s, w: w, control: http.NewResponseController(w)}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		st.fail(http.StatusMethodNotAllowed, wire.Fault{Code: errors.Unsupported, Message: "the method is GET"})
		return
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		st.fail(http.StatusServiceUnavailable, wire.Fault{Code: errors.Unavailable, Message: "there are too many streams", RetryAfter: 5})
		return
	}
	err := st.open(r)
	for err == nil {
		err = st.next(r.Context())
	}
	_ = st.control.SetWriteDeadline(time.Now().Add(s.options.WriteTimeout)) // for what net/http still writes at the end
	if r.Context().Err() != nil || errors.CodeOf(err) == errors.Closed {
		return // its end tells
	}
	fault := wire.NewFault(err)
	if fault.Code.Retryable() {
		s.logger.Error("a stream has ended", "error", err)
	}
	if !st.begun {
		st.fail(status(fault.Code), fault)
		return
	}
	_ = st.send(message{Fault: &fault}, "")
}

// open finds out where the stream begins.
func (st *stream) open(r *http.Request) error {
	values := r.URL.Query()
	st.query.Limit = st.options.MaxEvents
	if text := values.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 {
			return errors.New(errors.InvalidVersion, "stream", fmt.Errorf("limit %.40q is not a number above 0", text))
		}
		st.query.Limit = min(limit, st.options.MaxEvents)
	}
	from := cmp.Or(r.Header.Get("Last-Event-ID"), values.Get("cursor"))
	var err error
	if from == "" && values.Get("from") == "end" {
		st.query.Cursor, err = st.log.End(r.Context())
	} else {
		st.query.Cursor, st.query.Since, err = begin(from)
	}
	if err != nil {
		return err
	}
	// Whether the cursor is of this log is seen before the answer begins.
	probe := st.query
	probe.Limit = 1
	page, err := st.log.Page(r.Context(), probe)
	if err != nil {
		return err
	}
	if len(page.Items) == 0 {
		st.query.Cursor = page.Cursor
	}
	header := st.w.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no") // nginx would hold it back
	st.begun = true
	return st.send(message{Events: []wire.Event{}}, st.query.Cursor) // it stands
}

// next sends one message, or, where there is nothing new for a while, a sign of life. It
// waits without holding a page.
func (st *stream) next(ctx context.Context) error {
	select {
	case <-st.log.Closed():
		return errors.New(errors.Closed, "stream", nil)
	default:
	}
	one := st.query
	one.Limit = 1
	page, err := st.log.Next(ctx, one, st.options.Heartbeat)
	if err != nil {
		return err
	}
	if len(page.Items) == 0 {
		st.query.Cursor = page.Cursor
		return st.write(": \n\n")
	}
	select {
	case st.holding <- struct{}{}:
	case <-st.log.Closed():
		return errors.New(errors.Closed, "stream", nil)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	release := sync.OnceFunc(func() { <-st.holding })
	defer release()
	text, err := st.page(ctx)
	if err != nil {
		return err
	}
	if len(text) <= smallMessage {
		release()
	}
	return st.write(text)
}

// page is the message of what comes next.
func (st *stream) page(ctx context.Context) (string, error) {
	page, err := st.log.Page(ctx, st.query)
	if err != nil {
		return "", err
	}
	m := message{Events: page.Encode(func(err error) { st.logger.Warn("an event was left out", "error", err) })}
	if page.Cursor == "" {
		return "", errors.New(errors.Unsupported, "stream", fmt.Errorf("the store cannot tell where a reader stands"))
	}
	st.query.Cursor = page.Cursor
	return textOf(m, page.Cursor)
}

func (st *stream) send(m message, at string) error {
	text, err := textOf(m, at)
	if err != nil {
		return err
	}
	return st.write(text)
}

func textOf(m message, at string) (string, error) {
	id := ""
	if at != "" {
		next, err := cursor.MarshalWire(LogCursor(at))
		if err != nil {
			return "", err
		}
		m.NextCursor, id = next, "id: "+at+"\n"
	}
	text, err := json.Marshal(m)
	return id + "data: " + string(text) + "\n\n", err
}

func (st *stream) write(text string) error {
	_ = st.control.SetWriteDeadline(time.Now().Add(st.options.WriteTimeout)) // what cannot do it has its own limits
	if _, err := st.w.Write([]byte(text)); err != nil {
		return errors.New(errors.Unavailable, "stream", err)
	}
	if err := st.control.Flush(); err != nil {
		return errors.New(errors.Unavailable, "stream", err)
	}
	_ = st.control.SetWriteDeadline(time.Time{}) // HTTP/2 ends a stream whose deadline passes, also if there is nothing to write
	return nil
}

// fail answers instead of a stream.
func (st *stream) fail(status int, fault wire.Fault) {
	header := st.w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	if fault.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(fault.RetryAfter))
	}
	st.w.WriteHeader(status)
	text := strings.Builder{}
	_ = json.NewEncoder(&text).Encode(wire.PushAnswer{Error: &fault}) // it always marshals
	_, _ = st.w.Write([]byte(text.String()))
}

func status(code errors.Code) int {
	switch code {
	case errors.InvalidVersion:
		return http.StatusBadRequest
	case errors.CursorLost:
		return http.StatusGone
	case errors.Unsupported:
		return http.StatusNotImplemented
	case errors.Unavailable, errors.Timeout:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
