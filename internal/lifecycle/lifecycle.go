// Package lifecycle runs a server from its first listener to its last
// connection.
package lifecycle

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Bounds of what a connection may take.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 10 * time.Second // of a body: who reads one gives it a time of its own
	writeTimeout      = 2 * time.Minute  // streams set their own
	// idleTimeout is longer than any proxy keeps an idle connection by default: a
	// server that closes first may do so while a request is on its way. Envoy's hour
	// is the longest. What idles gives way to what comes, so that it costs nobody.
	idleTimeout    = 65 * time.Minute
	maxHeaderBytes = 32 << 10
	maxStreams     = 20 // of an HTTP/2 connection
	// What an HTTP/2 peer is asked for, and given, to show that it is there.
	pingAfter   = 10 * time.Second
	pingTimeout = 5 * time.Second
)

// Listener is an address and what it serves.
type Listener struct {
	Name    string // for the log
	Address string // host:port, :port or unix:/path
	Handler http.Handler
	// SocketMode says who may connect to a Unix socket; only its owner if zero.
	SocketMode fs.FileMode
	// TLS encrypts, and serves HTTP/2 beside HTTP/1.1. Unix sockets are never encrypted.
	TLS *tls.Config
	// HTTP2 serves HTTP/2 beside HTTP/1.1 also without encryption (h2c, with prior
	// knowledge): what gRPC needs.
	HTTP2 bool
	// MaxStreams bounds the requests at once of an HTTP/2 connection; 20 if zero.
	MaxStreams int
	// Connections bounds those that are open; none if zero.
	Connections Connections
}

// Server is what runs.
type Server struct {
	Listeners []Listener
	// Loops run beside the listeners until everything is drained. One that ends
	// before with an error ends the server.
	Loops []func(context.Context) error
	// Leave is called first when the server is to stop, for those who ask whether it
	// is ready. It may be nil.
	Leave func()
	// Delay is how long it serves on after that, so that who asks has time to send
	// requests elsewhere.
	Delay time.Duration
	// Drain ends the connections that http.Server does not know, while requests
	// in flight are answered.
	Drain func(context.Context) error
	// Timeout bounds the drain: what is not done by then is cut off.
	Timeout time.Duration
	Log     *slog.Logger

	leaving atomic.Bool
}

// Run serves until ctx ends, goes on for the delay, then drains: no new connections, requests in
// flight answered, streams told to come back elsewhere, loops stopped. The
// error is nil after an end that was asked for, also if the drain had to cut
// something off.
func (s *Server) Run(ctx context.Context) error {
	servers, err := s.listen(ctx)
	if err != nil {
		return err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, failed := errgroup.WithContext(background)
	for _, server := range servers {
		group.Go(server.serve)
	}
	for _, loop := range s.Loops {
		group.Go(func() error { return unlessCanceled(loop(failed)) })
	}
	select {
	case <-ctx.Done():
		s.leave(failed)
	case <-failed.Done():
	}
	s.drain(servers)
	stop()
	return group.Wait()
}

func unlessCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// server is an http.Server with its bound listener.
type server struct {
	*http.Server
	listener net.Listener
}

func (s *server) serve() error {
	serve := s.Serve
	if s.TLSConfig != nil {
		serve = func(l net.Listener) error { return s.ServeTLS(l, "", "") }
	}
	if err := serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// listen binds every address before anything is served, so that a taken port
// ends the start.
func (s *Server) listen(ctx context.Context) ([]*server, error) {
	var servers []*server
	for _, l := range s.Listeners {
		listener, err := l.bind(ctx)
		if err != nil {
			for _, bound := range servers {
				_ = bound.listener.Close()
			}
			return nil, fmt.Errorf("cannot listen: %w", err)
		}
		if listener.Addr().Network() == "unix" {
			l.TLS = nil
		}
		s.Log.Info("listening", "for", l.Name, "address", listener.Addr().String(), "tls", l.TLS != nil)
		listener = &tellingListener{Listener: listener, log: s.Log}
		var note func(net.Conn, http.ConnState)
		if l.Connections.Most > 0 {
			bounded := newBoundedListener(listener, l.Connections, l.TLS != nil)
			listener, note = bounded, bounded.note
		}
		servers = append(servers, &server{listener: listener, Server: s.httpServer(l, note)})
	}
	return servers, nil
}

// httpServer serves what a listener accepts. note, which may be nil, hears of what connections do.
func (s *Server) httpServer(l Listener, note func(net.Conn, http.ConnState)) *http.Server {
	return &http.Server{
		ConnState:         note,
		Handler:           s.lastRequests(l.Handler),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		TLSConfig:         l.TLS,
		Protocols:         l.protocols(),
		HTTP2:             l.http2(),
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
}

func (l Listener) bind(ctx context.Context) (net.Listener, error) {
	if path, ok := strings.CutPrefix(l.Address, unixPrefix); ok {
		return listenUnix(ctx, path, cmp.Or(l.SocketMode, 0o600))
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", l.Address)
	if tcp, ok := listener.(*net.TCPListener); ok {
		return &queueListener{TCPListener: tcp}, nil
	}
	return listener, err
}

// leave serves on for the delay. Connections end with the request that they carry,
// so that none is closed later under one that is on its way.
func (s *Server) leave(failed context.Context) {
	if s.Leave != nil {
		s.Leave()
	}
	if s.Delay == 0 {
		return
	}
	s.Log.Info("not ready any more, serving on", "delay", s.Delay)
	s.leaving.Store(true)
	timer := time.NewTimer(s.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-failed.Done():
	}
}

// lastRequests asks clients to come back by another connection while the server leaves.
func (s *Server) lastRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// protocols are those that the listener serves.
func (l Listener) protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(l.TLS != nil)
	p.SetUnencryptedHTTP2(l.HTTP2 && l.TLS == nil)
	return p
}

// http2 bounds what an HTTP/2 connection may take. A peer that says nothing for
// pingAfter is asked whether it is there, and is taken for gone after pingTimeout.
func (l Listener) http2() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          cmp.Or(l.MaxStreams, maxStreams),
		MaxReceiveBufferPerConnection: 256 << 10,
		MaxReceiveBufferPerStream:     64 << 10,
		SendPingTimeout:               pingAfter,
		PingTimeout:                   pingTimeout,
		WriteByteTimeout:              writeTimeout,
	}
}

func (s *Server) drain(servers []*server) {
	s.Log.Info("draining", "timeout", s.Timeout)
	ctx, cancel := context.WithTimeout(context.Background(), s.Timeout)
	defer cancel()
	var group errgroup.Group
	group.Go(func() error { return s.Drain(ctx) })
	for _, server := range servers {
		group.Go(func() error { return server.Shutdown(ctx) })
	}
	if err := group.Wait(); err != nil {
		s.Log.Warn("not everything was done in time; the rest is cut off", "error", err)
		for _, server := range servers {
			_ = server.Close()
		}
		return
	}
	s.Log.Info("drained")
}
