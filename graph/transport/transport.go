// Package transport carries GraphQL over the wire: POST and GET as GraphQL over
// HTTP has it, server-sent events (graphql-sse, distinct connections) and
// WebSocket (graphql-transport-ws), for the executor of gqlgen.
//
// A server is wired like this:
//
//	transports := transport.New(transport.Config{Init: ..., CheckOrigin: ...})
//	srv := handler.New(schema)
//	transports.Install(srv)
//	...
//	transports.Shutdown(ctx) // beside http.Server.Shutdown, which knows no sockets
//
// Resolvers of subscriptions ask ResumeFrom for the cursor that the client sent
// beside its document, and say with FailSubscription why they end.
//
// Error codes decide the HTTP status. An error that a middleware raises before
// any field has run, and one that leaves the only root field without a value,
// gives its request the status of its code (see statuses); any other error
// travels in a 200.
//
// gqlgen resolves @defer and the transports here answer once: take the
// directive out of the schema, so that validation refuses it.
package transport

import (
	"context"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql/handler"

	"syncline/internal/budget"
)

// Config says how the transports behave. Its zero value serves everybody, by
// the defaults named here, to pages of the same origin.
type Config struct {
	// MaxRequestBytes bounds the body of a request and each message of a
	// WebSocket. Default 1 MiB.
	MaxRequestBytes int64
	// MaxOperations bounds the operations of one WebSocket at any one time.
	// Default 100.
	MaxOperations int

	// WriteTimeout is how long a client may take nothing of what is written to it.
	// Beyond, it takes 64 KiB a second or more, or is cut off. Default 10 s.
	WriteTimeout time.Duration
	// KeepAlive is how often a WebSocket is pinged, and how long an event
	// stream is silent before a comment goes out. Default 15 s.
	KeepAlive time.Duration
	// PongTimeout is how long a WebSocket may leave a ping unanswered. Default 10 s.
	PongTimeout time.Duration
	// InitTimeout is how long a WebSocket may take to be acknowledged. Default 10 s.
	InitTimeout time.Duration
	// MaxUnacknowledged bounds the WebSockets that are not let in yet, of which an
	// address has a quarter at most (clientaddr.FromContext); while there are more than
	// half as many, they have a quarter of InitTimeout. Default: no bound.
	MaxUnacknowledged int
	// MaxAge is when a WebSocket or an event stream is ended, so that its client
	// comes back with a fresh signature; up to a tenth earlier, so that they do
	// not all come at once. Default 24 h.
	MaxAge time.Duration
	// RecheckInterval is how often Recheck is asked. Default 1 min.
	RecheckInterval time.Duration
	// Drain is the time over which Shutdown spreads the closing of connections,
	// so that clients do not all arrive at a sibling at once. Default 0: at once.
	Drain time.Duration

	// Input and Output are the memory that operations share: for messages of
	// WebSockets and what they become, and for what is read and answered. That of a
	// request's body comes with its context (budget.FromContext). Default: no bound.
	Input, Output *budget.Pool

	// CheckOrigin tells whether a WebSocket may come from the request's origin.
	// Default: only from the server's own.
	CheckOrigin func(r *http.Request) bool
	// Init judges a WebSocket's connection_init and answers the context in which
	// its operations run, made from ctx. ctx ends with the connection. Default:
	// everybody is let in.
	Init func(ctx context.Context, upgrade *http.Request, payload map[string]any) (context.Context, error)
	// Recheck tells whether a connection may go on. It gets the context that
	// Init answered, or that of an event stream's request. Default: always.
	Recheck func(ctx context.Context) error
	// Around is called around each operation of a WebSocket, with the context in
	// which it is to run: what a middleware of net/http is to other requests.
	// The operation runs in the context that it answers, and ends with done.
	// extensions are what the client sent beside the document; nil if it sent none, or
	// the operation is not run. Default: nothing.
	Around func(ctx context.Context, extensions map[string]any) (inner context.Context, done func())
	// Pace is called after each event of a subscription, with its context, and
	// returns when the next may be made: by then, or when ctx ends. Default: at once.
	Pace func(ctx context.Context)
	// Sent is told of each event of a subscription that a client's connection has taken and
	// that tells of something new, with the subscription's context. Default: nothing.
	Sent func(ctx context.Context, at Position)
	// TooSlow is called when a client is cut off that took too little of what was
	// written to it. Default: nothing.
	TooSlow func()
}

// Closer is an error of Init or Recheck that says how its WebSocket is closed.
// The reason has at most 123 bytes. Other errors close with 4403 "Forbidden".
type Closer interface {
	error
	Close() (code int, reason string)
}

func (c Config) withDefaults() Config {
	orDefault(&c.MaxRequestBytes, 1<<20)
	orDefault(&c.MaxOperations, 100)
	orDefault(&c.WriteTimeout, 10*time.Second)
	orDefault(&c.KeepAlive, 15*time.Second)
	orDefault(&c.PongTimeout, 10*time.Second)
	orDefault(&c.InitTimeout, 10*time.Second)
	orDefault(&c.MaxAge, 24*time.Hour)
	orDefault(&c.RecheckInterval, time.Minute)
	if c.Init == nil {
		c.Init = func(ctx context.Context, _ *http.Request, _ map[string]any) (context.Context, error) {
			return ctx, nil
		}
	}
	if c.Recheck == nil {
		c.Recheck = func(context.Context) error { return nil }
	}
	if c.Pace == nil {
		c.Pace = func(context.Context) {}
	}
	if c.Sent == nil {
		c.Sent = func(context.Context, Position) {}
	}
	if c.TooSlow == nil {
		c.TooSlow = func() {}
	}
	if c.Around == nil {
		c.Around = func(ctx context.Context, _ map[string]any) (context.Context, func()) { return ctx, func() {} }
	}
	return c
}

func orDefault[T comparable](value *T, def T) {
	var zero T
	if *value == zero {
		*value = def
	}
}

// Transports are the four ways in, and the connections that are open on two of them.
type Transports struct {
	config         Config
	live           *registry
	unacknowledged unacknowledged
	turns          turns
}

// New makes transports. Nothing runs until requests come.
func New(config Config) *Transports {
	return &Transports{config: config.withDefaults(), live: newRegistry(), unacknowledged: unacknowledged{most: config.MaxUnacknowledged}, turns: newTurns()}
}

// Install makes srv speak through these transports. Whatever none of them
// takes is refused with 405 or 415.
func (t *Transports) Install(srv *handler.Server) {
	srv.AddTransport(newWebSocket(t))
	srv.AddTransport(eventStream{t})
	srv.AddTransport(get{t})
	srv.AddTransport(post{t})
	srv.AddTransport(others{t})
}

// Open is how many WebSockets and event streams are open.
func (t *Transports) Open() (sockets, streams int) { return t.live.count() }

// Shutdown ends event streams and WebSockets, these with 1012, spread over
// Config.Drain; new ones are refused. Queries and mutations that run on a
// WebSocket are answered first. When ctx ends before all are gone, the rest
// are cut off and the error is ctx's.
func (t *Transports) Shutdown(ctx context.Context) error {
	return t.live.shutdown(ctx, t.config.Drain)
}
