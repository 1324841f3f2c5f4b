// Package telemetry tells the log and the metrics of each request, and of each
// operation on a connection that carries many: what was asked for, by whom, how it
// ended and how long it took. Neither learns of signatures or data.
package telemetry

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"syncline/auth"
	"syncline/graph"
	"syncline/internal/clientaddr"
	"syncline/internal/contextvalue"
	"syncline/internal/responsewriter"
)

// RequestID is the header that names a request in the log and to the client.
const RequestID = "X-Request-Id"

// Metrics are told what the log is.
type Metrics interface {
	// Observe counts a root field of an operation: its outcome is "ok" or the code of an
	// error, of several the first in alphabetical order.
	Observe(field, outcome string, took time.Duration)
	// Refused counts what did not end well, by what it was ("request", "operation" or
	// "initialisation") and by the code of an error; "refused" where there is none.
	Refused(what, code string)
}

// Tracer draws what is logged as spans of traces.
type Tracer interface {
	// Begin begins a span, and makes it that of the context, in which End ends it. Its parent is the span that
	// a client names by W3C's traceparent; if it names none that can be read, the context's, or, for an
	// operation of a connection that may last for a day, none, and the context's is linked.
	Begin(ctx context.Context, name, traceparent string, ofConnection bool) context.Context
	// Past draws a span that is over, as a child of the context's.
	Past(ctx context.Context, name string, began, ended time.Time, outcome string)
	// End ends the context's span, and says what the log says of it.
	End(ctx context.Context, outcome string, attrs []slog.Attr)
	// ID is that of the context's trace; empty if it is not recorded.
	ID(ctx context.Context) string
}

// Recorder writes the lines and counts the operations.
type Recorder struct {
	log       *slog.Logger
	metrics   Metrics
	tracer    Tracer // nil: nothing is drawn
	addresses bool
}

// Option changes what lines hold.
type Option func(*Recorder)

// WithAddresses adds to each line the client's address, as the context has it
// (clientaddr.NewContext).
func WithAddresses() Option { return func(t *Recorder) { t.addresses = true } }

// WithTracer draws spans, and adds to each line the id of its trace.
func WithTracer(tracer Tracer) Option { return func(t *Recorder) { t.tracer = tracer } }

// New logs to log, and counts in metrics.
func New(log *slog.Logger, metrics Metrics, options ...Option) *Recorder {
	t := &Recorder{log: log, metrics: metrics}
	for _, option := range options {
		option(t)
	}
	return t
}

// entry is what the lines of one request, or of one connection, share.
type entry struct {
	id       string
	verified *auth.Outcome
}

// answer is what a request is answered through.
type answer struct {
	responsewriter.Wrapper
	status int // of its header; 0 before that
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
	a.Wrapper.WriteHeader(status)
}

// Write implements io.Writer.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.Wrapper.Write(b)
}

// Middleware logs each request to next when it has been answered, and gives it
// an id: the one that a proxy gave it, if that is of the usual form.
func (t *Recorder) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		ctx, e := contextvalue.New[entry](r.Context())
		e.id = requestID(r)
		w.Header().Set(RequestID, e.id)
		ctx, e.verified = auth.WithOutcome(ctx)
		ctx, report := graph.WithReport(ctx)
		if t.tracer != nil {
			ctx = t.tracer.Begin(ctx, "request", r.Header.Get(traceparent), false)
		}
		a := &answer{Wrapper: responsewriter.Wrapper{ResponseWriter: w}}
		next.ServeHTTP(a, r.WithContext(ctx))
		took := time.Since(began)
		if t.tracer != nil && !websocket.IsWebSocketUpgrade(r) { // which is signed by connection_init
			t.drawVerification(ctx, e)
		}
		code := status(r, a)
		t.write(ctx, e, line{"request", report, refusalOf(code), took}, slog.String("method", r.Method), slog.Int("status", code))
	})
}

// status is the one that went out: that of an upgrade goes past net/http.
func status(r *http.Request, a *answer) int {
	status := cmp.Or(a.status, http.StatusOK)
	if status == http.StatusOK && websocket.IsWebSocketUpgrade(r) {
		return http.StatusSwitchingProtocols
	}
	return status
}

// refusalOf is how a request is said to have ended whose error nobody reported;
// empty if it was not refused.
func refusalOf(status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return string(auth.CodeRateLimited)
	case status >= http.StatusBadRequest:
		return "refused"
	default:
		return ""
	}
}

// Operation makes one operation on a connection log a line of its own, when
// done is called. ctx comes from a request that went through Middleware. The client may name
// the span that the operation belongs to in its extensions, or in connection_init, as traceparent.
func (t *Recorder) Operation(ctx context.Context, extensions map[string]any) (inner context.Context, done func()) {
	began := time.Now()
	e := contextvalue.Of[entry](ctx)
	if t.tracer != nil {
		parent, ok := extensions[traceparent].(string)
		if !ok {
			parent, _ = ctx.Value(connectionTraceKey{}).(string)
		}
		ctx = t.tracer.Begin(ctx, "operation", parent, true)
	}
	inner, report := graph.WithReport(ctx)
	return inner, func() { t.write(ctx, e, line{"operation", report, "", time.Since(began)}) }
}

