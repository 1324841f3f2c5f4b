package transport

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/graph/body"
	"syncline/internal/contextvalue"
)

// operationState is what a transport and a resolver tell each other.
type operationState struct {
	resume  string
	resumes bool

	size     int        // bytes of the message or body that it came in
	endTurn  func()     // of a large one, see turns; nil if there is none
	expected int        // bytes that it may come to hold, see Expect
	blobs    body.Blobs // that the response being made leaves out

	// Of a subscription made by Stream.
	pull     func() (ready bool) // makes the next event, if there is one
	position Position            // of the event that was made last, if such events have one
	notify   func(wake func())   // see Source
	end      func()              // tells that no more are wanted
	forget   func()              // lets go of what was read ahead; nil if nothing ever is

	mu      sync.Mutex
	failure error
}

// Source is where a subscription's events come from.
type Source[T any] interface {
	// Poll answers the next event, if there is one. It may wait for it, if the
	// source does not call wake.
	Poll(ctx context.Context) (event T, ok bool, err error)
	// Notify has wake called each time that Poll may have come to answer
	// something else. wake neither waits nor calls back.
	Notify(wake func())
	// Close is called when no more events are wanted.
	Close()
	// Forget lets go of what was read ahead. It is called instead of Poll, when the
	// reader turns out to be slow.
	Forget()
}

// Position says where in its stream an event stands.
type Position struct {
	Cursor string    // where a client goes on that has taken the event
	Since  time.Time // since when the event could be told; zero if it is part of what was there already
	Trace  *Trace    // nil if what the event tells of is not traced
}

// Trace says which trace an event belongs to.
type Trace struct {
	Parent string    // W3C's traceparent
	Heard  time.Time // when this instance was told of what the event tells
}

// Stream makes the channel of a subscription. Its events are polled, each when
// the client has taken the one before: between them an idle subscription of a
// WebSocket needs no goroutine. An error of Poll ends the subscription, see
// FailSubscription. A resolver calls it once, with its own context.
//
// The position's cursor is sent beside the event, as extensions.cursor, since a document need not
// select it, and may give it any name; its trace as extensions.traceparent. position is nil where such
// events have none.
func Stream[T, M any](ctx context.Context, from Source[T], convert func(T) *M, position func(T) Position) <-chan *M {
	state := stateOf(ctx)
	events := make(chan *M, 1)
	state.notify, state.end, state.forget = from.Notify, from.Close, from.Forget
	state.pull = func() (ready bool) {
		event, ok, err := from.Poll(ctx)
		if err == nil {
			if ok && position != nil {
				state.position = position(event)
			}
			if ok {
				events <- convert(event)
			}
			return ok
		}
		if ctx.Err() == nil {
			FailSubscription(ctx, err)
		}
		state.pull, state.position = nil, Position{}
		close(events)
		return true
	}
	return events
}

// nextResponse answers the response of the next event, nil after the last. It
// is not ready where there is none yet; notify tells when to ask again.
func nextResponse(ctx context.Context, responses graphql.ResponseHandler) (resp *graphql.Response, ready bool) {
	state := stateOf(ctx)
	state.blobs.Reset()
	if state.pull != nil && !state.pull() {
		return nil, false
	}
	resp = responses(ctx)
	if at := state.position; resp != nil && at.Cursor != "" {
		resp.Extensions = map[string]any{"cursor": at.Cursor}
		if at.Trace != nil {
			resp.Extensions["traceparent"] = at.Trace.Parent
		}
	}
	return resp, true
}

// notify has wake called when the next response may be ready, also because ctx
// has ended.
func notify(ctx context.Context, wake func()) {
	if ask := stateOf(ctx).notify; ask != nil {
		ask(wake)
	}
	context.AfterFunc(ctx, wake)
}

// sent tells that the last event was taken.
func (c Config) sent(ctx context.Context) {
	if at := stateOf(ctx).position; !at.Since.IsZero() {
		c.Sent(ctx, at)
	}
}

// slow tells of a client that is cut off because a write to it failed by its deadline.
func (c Config) slow(err error) {
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		c.TooSlow()
	}
}

// endStream lets go of what a subscription's events came from.
func endStream(ctx context.Context) {
	if end := stateOf(ctx).end; end != nil {
		end()
	}
}

// stateOf is that of the operation, which every context that a transport hands
// to the executor has.
func stateOf(ctx context.Context) *operationState {
	return contextvalue.Of[operationState](ctx)
}

// withOperation makes the context of an operation whose time gqlgen has begun to take.
func withOperation(ctx context.Context) (context.Context, *operationState) {
	ctx, state := contextvalue.New[operationState](ctx)
	return body.NewContext(ctx, &state.blobs), state
}

// ResumeFrom is the cursor that the client sent beside its document: in
// connectionParams.resume of a WebSocket, in extensions.resume of an event
// stream. It overrides the cursor among the subscription's arguments, which
// clients resend unchanged when they reconnect. False if there is none.
func ResumeFrom(ctx context.Context) (cursor string, ok bool) {
	state := stateOf(ctx)
	if state == nil {
		return "", false
	}
	return state.resume, state.resumes
}

