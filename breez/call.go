package breez

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"syncline/auth"
	"syncline/internal/budget"
)

// call is what is known of a call beside its message, and what is done when it is
// over. It is used by the call's own goroutine.
type call struct {
	name      string
	principal auth.Principal
	outcome   string
	control   *http.ResponseController
	client    *budget.Progress
	grants    []*budget.Grant
	after     []func()
}

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// ServeHTTP answers a call, and writes a line into the log when it is over.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	c := &call{name: strings.TrimPrefix(r.URL.Path, Prefix), outcome: codeBadUserInput, control: http.NewResponseController(w), client: new(budget.Progress)}
	answered := false
	defer func() {
		if !answered { // it panics
			c.outcome = codeInternal
		}
		c.release()
		for _, f := range c.after {
			f()
		}
		s.logCall(r, c, time.Since(began))
	}()
	s.guarded.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callKey{}, c)))
	answered = true
}

// serve reads a call's message when there is memory for it, and answers it.
func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	c := callOf(r.Context())
	ahead := readers.Get().(*bufio.Reader)
	ahead.Reset(r.Body)
	c.afterwards(func() { ahead.Reset(nil); readers.Put(ahead) })
	body, grant, err := s.Verifier.ReadBody(w, withLength(r, ahead), maxBodyBytes(r.Header))
	if err != nil {
		Refuse(w, r, err)
		return
	}
	c.hold(grant)
	r.Body = body
	if isText(r.Header) {
		if r, err = decodeText(r); err != nil {
			Refuse(w, r, invalid("the body is not base64"))
			return
		}
		text := &textWriter{ResponseWriter: w}
		defer text.finish()
		w = text
	}
	s.calls.ServeHTTP(&progressWriter{w, c.client}, r)
}

// readers read ahead as much as most messages have, for each piece of a body that is read
// is told to the connection.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 2<<10) }}

// hold keeps memory until the call is over.
func (c *call) hold(grant *budget.Grant) {
	if grant != nil {
		c.grants = append(c.grants, grant)
	}
}

// release gives back the memory that the call holds.
func (c *call) release() {
	for _, grant := range c.grants {
		grant.Release()
	}
	c.grants = nil
}

// yield gives up the answer if others wait for its memory and the client takes
// nothing of it.
func (c *call) yield(grant *budget.Grant) {
	var once atomic.Bool
	c.client.Made()
	grant.Watch(c.client, func() {
		if once.CompareAndSwap(false, true) {
			_ = c.control.SetWriteDeadline(time.Now())
		}
	})
}

// afterwards has f called when the answer has been written.
func (c *call) afterwards(f func()) { c.after = append(c.after, f) }

// untimed lifts the time limits of requests from a stream.
func (c *call) untimed() {
	_ = c.control.SetReadDeadline(time.Time{})
	_ = c.control.SetWriteDeadline(time.Time{})
}

// within bounds the writing that follows, until done is called.
func (c *call) within(limit time.Duration) (done func()) {
	_ = c.control.SetWriteDeadline(time.Now().Add(limit))
	return func() { _ = c.control.SetWriteDeadline(time.Time{}) }
}

func (s *Service) logCall(r *http.Request, c *call, took time.Duration) {
	s.Observe("breez."+c.known(), c.outcome, took)
	switch c.outcome {
	case outcomeOK, outcomeHeld, outcomeEnded, outcomeCanceled:
	default:
		s.Refused(c.outcome)
	}
	if !s.Log.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	attrs := []slog.Attr{slog.String("call", c.known())}
	if c.principal != (auth.Principal{}) {
		attrs = append(attrs, slog.String("owner", c.principal.Key.Short()))
	}
	attrs = append(attrs, slog.String("outcome", c.outcome), slog.Duration("took", took), slog.String("agent", agent(r.Header)))
	if hash, ok := c.principal.CertificateHash(); ok {
		attrs = append(attrs, slog.String("certificate", hash))
	}
	s.Log.LogAttrs(r.Context(), slog.LevelInfo, "call", attrs...)
}

// known is the call's name, or a word for all names that are none: clients choose
// paths, and must not choose the labels of figures.
func (c *call) known() string {
	switch c.name {
	case "SetRecord", "ListChanges", "ListenChanges", "SetLock", "GetLock":
		return c.name
	default:
		return "unknown"
	}
}

// agent is what program calls.
func agent(h http.Header) string {
	const most = 100
	name := h.Get("X-User-Agent") // of gRPC-Web; browsers set the other
	if name == "" {
		name = h.Get("User-Agent")
	}
	return name[:min(most, len(name))]
}

// Serves tells whether a request is a call.
func Serves(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, Prefix) }

// What is read at most of a message that is refused, and for how long.
const (
	maxUnwanted  = 2 * maxMessageBytes
	unwantedTime = 10 * time.Second
)

var refusals = connect.NewErrorWriter(connect.WithRequireConnectProtocolHeader())

// Refuse answers a call that is not let through, in the protocol of its client. Where that
// is done by what guards a Service, the service counts it by err.
func Refuse(w http.ResponseWriter, r *http.Request, err error) {
	f := describe(err)
	if c, ok := r.Context().Value(callKey{}).(*call); ok {
		c.outcome = f.outcome
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(unwantedTime))
	_, _ = io.CopyN(io.Discard, r.Body, maxUnwanted) // nginx takes an answer for broken that comes before its request has ended
	if isText(r.Header) {
		r = asBinary(r)
		text := &textWriter{ResponseWriter: w}
		defer text.finish()
		w = text
	}
	if refusals.IsSupported(r) {
		_ = refusals.Write(w, r, f.told)          // the client may be gone
		_ = http.NewResponseController(w).Flush() // or an empty body gets a Content-Length, and nginx no trailers
		return
	}
	http.Error(w, "this path answers gRPC, gRPC-Web and Connect", http.StatusUnsupportedMediaType)
}

// progressWriter writes in pieces, and notes each that the client took.
type progressWriter struct {
	http.ResponseWriter
	client *budget.Progress
}

// Unwrap is for http.ResponseController.
func (w *progressWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher.
func (w *progressWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Write implements io.Writer.
func (w *progressWriter) Write(data []byte) (written int, err error) {
	const piece = 64 << 10
	for {
		n, err := w.ResponseWriter.Write(data[written:min(written+piece, len(data))])
		written += n
		w.client.Made()
		if err != nil || written == len(data) {
			return written, err
		}
	}
}
