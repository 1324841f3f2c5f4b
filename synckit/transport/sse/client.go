package sse

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/live"
	"syncline/synckit/transport/internal/wire"
)

// ClientOptions bound what a client waits for and takes. The zero value of each is its
// default.
type ClientOptions struct {
	// Silence is how long a stream may be silent, also of comments, before it is taken for
	// dead and begun again; 0: 45 s.
	Silence time.Duration
	// MaxMessageBytes bounds what the server may send at once; 0: 32 MiB.
	MaxMessageBytes int
	// Parser reads versions; nil: those of this library.
	Parser func(ctx context.Context, s string) (synckit.Version, error)
}

// Client is a synckit.Transport that only subscribes. It is safe for concurrent use.
type Client struct {
	base     string
	client   *http.Client
	options  ClientOptions
	parse    wire.VersionParser
	lifetime *live.Lifetime
}

var (
	_ synckit.Transport      = (*Client)(nil)
	_ synckit.NamedTransport = (*Client)(nil)
)

// NewClient makes a client of a Server's handler that stands at /sse below a URL. A nil
// client is http.DefaultClient; what authenticates requests belongs into its Transport. Its
// Timeout would end each stream: it is better without.
func NewClient(baseURL string, client *http.Client) *Client {
	return NewClientWithOptions(baseURL, client, ClientOptions{})
}

// NewClientWithOptions is NewClient with limits of one's own.
func NewClientWithOptions(baseURL string, client *http.Client, options ClientOptions) *Client {
	options.Silence = cmp.Or(options.Silence, 45*time.Second)
	options.MaxMessageBytes = cmp.Or(options.MaxMessageBytes, 32<<20)
	c := &Client{
		base: strings.TrimRight(baseURL, "/"), client: cmp.Or(client, http.DefaultClient), options: options,
		parse: wire.Parse, lifetime: live.NewLifetime(),
	}
	if options.Parser != nil {
		c.parse = wire.VersionParser(options.Parser).OrOwn
	}
	return c
}

// Peer implements synckit.NamedTransport: the URL.
func (c *Client) Peer() string { return c.base }

// Close implements synckit.Transport: subscriptions end with an error.
func (c *Client) Close() error {
	c.lifetime.Close()
	return nil
}

// Push implements synckit.Transport. It is an error of code Unsupported: see Over.
func (c *Client) Push(context.Context, []synckit.EventWithVersion) error { return oneWay("push") }

// Pull implements synckit.Transport. It is an error of code Unsupported: see Over.
func (c *Client) Pull(context.Context, synckit.Version) ([]synckit.EventWithVersion, error) {
	return nil, oneWay("pull")
}

func oneWay(op string) error {
	return errors.New(errors.Unsupported, op, stderrors.New("a stream of events goes one way: sse.Over has another transport for this"))
}

// Subscribe implements synckit.Transport. It blocks until ctx ends, and connects
// again after failures that pass, from where it was. handler is called without
// events whenever it has begun to listen, then with what comes.
func (c *Client) Subscribe(ctx context.Context, handler func([]synckit.EventWithVersion) error) error {
	ctx, release, err := c.lifetime.Begin(ctx, "subscribe")
	if err != nil {
		return err
	}
	defer release()
	f := &follower{client: c}
	defer f.stop()
	return live.Follow(ctx, f, handler)
}

// follower reads one stream, and begins another after that broke.
type follower struct {
	client *Client
	at     string // where the stream stands; empty: there is none
	body   *bufio.Reader
	alive  *time.Timer // ends a stream that is silent
	end    func()      // ends the stream; nil: there is none
}

// End implements live.Source.
func (f *follower) End(ctx context.Context) (string, error) {
	page, err := f.begin(ctx, url.Values{"from": {"end"}})
	return page.Cursor, err
}

// Next implements live.Source.
func (f *follower) Next(ctx context.Context, at string, limit int) (synckit.Page, error) {
	if f.at == at && f.body != nil {
		return f.read(ctx)
	}
	return f.begin(ctx, url.Values{"cursor": {at}, "limit": {strconv.Itoa(limit)}})
}

func (f *follower) stop() {
	if f.end != nil {
		f.end()
	}
	f.body, f.at, f.end = nil, "", nil
}