// FailSubscription says why a subscription ends. A resolver calls it with its
// own context, before it closes its channel; the client gets the error as the
// error presenter shows it. The first error counts. Without one, the client is
// told that the subscription is complete.
func FailSubscription(ctx context.Context, err error) {
	state := stateOf(ctx)
	if state == nil {
		return
	}
	state.mu.Lock()
	defer state.mu.Unlock()
	if state.failure == nil {
		state.failure = gqlerror.WrapPath(graphql.GetPath(ctx), err)
	}
}

// failureOf is what FailSubscription left, presented.
func failureOf(ctx context.Context, exec graphql.GraphExecutor) *graphql.Response {
	state := stateOf(ctx)
	state.mu.Lock()
	err := state.failure
	state.mu.Unlock()
	if err == nil {
		return nil
	}
	return exec.DispatchError(ctx, gqlerror.List{gqlerror.WrapIfUnwrapped(err)})
}

// maxErrors is how many errors a document is refused with at most: who sends
// garbage gets a small answer.
const maxErrors = 20

// parse reads and validates a document. The errors are not presented yet.
func (t *Transports) parse(ctx context.Context, exec graphql.GraphExecutor, params *graphql.RawParams) (op *graphql.OperationContext, errs gqlerror.List) {
	state := stateOf(ctx)
	size := state.size
	if len(params.Query) > maxSharedDocument {
		size = max(size, smallMessage+1)
	}
	var err error
	if state.endTurn, err = t.turns.take(ctx, size); err != nil {
		return &graphql.OperationContext{RawQuery: params.Query, OperationName: params.OperationName}, gqlerror.List{tooBusy(err)}
	}
	defer Parsed(ctx)
	return parseDocument(ctx, exec, params)
}

// Parsed tells that an operation's document and variables have been read and checked: what
// follows may wait for others. A middleware that waits before the operation is run calls
// it with the context in which the operation is made.
func Parsed(ctx context.Context) {
	if state := stateOf(ctx); state != nil && state.endTurn != nil {
		state.endTurn()
		state.endTurn = nil
	}
}

func parseDocument(ctx context.Context, exec graphql.GraphExecutor, params *graphql.RawParams) (op *graphql.OperationContext, errs gqlerror.List) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		// gqlparser panics over a literal number that does not fit 64 bits,
		// where the scalar is not one of GraphQL's own.
		if err, ok := value.(error); !ok || !errors.Is(err, strconv.ErrRange) {
			panic(value)
		}
		op = &graphql.OperationContext{RawQuery: params.Query, OperationName: params.OperationName}
		errs = gqlerror.List{badInput("a number in the document is out of range")}
	}()
	op, errs = exec.CreateOperationContext(ctx, params)
	errs = errs[:min(len(errs), maxErrors)]
	switch {
	case len(op.Variables) == 0:
		op.Variables = nil // an empty map takes 300 bytes, a subscription keeps it
	case isSubscription(op):
		op.Variables, _ = detach(op.Variables).(map[string]any)
	}
	return op, errs
}

// detach copies a value with its texts, which else keep all that was sent.
func detach(value any) any {
	switch value := value.(type) {
	case string:
		return strings.Clone(value)
	case json.Number:
		return json.Number(strings.Clone(string(value)))
	case []any:
		list := make([]any, len(value))
		for i := range value {
			list[i] = detach(value[i])
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(value))
		for name := range value {
			object[strings.Clone(name)] = detach(value[name])
		}
		return object
	default:
		return value
	}
}

// run begins an operation. pending tells that a field's resolver has been
// called already, as is so with a subscription that was not refused: then the
// responses come whenever they come. Otherwise the first one is there for the asking.
func run(ctx context.Context, exec graphql.GraphExecutor, op *graphql.OperationContext) (responses graphql.ResponseHandler, inner context.Context, pending bool) {
	if !isSubscription(op) { // what it asks for is resolved when its response is
		responses, inner = exec.DispatchOperation(ctx, op)
		return responses, inner, false
	}
	var called atomic.Bool
	next := op.ResolverMiddleware
	op.ResolverMiddleware = func(ctx context.Context, resolve graphql.Resolver) (any, error) {
		called.Store(true)
		return next(ctx, resolve)
	}
	responses, inner = exec.DispatchOperation(ctx, op)
	return responses, inner, called.Load()
}

// refuse presents errors that stopped an operation before it ran.
func refuse(ctx context.Context, exec graphql.GraphExecutor, op *graphql.OperationContext, errs gqlerror.List) *graphql.Response {
	return exec.DispatchError(graphql.WithOperationContext(ctx, op), errs)
}

func isSubscription(op *graphql.OperationContext) bool {
	return op.Operation != nil && op.Operation.Operation == ast.Subscription
}

// presentPanic shows a panic as the presenter shows it, and lets the executor log it.
func presentPanic(ctx context.Context, exec graphql.GraphExecutor, value any) gqlerror.List {
	presenter, ok := exec.(interface {
		PresentRecoveredError(ctx context.Context, err any) error
	})
	if ok {
		var err *gqlerror.Error
		if errors.As(presenter.PresentRecoveredError(ctx, value), &err) {
			return gqlerror.List{err}
		}
	}
	return gqlerror.List{coded(codeInternal, "internal error")}
}
