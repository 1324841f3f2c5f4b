package client

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"syncline/auth/signing"
)

// Client calls the service for the owner of one key. It is safe for concurrent
// use and holds nothing that needs closing.
type Client struct {
	endpoint    *url.URL
	key         signing.PrivateKey
	http        *http.Client
	clientID    string
	certificate string // for the Authorization header; empty: none
	clock       clock
	log         *slog.Logger
	// tryTimeout bounds one try of a call; a call is tried until its context ends.
	tryTimeout  time.Duration
	callTimeout time.Duration // 0: as long as its context
	keepAlive   keepAlive
	trace       SocketTrace
}

// Option is what is not required of a Client.
type Option func(*Client)

// WithHTTPClient sets what sends the requests, http.DefaultClient's transport
// by default. Where its Transport is an *http.Transport, or has a method
// Unwrap() http.RoundTripper that answers one, WebSockets are dialled
// with its proxy, dialler and TLS settings. Redirects are never followed: a
// signature holds for one address.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithClientID sets what this device calls itself on its writes, 1 to 64 bytes
// of text, so that it can recognise its own echo in the feed. None by default.
func WithClientID(id string) Option { return func(c *Client) { c.clientID = id } }

// WithCertificate sets the API-key certificate, in DER form, that some servers
// ask for.
func WithCertificate(der []byte) Option {
	return func(c *Client) { c.certificate = bearer(der) }
}

// WithClock sets the clock that signatures are dated by, time.Now by default.
// It need not be right: the client corrects it from what the server says, within
// the bound of WithClockCorrection.
func WithClock(now func() time.Time) Option { return func(c *Client) { c.clock.local = now } }

// WithClockCorrection sets how far from the local clock the server may correct
// the one that signatures are dated by, 24 h by default; 0 means not at all. Beyond
// it, calls fail with a *ClockError: a server that lies about the time could
// collect signatures that are good later, at another server of the same name.
// Raise it for devices that start without any idea of the time.
func WithClockCorrection(bound time.Duration) Option {
	return func(c *Client) { c.clock.bound = bound }
}

// WithLogger sets where retries and lost connections are told, at levels debug
// and info. Nowhere by default.
func WithLogger(l *slog.Logger) Option { return func(c *Client) { c.log = l } }

// WithTryTimeout bounds each try of a call, 30 s by default. A call is tried
// again until its context ends.
func WithTryTimeout(d time.Duration) Option { return func(c *Client) { c.tryTimeout = d } }

// WithCallTimeout bounds each call, its retries included, where the call's context
// does not end sooner. By default only the context does. Follow and WatchLock last
// as long as their context.
func WithCallTimeout(d time.Duration) Option { return func(c *Client) { c.callTimeout = d } }

// WithKeepAlive sets how often Follow and WatchLock ask a connection for a sign of
// life, 20 s by default, and how long it may take to answer, 10 s by default.
func WithKeepAlive(interval, timeout time.Duration) Option {
	return func(c *Client) { c.keepAlive = keepAlive{interval: interval, timeout: timeout} }
}

// SocketTrace hears what WebSockets carry, for debugging. All functions are there; they
// are called by several goroutines. Messages have signatures, certificates and data in
// them: leave those out of what others may read.
type SocketTrace struct {
	// Dialled: a connection stands (err is nil), or why not.
	Dialled func(target *url.URL, err error)
	// Message was sent, or else has come. It is valid until Message returns.
	Message func(sent bool, message []byte)
	// Ended: no further message comes, and why.
	Ended func(err error)
}

// WithSocketTrace sets what hears of WebSockets. Nobody by default.
func WithSocketTrace(t SocketTrace) Option { return func(c *Client) { c.trace = t } }

// New makes a client of the service at an endpoint such as
// https://api.example.com/graphql that acts for the key's owner. It does not
// connect yet.
func New(endpoint string, key signing.PrivateKey, opts ...Option) (*Client, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("endpoint: %q is not of the form https://host/graphql", endpoint)
	}
	if key.IsZero() {
		return nil, errors.New("a client needs a private key")
	}
	c := &Client{
		endpoint:   u,
		key:        key,
		http:       &http.Client{},
		clock:      clock{local: time.Now, bound: 24 * time.Hour},
		log:        slog.New(slog.DiscardHandler),
		tryTimeout: 30 * time.Second,
		keepAlive:  keepAlive{interval: 20 * time.Second, timeout: 10 * time.Second},
		trace:      SocketTrace{Dialled: func(*url.URL, error) {}, Message: func(bool, []byte) {}, Ended: func(error) {}},
	}
	for _, o := range opts {
		o(c)
	}
	switch {
	case c.http == nil || c.clock.local == nil || c.log == nil || c.trace.Dialled == nil || c.trace.Message == nil || c.trace.Ended == nil:
		return nil, errors.New("an option is nil")
	case c.tryTimeout <= 0 || c.callTimeout < 0 || c.keepAlive.interval <= 0 || c.keepAlive.timeout <= 0:
		return nil, errors.New("the time limits of a client are above 0")
	case c.clock.bound < 0:
		return nil, errors.New("the bound of clock corrections is not below 0")
	}
	c.http = withoutRedirects(c.http)
	return c, nil
}

// Owner is for whom the client acts.
func (c *Client) Owner() signing.PublicKey { return c.key.Public() }

func withoutRedirects(h *http.Client) *http.Client {
	copied := *h
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &copied
}
