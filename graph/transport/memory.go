package transport

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/auth"
	"syncline/graph/body"
	"syncline/internal/budget"
)

// Expect tells how many bytes an operation may come to hold at most while it is
// executed and until its answer is sent. Whoever measures documents calls it with
// the context in which the operation is made.
func Expect(ctx context.Context, bytes int) {
	if state := stateOf(ctx); state != nil {
		state.expected = bytes
	}
}

// answerBytes is what every operation holds.
const answerBytes = 4 << 10

// lend gets the memory for what an operation may read and answer.
func (t *Transports) lend(ctx context.Context, op *graphql.OperationContext) (*budget.Grant, error) {
	worst := answerBytes + stateOf(ctx).expected
	if len(op.RawQuery) > maxSharedDocument {
		worst += min(len(op.RawQuery)*documentFactor, maxDocument)
	}
	return t.config.Output.Acquire(ctx, int64(worst), auth.Shares(ctx)...)
}

// A document that is no longer than maxSharedDocument is one of many equal ones,
// and kept in one copy. Others take up to documentFactor times their text, and
// maxDocument at most, for their tokens are bounded.
const (
	maxSharedDocument = 4 << 10
	documentFactor    = 100
	maxDocument       = 6 << 20
)

// memory is what an operation of a socket was lent. It is given back when its last
// message is gone.
type memory struct {
	input  *budget.Grant // its message, and what that became
	output *budget.Grant
	queued int64 // of the socket's own bound
}

// maxQueued is how much the operations of one socket may hold together. The next
// is executed when what was answered before has reached the client.
const maxQueued = 8 << 20

// lend gets the memory for what the operation may read and answer: it waits for
// its socket as long as that takes, and for others briefly.
func (m *memory) lend(ctx context.Context, s *socket, op *graphql.OperationContext) error {
	m.queued = min(int64(answerBytes+stateOf(ctx).expected), maxQueued)
	if err := s.unsent.Acquire(ctx, m.queued); err != nil {
		m.queued = 0
		return err
	}
	output, err := s.lend(ctx, op)
	m.output = output
	return err
}

// shrink is called when it is known what there is to send.
func (m *memory) shrink(s *socket, bytes int64) {
	m.input.Release()
	m.output.Shrink(bytes)
	if bytes < m.queued {
		s.unsent.Release(m.queued - bytes)
		m.queued = bytes
	}
	if s.idle() {
		s.reader.Made() // it could take nothing before
	}
	m.output.Watch(&s.reader, s.abort)
}

func (m *memory) release(s *socket) {
	m.input.Release()
	m.output.Release()
	s.unsent.Release(m.queued)
	*m = memory{} // a subscription lives on, and grants know their shares
}

// held is what an answer takes until it is sent.
func held(resp *graphql.Response, blobs *body.Blobs) int64 {
	if resp == nil {
		return answerBytes
	}
	return int64(answerBytes + cap(resp.Data) + blobs.Held())
}

// tooBusy is the refusal of an operation for which there is no memory now.
func tooBusy(err error) *gqlerror.Error {
	refused := unavailable()
	refused.Message = "the server has too much to do: try again"
	if !errors.Is(err, budget.ErrFull) {
		refused.Message = "the request was cancelled"
	}
	return refused
}

// grow gets the memory for what a body or message becomes that has been read.
func grow(input *budget.Grant, data []byte) bool {
	values := 1
	for _, separator := range []byte(",:[{") { // each value follows one of them
		values += bytes.Count(data, []byte{separator})
	}
	return input.Grow(budget.Parsed(len(data), min(values, maxValues)))
}

// prompt is how long a reader may take for an event before it counts as slow.
const prompt = 100 * time.Millisecond

// attend waits until an event is gone. While a slow reader has not taken it, what
// was read ahead for that reader is forgotten, and the event counts; if there is
// no memory for it, the reader's connection is cut. idle says that the event had
// nothing to wait for: the reader could take nothing before.
func (t *Transports) attend(ctx context.Context, size int, idle bool, gone <-chan struct{}, reader *budget.Progress, cut func()) {
	if idle {
		reader.Made()
	}
	timer := time.NewTimer(prompt)
	defer timer.Stop()
	select {
	case <-gone:
		return
	case <-timer.C:
	}
	if forget := stateOf(ctx).forget; forget != nil {
		forget()
	}
	grant, err := t.config.Output.Acquire(ctx, int64(answerBytes+size), auth.Shares(ctx)...)
	if err == nil {
		defer grant.Release()
		grant.Watch(reader, func() { t.config.TooSlow(); cut() })
	} else if errors.Is(err, budget.ErrFull) {
		cut()
	}
	<-gone
}