// begin opens a stream and reads its first message.
func (f *follower) begin(ctx context.Context, values url.Values) (synckit.Page, error) {
	const op = "subscribe"
	f.stop()
	streaming, cancel := context.WithCancelCause(ctx)
	silent := errors.New(errors.Timeout, op, fmt.Errorf("no sign of life for %v", f.client.options.Silence))
	f.alive = time.AfterFunc(f.client.options.Silence, func() { cancel(silent) })
	f.end = func() {
		f.alive.Stop()
		cancel(nil)
	}
	req, err := http.NewRequestWithContext(streaming, http.MethodGet, f.client.base+"/sse?"+values.Encode(), nil)
	if err != nil {
		return synckit.Page{}, errors.New(errors.InvalidOptions, op, err)
	}
	req.Header.Set("Accept", "text/event-stream")
	res, err := f.client.client.Do(req) //nolint:bodyclose // what ends the stream closes it
	if err != nil {
		return synckit.Page{}, f.failed(streaming, err)
	}
	before := f.end
	f.end = func() {
		before()
		_ = res.Body.Close() // what is left of it is of no use
	}
	if res.StatusCode != http.StatusOK {
		err := refusal(res)
		f.stop()
		return synckit.Page{}, err
	}
	if kind := res.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		f.stop()
		return synckit.Page{}, errors.New(errors.Unsupported, op, fmt.Errorf("the answer is %.80q, no stream of events", kind))
	}
	f.body = bufio.NewReader(alive{res.Body, f.alive, f.client.options.Silence})
	return f.read(streaming)
}

// alive puts off the end of a stream whenever something comes.
type alive struct {
	io.Reader
	timer   *time.Timer
	silence time.Duration
}

func (a alive) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	if n > 0 {
		a.timer.Reset(a.silence)
	}
	return n, err
}

// failed is why a stream ended: what ended its context, or else err.
func (f *follower) failed(ctx context.Context, err error) error {
	f.stop()
	if cause := context.Cause(ctx); cause != nil && errors.CodeOf(cause) != "" {
		return cause
	}
	if errors.CodeOf(err) != "" {
		return err
	}
	return errors.New(errors.Unavailable, "subscribe", err)
}

// read waits for the next message.
func (f *follower) read(ctx context.Context) (synckit.Page, error) {
	text, err := f.message()
	if err != nil {
		return synckit.Page{}, f.failed(ctx, err)
	}
	var m received
	if err := json.Unmarshal(text, &m); err != nil {
		f.stop()
		return synckit.Page{}, errors.New(errors.Unsupported, "subscribe", fmt.Errorf("not a message of this API: %w", err))
	}
	if m.Fault != nil {
		f.stop()
		return synckit.Page{}, m.Fault.Error("subscribe")
	}
	next, err := cursor.UnmarshalWire(m.NextCursor)
	at, ok := next.(LogCursor)
	if err != nil || !ok || at == "" {
		f.stop()
		return synckit.Page{}, errors.New(errors.Unsupported, "subscribe", fmt.Errorf("the message does not tell where to go on: %w", cmp.Or(err, errKind)))
	}
	page, err := wire.DecodeAll(ctx, m.Events, f.client.parse)
	if err != nil {
		return synckit.Page{}, f.failed(ctx, err)
	}
	page.Cursor, f.at = string(at), string(at)
	return page, nil
}

var errKind = stderrors.New("its cursor is of another kind")

// message reads lines up to the end of a message that has data.
func (f *follower) message() ([]byte, error) {
	var data []byte
	size := 0
	for has := false; ; {
		line, err := f.line(f.client.options.MaxMessageBytes - size)
		size += len(line)
		switch {
		case err != nil:
			return nil, err
		case len(line) == 0 && has:
			return data, nil
		case len(line) == 0:
			size = 0
		default:
			if text, ok := bytes.CutPrefix(line, []byte("data:")); ok {
				if has {
					data = append(data, '\n')
				}
				data, has = append(data, bytes.TrimPrefix(text, []byte(" "))...), true
			}
		}
	}
}

// line reads one line, without its end, of up to so many bytes.
func (f *follower) line(most int) ([]byte, error) {
	var line []byte
	for {
		part, err := f.body.ReadSlice('\n')
		if len(line)+len(part) > most {
			return nil, errors.New(errors.TooLarge, "subscribe", fmt.Errorf("a message has more than %d bytes", f.client.options.MaxMessageBytes))
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimRight(line, "\r\n"), nil
		case !stderrors.Is(err, bufio.ErrBufferFull):
			return nil, cmp.Or(err, io.ErrUnexpectedEOF)
		}
	}
}

// maxRefusal bounds what is read of an answer that is no stream.
const maxRefusal = 64 << 10

// refusal is the error that an answer tells of.
func refusal(res *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxRefusal)) // what came tells enough
	var told wire.PushAnswer
	if json.Unmarshal(text, &told) == nil && told.Error != nil && told.Error.Code != "" {
		return told.Error.Error("subscribe")
	}
	code := errors.Unsupported
	switch status := res.StatusCode; {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		code = errors.Unauthenticated
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= http.StatusInternalServerError:
		code = errors.Unavailable
	}
	fault := wire.Fault{Code: code, Message: "HTTP status " + res.Status}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		fault.RetryAfter = seconds
	}
	return fault.Error("subscribe")
}
