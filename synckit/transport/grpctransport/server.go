package grpctransport

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/grpctransport/synckitpb"
	"syncline/synckit/transport/grpctransport/synckitpb/synckitpbconnect"
	"syncline/synckit/transport/internal/peerlog"
	"syncline/synckit/transport/internal/wire"
)

// Server serves a store's events. It is safe for concurrent use.
type Server struct {
	log     *peerlog.Log
	parse   wire.VersionParser
	options ServerOptions
	serving chan struct{} // one token for each push and page
	streams chan struct{} // one token for each stream
}

// NewServer serves a store. nil options are the defaults.
func NewServer(store synckit.EventStore, options *ServerOptions) *Server {
	o := options.withDefaults()
	return &Server{
		log: peerlog.New(store, wire.VersionParser(o.Parser)), parse: peerlog.Parser(store, wire.VersionParser(o.Parser)), options: o,
		serving: make(chan struct{}, o.MaxConcurrent), streams: make(chan struct{}, o.MaxStreams),
	}
}

// Handler serves calls, at the path that it answers as well. Options are those of Connect,
// such as interceptors that check who calls.
func (s *Server) Handler(options ...connect.HandlerOption) (path string, handler http.Handler) {
	options = append([]connect.HandlerOption{connect.WithReadMaxBytes(s.options.MaxMessageBytes)}, options...)
	path, serve := synckitpbconnect.NewSyncServiceHandler(service{s}, options...)
	return path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		// What cannot set deadlines has its own limits. Follow sets others.
		_ = control.SetReadDeadline(time.Now().Add(s.options.RequestTimeout))
		_ = control.SetWriteDeadline(time.Now().Add(2 * s.options.RequestTimeout))
		serve.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), controlKey{}, control)))
	})
}

type controlKey struct{}

// Close ends all streams, for which http.Server.Shutdown would wait: hand it to
// Server.RegisterOnShutdown. It leaves the store open.
func (s *Server) Close() { s.log.Close() }

// service has the calls.
type service struct{ *Server }

// enter waits for a turn to be served.
func (s service) enter(ctx context.Context) (leave func(), err error) {
	select {
	case s.serving <- struct{}{}:
		return func() { <-s.serving }, nil
	case <-ctx.Done():
		return nil, errors.New(errors.Unavailable, "serve", context.Cause(ctx))
	}
}

// Push implements the service.
func (s service) Push(ctx context.Context, r *connect.Request[synckitpb.PushRequest]) (*connect.Response[synckitpb.PushResponse], error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.RequestTimeout)
	defer cancel()
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, status(err)
	}
	defer leave()
	if n := len(r.Msg.GetEvents()); n > s.options.MaxEvents {
		return nil, status(errors.New(errors.TooLarge, "push", fmt.Errorf("%d events, more than %d", n, s.options.MaxEvents)))
	}
	events := make([]wire.Event, len(r.Msg.GetEvents()))
	for i, e := range r.Msg.GetEvents() {
		events[i] = fromProto(e)
	}
	end, outcome := s.log.Receive(ctx, events, r.Msg.After)
	if outcome.Err != nil {
		s.options.Logger.Error("a push has failed", "stored", len(outcome.Stored), "events", len(events), "error", outcome.Err)
	}
	answer := wire.NewPushAnswer(outcome)
	answer.Cursor = end
	return connect.NewResponse(answerToProto(answer)), nil
}

// Pull implements the service.
func (s service) Pull(ctx context.Context, r *connect.Request[synckitpb.PullRequest]) (*connect.Response[synckitpb.PullResponse], error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.RequestTimeout)
	defer cancel()
	q := peerlog.Query{Cursor: r.Msg.GetCursor(), Limit: s.limit(r.Msg.GetLimit())}
	var err error
	if q.Since, err = wire.ParseVersion(ctx, s.parse.OrOwn, r.Msg.GetSince()); err != nil {
		return nil, status(err)
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, status(err)
	}
	defer leave()
	page, err := s.log.Page(ctx, q)
	if err != nil {
		return nil, s.failed("pull", err)
	}
	events, err := s.encode(page)
	if err != nil {
		return nil, s.failed("pull", err)
	}
	return connect.NewResponse(&synckitpb.PullResponse{Events: events, Cursor: page.Cursor, More: page.More}), nil
}

func (s service) limit(asked int32) int {
	if asked < 1 {
		asked = math.MaxInt32
	}
	return min(int(asked), s.options.MaxEvents)
}

func (s service) encode(page peerlog.Page) ([][]byte, error) {
	return encodeEach(page.Encode(func(err error) { s.options.Logger.Warn("an event was left out", "error", err) }))
}

func (s service) failed(op string, err error) error {
	if code := errors.CodeOf(err); code == "" || code.Retryable() {
		s.options.Logger.Error("a call has failed", "call", op, "error", err)
	}
	return status(err)
}
