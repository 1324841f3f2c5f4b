package wstransport

import (
	"cmp"
	"context"
	"log"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"syncline/synckit"
)

// VersionParser reads a version's text.
type VersionParser func(ctx context.Context, s string) (synckit.Version, error)

// ClientOptions say how to connect. The zero value of each is its default.
type ClientOptions struct {
	// Dialer connects; nil: one that heeds the proxy settings of the environment.
	Dialer *websocket.Dialer
	// Header goes with the request to connect, such as what authenticates it.
	Header http.Header
	// Parser reads versions; nil: those of this library.
	Parser VersionParser
	// MaxPushBytes bounds a push's JSON; a larger push is split between events; 0: 1 MiB.
	MaxPushBytes int
	// MaxMessageBytes bounds what the server may send at once; 0: 32 MiB.
	MaxMessageBytes int
	// Timeout bounds connecting and one request; 0: 30 s.
	Timeout time.Duration
	// PingInterval is how often the server is asked for a sign of life; 0: 20 s.
	PingInterval time.Duration
	// PingTimeout is how long that may take; 0: 10 s.
	PingTimeout time.Duration
}

func (o *ClientOptions) withDefaults() ClientOptions {
	var all ClientOptions
	if o != nil {
		all = *o
	}
	if all.Dialer == nil {
		all.Dialer = &websocket.Dialer{Proxy: http.ProxyFromEnvironment}
	}
	all.MaxPushBytes = cmp.Or(all.MaxPushBytes, 1<<20)
	all.MaxMessageBytes = cmp.Or(all.MaxMessageBytes, 32<<20)
	all.Timeout = cmp.Or(all.Timeout, defaultTimeout)
	all.PingInterval = cmp.Or(all.PingInterval, defaultPingInterval)
	all.PingTimeout = cmp.Or(all.PingTimeout, defaultPingTimeout)
	return all
}

// ServerOptions bound what a handler takes and holds. The zero value of each is
// its default.
type ServerOptions struct {
	// Logger is told of what failed; nil: nobody.
	Logger *log.Logger
	// Parser reads versions; nil: the store's ParseVersion, or those of this library.
	Parser VersionParser
	// AllowedOrigins are the origins, such as https://app.example.com, whose pages
	// may connect beside the server's own; "*": all. Clients that are no browsers
	// send none and are not held up.
	AllowedOrigins []string
	// MaxMessageBytes bounds what a client may send at once; 0: 4 MiB.
	MaxMessageBytes int
	// MaxEvents bounds the events of one push and of one page; 0: 1000.
	MaxEvents int
	// MaxConnections bounds the connections; more are refused with 503; 0: 10000.
	MaxConnections int
	// MaxConcurrent is how many messages may be in memory at once, of all
	// connections; others wait their turn; 0: 128.
	MaxConcurrent int
	// RequestTimeout bounds how long a message may take to arrive, to be served,
	// and its answer to be taken, each; 0: 30 s.
	RequestTimeout time.Duration
	// PingInterval is how often a client is asked for a sign of life; 0: 20 s.
	PingInterval time.Duration
	// PingTimeout is how long that may take; 0: 10 s.
	PingTimeout time.Duration
}

const (
	defaultTimeout      = 30 * time.Second
	defaultPingInterval = 20 * time.Second
	defaultPingTimeout  = 10 * time.Second
)

func (o *ServerOptions) withDefaults() ServerOptions {
	var all ServerOptions
	if o != nil {
		all = *o
	}
	all.MaxMessageBytes = cmp.Or(all.MaxMessageBytes, 4<<20)
	all.MaxEvents = cmp.Or(all.MaxEvents, 1000)
	all.MaxConnections = cmp.Or(all.MaxConnections, 10000)
	all.MaxConcurrent = cmp.Or(all.MaxConcurrent, 128)
	all.RequestTimeout = cmp.Or(all.RequestTimeout, defaultTimeout)
	all.PingInterval = cmp.Or(all.PingInterval, defaultPingInterval)
	all.PingTimeout = cmp.Or(all.PingTimeout, defaultPingTimeout)
	return all
}
