package grpctransport

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"connectrpc.com/connect"

	"syncline/synckit"
)

// VersionParser reads a version's text.
type VersionParser func(ctx context.Context, s string) (synckit.Version, error)

// ClientOptions bound what a client sends and takes. The zero value of each is
// its default.
type ClientOptions struct {
	// HTTPClient makes the calls; nil: one that speaks HTTP/2, also without TLS, and asks
	// a server that is silent for a sign of life.
	HTTPClient connect.HTTPClient
	// Connect are further options of the client, such as interceptors that authenticate.
	Connect []connect.ClientOption
	// Parser reads versions; nil: those of this library.
	Parser VersionParser
	// MaxPushBytes bounds a push; a larger push is split between events; 0: 1 MiB.
	MaxPushBytes int
	// MaxPushEvents bounds the events of one call; 0: 500.
	MaxPushEvents int
	// MaxMessageBytes bounds what the server may send at once; 0: 32 MiB.
	MaxMessageBytes int
	// Timeout bounds one call; 0: 30 s. Streams have no such bound.
	Timeout time.Duration
	// Silence is how long a stream may be silent before it is taken for dead and begun
	// again; 0: 45 s.
	Silence time.Duration
}

func (o *ClientOptions) withDefaults() ClientOptions {
	var all ClientOptions
	if o != nil {
		all = *o
	}
	all.MaxPushBytes = cmp.Or(all.MaxPushBytes, 1<<20)
	all.MaxPushEvents = cmp.Or(all.MaxPushEvents, 500)
	all.MaxMessageBytes = cmp.Or(all.MaxMessageBytes, 32<<20)
	all.Timeout = cmp.Or(all.Timeout, defaultTimeout)
	all.Silence = cmp.Or(all.Silence, 45*time.Second)
	return all
}

// ServerOptions bound what a server takes and holds. The zero value of each is
// its default.
type ServerOptions struct {
	// Logger is told of what failed; nil: nobody.
	Logger *slog.Logger
	// Parser reads versions; nil: the store's ParseVersion, or those of this library.
	Parser VersionParser
	// MaxMessageBytes bounds what a client may send at once; 0: 4 MiB.
	MaxMessageBytes int
	// MaxEvents bounds the events of one push, and of one page; 0: 1000.
	MaxEvents int
	// MaxStreams bounds the streams; more are refused; 0: 10000.
	MaxStreams int
	// MaxConcurrent is how many pushes and pages may be served at once; others
	// wait their turn; 0: 128. A stream whose client does not read holds one page
	// beside these, for up to RequestTimeout.
	MaxConcurrent int
	// RequestTimeout bounds how long a call may take to arrive, to be served, and its
	// answer to be taken, each; 0: 30 s. On a stream it holds for each message.
	RequestTimeout time.Duration
	// Heartbeat is how often a quiet stream carries a message without events; 0: 15 s.
	Heartbeat time.Duration
}

const defaultTimeout = 30 * time.Second

func (o *ServerOptions) withDefaults() ServerOptions {
	var all ServerOptions
	if o != nil {
		all = *o
	}
	if all.Logger == nil {
		all.Logger = slog.New(slog.DiscardHandler)
	}
	all.MaxMessageBytes = cmp.Or(all.MaxMessageBytes, 4<<20)
	all.MaxEvents = cmp.Or(all.MaxEvents, 1000)
	all.MaxStreams = cmp.Or(all.MaxStreams, 10_000)
	all.MaxConcurrent = cmp.Or(all.MaxConcurrent, 128)
	all.RequestTimeout = cmp.Or(all.RequestTimeout, defaultTimeout)
	all.Heartbeat = cmp.Or(all.Heartbeat, 15*time.Second)
	return all
}
