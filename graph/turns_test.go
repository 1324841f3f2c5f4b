package graph_test

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// waitingLimiter does not answer mutations until it is told to: so waits one that
// asks a store whether an owner is new.
type waitingLimiter struct{ asked, answer chan struct{} }

func (waitingLimiter) Admit(context.Context) error { return nil }

func (l waitingLimiter) Charge(_ context.Context, kind ast.Operation, _ int) error {
	if kind == ast.Mutation {
		l.asked <- struct{}{}
		<-l.answer
	}
	return nil
}

// Large requests are read by turns. One that waits before it is run keeps no turn.
func TestNoTurnIsKeptWhileTheStoreIsAsked(t *testing.T) {
	t.Parallel()
	turns := runtime.GOMAXPROCS(0) // one more than there are
	limiter := waitingLimiter{make(chan struct{}, turns), make(chan struct{})}
	release := sync.OnceFunc(func() { close(limiter.answer) })
	defer release()
	c := newAPI(t, options{limiter: limiter}).as("alice")
	large := strings.Repeat("x", 20_000)
	answers := make(chan answer, turns)
	for range turns {
		go func() {
			answers <- c.send(t, map[string]any{"query": setRecord, "variables": vars{"input": vars{"id": "a", "data": b64(large)}}})
		}()
	}
	for range turns {
		select {
		case <-limiter.asked:
		case <-time.After(waitLimit):
			t.Fatal("a turn is kept: not all mutations came as far as the limiter")
		}
	}
	if a := c.send(t, map[string]any{"query": `{ limits { maxPage } }`, "variables": map[string]any{"unused": json.RawMessage(quote(large))}}); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.body)
	}
	release()
	for range turns {
		<-answers
	}
}
