package transport

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/graph/body"
	"syncline/internal/budget"
)

// eventStream serves any operation as server-sent events, by the protocol of
// graphql-sse in its distinct connections mode. It takes only requests whose
// Accept begins with the type: some clients name it in every Accept.
type eventStream struct{ *Transports }

func (eventStream) Supports(r *http.Request) bool {
	accept := strings.ToLower(strings.TrimSpace(r.Header.Get("Accept")))
	return r.Method == http.MethodPost && strings.HasPrefix(accept, "text/event-stream")
}

func (t eventStream) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	noStore(w)
	params, size, err := t.readBody(w, r)
	if err != nil {
		t.reject(w, err)
		return
	}
	ctx, state := withOperation(r.Context())
	state.size = size
	if resume, ok := params.Extensions["resume"]; ok {
		if state.resume, state.resumes = resume.(string); !state.resumes || len(state.resume) > maxCursor {
			t.reject(w, malformed(fmt.Sprintf("extensions.resume must be a cursor, of at most %d bytes", maxCursor)))
			return
		}
		state.resume = strings.Clone(state.resume)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer endStream(ctx)
	s := &stream{config: t.config, w: w, control: http.NewResponseController(w), cancel: cancel, reader: new(budget.Progress)}
	if !t.live.add(s) {
		t.answer(w, http.StatusServiceUnavailable, mediaGraphQL, &graphql.Response{Errors: gqlerror.List{unavailable()}})
		return
	}
	defer t.live.remove(s)
	t.stream(ctx, s, exec, params)
}

// stream answers with an HTTP status as long as that is possible, and with
// events from then on.
func (t *Transports) stream(ctx context.Context, s *stream, exec graphql.GraphExecutor, params *graphql.RawParams) {
	op, errs := t.parse(ctx, exec, params)
	if len(errs) > 0 {
		resp := refuse(ctx, exec, op, errs)
		status := refusalStatus(resp.Errors, mediaJSON)
		t.answerOrStream(s, status, resp, &body.Blobs{}, nil)
		return
	}
	grant, err := t.lend(ctx, op)
	if err != nil {
		resp := refuse(ctx, exec, op, gqlerror.List{tooBusy(err)})
		t.answerOrStream(s, refusalStatus(resp.Errors, mediaJSON), resp, &body.Blobs{}, nil)
		return
	}
	defer grant.Release()
	responses, ctx, pending := run(ctx, exec, op)
	if !pending {
		resp := responses(ctx)
		budget.FromContext(ctx).Release() // nothing of the request is needed any more
		if resp != nil {
			blobs := &stateOf(ctx).blobs
			grant.Shrink(held(resp, blobs))
			t.answerOrStream(s, executionStatus(resp, op.Operation), resp, blobs, grant)
		}
		return
	}
	// What lasts holds nothing of its request.
	grant.Release()
	budget.FromContext(ctx).Release()
	stop := s.open(ctx, t.config)
	defer stop()
	next := waiting(ctx, responses)
	for resp := next(); resp != nil; resp = next() {
		t.sendEvent(ctx, s, resp)
		t.config.sent(ctx)
		t.config.Pace(ctx)
	}
	if ctx.Err() != nil {
		return // without complete, so that the client comes back
	}
	if failure := failureOf(ctx, exec); failure != nil {
		s.next(failure, &body.Blobs{})
	}
	s.complete()
}

// sendEvent sends an event, and waits until it is gone.
func (t *Transports) sendEvent(ctx context.Context, s *stream, resp *graphql.Response) {
	blobs := &stateOf(ctx).blobs
	gone, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		t.attend(ctx, int(held(resp, blobs)), true, gone, s.reader, s.abort)
	}()
	s.next(resp, blobs)
	close(gone)
	<-over
}