// Initialisation makes a connection that is not let in log a line of its own. done is called
// with the reason, or nil if it is let in: its request was answered before, with 101. ctx
// comes from a request that went through Middleware, and payload is that of connection_init; the
// connection's operations run in inner.
func (t *Recorder) Initialisation(ctx context.Context, payload map[string]any) (inner context.Context, done func(refused error)) {
	began := time.Now()
	e := contextvalue.Of[entry](ctx)
	drawn := ctx
	if t.tracer != nil {
		parent, ok := payload[traceparent].(string)
		if ok && len(parent) <= maxTraceparent {
			ctx = context.WithValue(ctx, connectionTraceKey{}, strings.Clone(parent)) // else it keeps the whole message
		}
		drawn = t.tracer.Begin(ctx, "initialisation", parent, false)
	}
	return ctx, func(refused error) {
		if t.tracer != nil {
			t.drawVerification(drawn, e)
		}
		if refused == nil {
			if t.tracer != nil {
				t.tracer.End(drawn, "ok", nil)
			}
			return
		}
		outcome := "refused"
		if refusal, ok := errors.AsType[*auth.Error](refused); ok {
			outcome = string(refusal.Code)
		}
		t.write(drawn, e, line{"initialisation", new(graph.Report), outcome, time.Since(began)})
	}
}

// traceparent is the header, and the name beside a document, by which W3C's Trace Context names a span.
const traceparent = "traceparent"

// maxTraceparent is more than version 0 has.
const maxTraceparent = 64

type connectionTraceKey struct{}

func (t *Recorder) drawVerification(ctx context.Context, e *entry) {
	_, refusal := e.verified.Get()
	outcome := "ok"
	if refusal != nil {
		outcome = string(refusal.Code)
	}
	if began, ended := e.verified.Took(); !began.IsZero() {
		t.tracer.Past(ctx, "verification", began, ended, outcome)
	}
}

// line is what the lines of one request differ in.
type line struct {
	message string
	report  *graph.Report
	refused string // how, if no code tells
	took    time.Duration
}

func (t *Recorder) write(ctx context.Context, e *entry, n line, extra ...slog.Attr) {
	principal, refusal := e.verified.Get()
	codes := n.codes(refusal)
	var room [maxNames]string
	names := room[:0]
	for _, field := range n.report.Fields() {
		if len(names) < maxNames && !slices.Contains(names, field.Name) {
			names = append(names, field.Name)
		}
		outcome := "ok"
		switch {
		case len(field.Codes) > 0:
			outcome = field.Codes[0]
		case refusal != nil:
			outcome = string(refusal.Code)
		}
		t.metrics.Observe(field.Name, outcome, n.took)
	}
	for _, code := range codes {
		t.metrics.Refused(n.message, code)
	}
	attrs := make([]slog.Attr, 0, maxAttrs)
	attrs = append(append(attrs, slog.String("id", e.id)), extra...)
	if principal != (auth.Principal{}) {
		attrs = append(attrs, slog.String("owner", principal.Key.Short()))
	}
	if len(names) > 0 {
		attrs = append(attrs, slog.String("fields", strings.Join(names, ",")))
	}
	outcome := "ok"
	if len(codes) > 0 {
		outcome = strings.Join(codes, ",")
	}
	if t.tracer != nil {
		t.tracer.End(ctx, outcome, attrs)
		if id := t.tracer.ID(ctx); id != "" {
			attrs = append(attrs, slog.String("trace", id))
		}
	}
	attrs = append(attrs, slog.String("outcome", outcome), slog.Duration("took", n.took))
	if address := clientaddr.FromContext(ctx); t.addresses && address.IsValid() {
		attrs = append(attrs, slog.String("address", address.String()))
	}
	t.log.LogAttrs(ctx, slog.LevelInfo, n.message, attrs...)
}

// maxAttrs is how much a line has to say.
const maxAttrs = 9

// maxNames bounds the root fields in a line.
const maxNames = 10

// codes are those with which the request was refused, in alphabetical order; "refused"
// where that was done before anything gave it a code. None: it was not.
func (n line) codes(refusal *auth.Error) []string {
	codes := n.report.Codes()
	if refusal != nil {
		codes = append(codes, string(refusal.Code))
		slices.Sort(codes)
		codes = slices.Compact(codes)
	}
	if len(codes) == 0 && n.refused != "" {
		codes = []string{n.refused}
	}
	return codes
}

var wellFormedID = regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`)

func requestID(r *http.Request) string {
	if id := r.Header.Get(RequestID); wellFormedID.MatchString(id) {
		return id
	}
	return strings.ToLower(rand.Text()[:16])
}
