// Package telemetry tells the log and the metrics of each request, and of each
// operation on a connection that carries many: what was asked for, by whom, how it
// ended and how long it took. Neither learns of signatures or data.
package telemetry

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/felixge/httpsnoop"
	"github.com/gorilla/websocket"

	"syncline/auth"
	"syncline/graph"
	"syncline/internal/clientaddr"
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

// Recorder writes the lines and counts the operations.
type Recorder struct {
	log       *slog.Logger
	metrics   Metrics
	addresses bool
}

// Option changes what lines hold.
type Option func(*Recorder)

// WithAddresses adds to each line the client's address, as the context has it
// (clientaddr.NewContext).
func WithAddresses() Option { return func(t *Recorder) { t.addresses = true } }

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

type entryKey struct{}

// Middleware logs each request to next when it has been answered, and gives it
// an id: the one that a proxy gave it, if that is of the usual form.
func (t *Recorder) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := entry{id: requestID(r)}
		w.Header().Set(RequestID, e.id)
		var report *graph.Report
		ctx, verified := auth.WithOutcome(r.Context())
		e.verified = verified
		ctx, report = graph.WithReport(context.WithValue(ctx, entryKey{}, e))
		answer := httpsnoop.CaptureMetrics(next, w, r.WithContext(ctx))
		code := status(r, answer.Code)
		t.write(ctx, e, line{"request", report, refusalOf(code), answer.Duration}, slog.String("method", r.Method), slog.Int("status", code))
	})
}

// status is the one that went out: that of an upgrade goes past net/http.
func status(r *http.Request, code int) int {
	if code == http.StatusOK && websocket.IsWebSocketUpgrade(r) {
		return http.StatusSwitchingProtocols
	}
	return code
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
// done is called. ctx comes from a request that went through Middleware.
func (t *Recorder) Operation(ctx context.Context) (inner context.Context, done func()) {
	began := time.Now()
	e, _ := ctx.Value(entryKey{}).(entry)
	inner, report := graph.WithReport(ctx)
	return inner, func() { t.write(ctx, e, line{"operation", report, "", time.Since(began)}) }
}

// Initialisation makes a connection that is not let in log a line of its own,
// when refused is called with the reason: its request was answered before, with 101. ctx
// comes from a request that went through Middleware.
func (t *Recorder) Initialisation(ctx context.Context) (refused func(why error)) {
	began := time.Now()
	e, _ := ctx.Value(entryKey{}).(entry)
	return func(why error) {
		outcome := "refused"
		if refusal, ok := errors.AsType[*auth.Error](why); ok {
			outcome = string(refusal.Code)
		}
		t.write(ctx, e, line{"initialisation", new(graph.Report), outcome, time.Since(began)})
	}
}

// line is what the lines of one request differ in.
type line struct {
	message string
	report  *graph.Report
	refused string // how, if no code tells
	took    time.Duration
}

func (t *Recorder) write(ctx context.Context, e entry, n line, extra ...slog.Attr) {
	principal, refusal := e.verified.Get()
	codes := n.codes(refusal)
	var names []string
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
	attrs := append([]slog.Attr{slog.String("id", e.id)}, extra...)
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
	attrs = append(attrs, slog.String("outcome", outcome), slog.Duration("took", n.took))
	if address := clientaddr.FromContext(ctx); t.addresses && address.IsValid() {
		attrs = append(attrs, slog.String("address", address.String()))
	}
	t.log.LogAttrs(ctx, slog.LevelInfo, n.message, attrs...)
}

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
