package transport

import (
	"context"
	"errors"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/auth"
	"syncline/graph/body"
	"syncline/internal/budget"
)

// operation is what a subscribe message began: of any kind, not only a subscription.
type operation struct {
	id     string
	cancel context.CancelFunc
	memory memory

	// Under the socket's mutex.
	subscription bool
	cancelled    bool // by the client: it wants to hear no more
}

func (s *socket) subscribe(ctx context.Context, m message) {
	params := &graphql.RawParams{}
	if m.input == nil && m.refused == nil {
		var err error
		if m.input, err = s.config.Input.Acquire(ctx, budget.Input(tinyMessage), auth.Shares(ctx)...); err != nil {
			m.refused = errBusy
		}
	}
	if m.refused == nil {
		if err := fill(params, m.object()); err != nil {
			m.refused = err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	op := &operation{id: m.id, cancel: cancel, memory: memory{input: m.input}}
	ctx, state := withOperation(graphql.StartOperationTrace(ctx))
	state.size = m.size
	if !s.admit(op, state) {
		cancel()
		m.input.Release()
		return
	}
	s.running.Add(1)
	go s.operate(ctx, op, params, m.refused)
}

// admit finds an operation its place, or tells the client why not.
func (s *socket) admit(op *operation, state *operationState) bool {
	s.mu.Lock()
	exists := s.find(op.id) != nil
	full := s.slots >= s.config.MaxOperations
	acked, retiring := s.acked, s.retiring
	if acked && !retiring && !exists && !full {
		s.operations = append(s.operations, op)
		s.slots++
		state.resume, state.resumes = s.resume[op.id]
		delete(s.resume, op.id)
	}
	s.mu.Unlock()
	switch {
	case !acked:
		s.close(closeUnauthorized, "Unauthorized")
	case retiring: // 1012 follows
	case exists:
		s.close(closeSubscriberExists, clipReason("Subscriber for "+op.id+" already exists"))
	case full:
		s.reply(errorMessage(op.id, gqlerror.List{tooManyOperations()}))
	default:
		return true
	}
	return false
}

func tooManyOperations() *gqlerror.Error {
	err := coded(codeRateLimited, "too many operations on this connection")
	err.Extensions["retryAfterMs"] = 1000
	return err
}

// complete is the client's: its id is free at once.
func (s *socket) complete(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if op := s.find(id); op != nil {
		op.cancelled = true
		op.cancel()
		s.forget(op)
	}
}

// find answers the operation that has an id, under the mutex.
func (s *socket) find(id string) *operation {
	for _, op := range s.operations {
		if op.id == id {
			return op
		}
	}
	return nil
}

// forget frees an operation's id, if that has not happened, under the mutex.
func (s *socket) forget(op *operation) {
	s.operations = slices.DeleteFunc(s.operations, func(other *operation) bool { return other == op })
}

// release gives back an operation's id and slot, under the mutex.
func (s *socket) release(op *operation) {
	s.slots--
	s.forget(op)
}

// operate runs an operation from its document to its last message, or until a
// subscription has begun. refused is why it does not run at all, or nil.
func (s *socket) operate(ctx context.Context, op *operation, params *graphql.RawParams, refused error) {
	ctx, done := s.config.Around(ctx, params.Extensions)
	end := func(last []frame) {
		endStream(ctx)
		done()
		s.push(outgoing{op: op, last: true, frames: last, done: func() { op.memory.release(s) }})
		op.cancel()
		s.running.Done()
	}
	if refused != nil {
		errs := gqlerror.List{badInput("the message is refused: " + refused.Error())}
		if errors.Is(refused, errBusy) {
			errs = gqlerror.List{tooBusy(budget.ErrFull)}
		}
		end([]frame{errorMessage(op.id, refuse(ctx, s.exec, &graphql.OperationContext{}, errs).Errors)})
	} else if last, send := s.execute(ctx, op, params); send == nil {
		end(last)
	} else {
		s.follow(ctx, op, send, end)
	}
}

// follow sends a subscription's events whenever there are some. What executing
// took of this goroutine's stack, and the goroutine itself, go: an idle
// subscription has none.
func (s *socket) follow(ctx context.Context, op *operation, send sender, end func(last []frame)) {
	over := false
	events := newSleeper(func() {
		if over {
			return
		}
		over = true // also if send panics
		last := s.guard(ctx, op, func() (last []frame) {
			last, over = send()
			return last
		})
		if over {
			end(last)
		}
	})
	notify(ctx, events.wake)
	events.wake()
}

// guard answers a panic with an error message.
func (s *socket) guard(ctx context.Context, op *operation, run func() []frame) (last []frame) {
	defer func() {
		if value := recover(); value != nil {
			last = []frame{errorMessage(op.id, presentPanic(ctx, s.exec, value))}
		}
	}()
	return run()
}

// sender sends the events that there are. The last messages come when it is over.
type sender func() (last []frame, over bool)

// execute answers the operation's last messages or, of a subscription, what
// sends the events that there are.
func (s *socket) execute(ctx context.Context, op *operation, params *graphql.RawParams) (last []frame, send sender) {
	last = s.guard(ctx, op, func() []frame {
		opCtx, errs := s.parse(ctx, s.exec, params)
		if len(errs) > 0 {
			return []frame{errorMessage(op.id, refuse(ctx, s.exec, opCtx, errs).Errors)}
		}
		s.classify(op, isSubscription(opCtx))
		if err := op.memory.lend(ctx, s, opCtx); err != nil {
			return []frame{errorMessage(op.id, refuse(ctx, s.exec, opCtx, gqlerror.List{tooBusy(err)}).Errors)}
		}
		responses, ctx, _ := run(ctx, s.exec, opCtx)
		if isSubscription(opCtx) {
			op.memory.release(s) // what lasts holds nothing of its message
			send = func() ([]frame, bool) { return s.sendEvents(ctx, op, responses) }
			return nil
		}
		resp, blobs := responses(ctx), &stateOf(ctx).blobs
		op.memory.shrink(s, held(resp, blobs))
		return answerOf(op, resp, blobs)
	})
	return last, send
}

// answerOf are the messages that answer a query or mutation.
func answerOf(op *operation, resp *graphql.Response, blobs *body.Blobs) []frame {
	switch {
	case resp == nil:
		return nil
	case notExecuted(resp):
		return []frame{errorMessage(op.id, resp.Errors)}
	default:
		return []frame{nextMessage(op.id, resp, blobs), completeMessage(op.id)}
	}
}

// classify remembers what retire must know. A subscription that comes late is
// not begun.
func (s *socket) classify(op *operation, subscription bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op.subscription = subscription
	if subscription && s.retiring {
		op.cancel()
	}
}

// sendEvents sends the events that there are, one by one: the next is not asked
// for before the last is on its way, so that a slow reader costs no queue. The
// subscription is over when there are no more to come.
func (s *socket) sendEvents(ctx context.Context, op *operation, responses graphql.ResponseHandler) (last []frame, over bool) {
	gone := make(chan struct{}, 1)
	for {
		resp, ready := nextResponse(ctx, responses)
		switch {
		case !ready:
			return nil, false
		case resp == nil:
			return s.lastMessages(ctx, op), true
		case notExecuted(resp):
			return []frame{errorMessage(op.id, resp.Errors)}, true
		}
		blobs := &stateOf(ctx).blobs
		idle := s.idle()
		s.push(outgoing{op: op, frames: []frame{nextMessage(op.id, resp, blobs)}, gone: gone})
		s.attend(ctx, int(held(resp, blobs)), idle, gone, &s.reader, s.abort)
		s.config.sent(ctx)
		s.config.Pace(ctx)
	}
}

// lastMessages end a subscription that has no more events.
func (s *socket) lastMessages(ctx context.Context, op *operation) []frame {
	if ctx.Err() != nil {
		return nil // ended from outside: complete would say that there is no more
	}
	if failure := failureOf(ctx, s.exec); failure != nil {
		return []frame{errorMessage(op.id, failure.Errors)}
	}
	return []frame{completeMessage(op.id)}
}

// notExecuted tells refused operations from those whose fields failed.
func notExecuted(resp *graphql.Response) bool {
	return resp.Data == nil && len(resp.Errors) > 0
}