// waiting answers a function that waits for the next response, nil after the last.
func waiting(ctx context.Context, responses graphql.ResponseHandler) func() *graphql.Response {
	woken := make(chan struct{}, 1)
	notify(ctx, func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	return func() *graphql.Response {
		resp, ready := nextResponse(ctx, responses)
		for !ready {
			<-woken
			resp, ready = nextResponse(ctx, responses)
		}
		return resp
	}
}

// answerOrStream sends the only response that there is.
func (t *Transports) answerOrStream(s *stream, status int, resp *graphql.Response, blobs *body.Blobs, grant *budget.Grant) {
	if status != http.StatusOK {
		t.send(s.w, status, mediaGraphQL, resp, blobs, grant)
		return
	}
	grant.Watch(s.reader, func() { t.config.TooSlow(); s.abort() })
	s.begin()
	s.next(resp, blobs)
	s.complete()
}

// stream is an answer that consists of events.
type stream struct {
	config  Config
	w       http.ResponseWriter
	control *http.ResponseController
	cancel  context.CancelFunc
	reader  *budget.Progress

	mu       sync.Mutex
	ended    bool
	retiring bool
	silent   *time.Timer // of a subscription

	aborted atomic.Bool
}

// retire ends a subscription. What is answered once is answered first.
func (s *stream) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retiring = true
	if s.silent != nil {
		s.cancel()
	}
}

// abort also wakes a write that waits for its reader.
func (s *stream) abort() {
	s.cancel()
	s.aborted.Store(true)
	_ = s.control.SetWriteDeadline(time.Now())
}

// SetWriteDeadline keeps a write from waiting that begins after abort.
func (s *stream) SetWriteDeadline(until time.Time) error {
	err := s.control.SetWriteDeadline(until)
	if s.aborted.Load() {
		err = s.control.SetWriteDeadline(time.Now())
	}
	return err
}

// begin sends the header. Proxies that compress hold events back until they have
// many: no-transform has most of them pass a stream on as it is. nginx knows its
// own header.
func (s *stream) begin() {
	header := s.w.Header()
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no")
	s.w.WriteHeader(http.StatusOK)
	s.send([]byte(":\n\n"), nil, &body.Blobs{}, nil)
}

// open begins a stream that may last. What it answers ends it.
func (s *stream) open(ctx context.Context, config Config) (stop func()) {
	s.begin()
	age := time.AfterFunc(config.MaxAge-upTo(config.MaxAge/10), s.cancel)
	recheck := repeat(config.RecheckInterval, func() bool {
		if config.Recheck(ctx) != nil {
			s.cancel()
		}
		return ctx.Err() == nil
	})
	s.mu.Lock()
	s.silent = time.AfterFunc(config.KeepAlive, func() { s.send([]byte(":\n\n"), nil, &body.Blobs{}, nil) })
	if s.retiring {
		s.cancel()
	}
	s.mu.Unlock()
	return func() {
		age.Stop()
		recheck.Stop()
		s.end()
	}
}

func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.silent.Stop()
}

func (s *stream) next(resp *graphql.Response, blobs *body.Blobs) {
	s.send(appendHead([]byte("event: next\ndata: "), resp), resp.Data, blobs, []byte("}\n\n"))
}

func (s *stream) complete() {
	s.send([]byte("event: complete\ndata:\n\n"), nil, &body.Blobs{}, nil)
}

// send writes one event: JSON with its data, between what comes before and after.
// A reader that does not take it in time loses the stream.
func (s *stream) send(before, json []byte, blobs *body.Blobs, after []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.reader.Made() // it could take nothing before
	p := &pace{to: s.w, timeout: s.config.WriteTimeout, deadline: s, reader: s.reader}
	err := blobs.Send(p, before, json, after)
	if err == nil {
		err = s.control.Flush()
	}
	if err == nil { // HTTP/2 ends a stream whose deadline passes, also if there is nothing to write
		_ = s.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		if !s.aborted.Load() { // which was counted, if it was slow
			s.config.slow(err)
		}
		s.ended = true
		s.cancel()
	}
	if s.silent != nil {
		s.silent.Reset(s.config.KeepAlive)
	}
}
