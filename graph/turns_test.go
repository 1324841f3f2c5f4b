package graph_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"syncline/auth"
	"syncline/internal/budget"
	"syncline/internal/turns"
	"syncline/record"
)

// free waits until nobody has a place of two, or waits for one.
func free(t *testing.T, p *turns.Pool) {
	t.Helper()
	eventually(t, "all places are free", func() bool { return p.Waiting() == 0 && p.Free() == 2 })
}

// An owner who has his places waits for one, whatever he asks by, and nobody else does.
func TestOperationsWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	const document = "{viewer {id}}"
	for name, ask := range map[string]func(t *testing.T, a *api) (answer func() string){
		"POST": func(t *testing.T, a *api) func() string {
			return func() string { return a.as("alice").do(t, document, nil).body }
		},
		"GET": func(t *testing.T, a *api) func() string {
			return func() string { return a.as("alice").get(t, url.Values{"query": {document}}) }
		},
		"event stream": func(t *testing.T, a *api) func() string {
			return func() string { return fmt.Sprint(a.as("alice").subscribe(t, document, nil, nil).next().Data) }
		},
		"WebSocket": func(t *testing.T, a *api) func() string {
			s := dialSocket(t, a)
			return func() string {
				s.send(`{"type": "subscribe", "id": "1", "payload": {"query": "` + document + `"}}`)
				_, text, err := s.ws.ReadMessage()
				if err != nil {
					t.Error(err)
				}
				return string(text)
			}
		},
		"large message of a WebSocket": func(t *testing.T, a *api) func() string {
			s := dialSocket(t, a)
			return func() string {
				s.send(`{"type": "ping", "payload": {"key": "` + keyOf("alice") + strings.Repeat("x", 20<<10) + `"}}`)
				_, text, err := s.ws.ReadMessage()
				if err != nil {
					t.Error(err)
				}
				return string(text)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			places := turns.New(2)
			a := newAPI(t, options{turns: places})
			answer := ask(t, a)
			turn := places.Of(auth.Names(signed(t.Context(), "alice"))...)
			if err := turn.Take(t.Context()); err != nil {
				t.Fatal(err)
			}
			answered := make(chan string, 1)
			go func() { answered <- answer() }()
			eventually(t, "the operation waits", func() bool { return places.Waiting() == 1 })
			a.as("bob").viewer(t).is(keyOf("bob"), "id")
			select {
			case text := <-answered:
				t.Errorf("%s came before its turn", clip(text))
			default:
			}
			turn.Give()
			if text := <-answered; !strings.Contains(text, keyOf("alice")) {
				t.Errorf("got %s", clip(text))
			}
			free(t, places)
		})
	}
}

// held is a store whose writes wait until they are let go.
type held struct {
	record.Store
	begun, goOn chan struct{}
}

func (h held) Write(ctx context.Context, owner record.Owner, request record.Request) (record.Result, error) {
	h.begun <- struct{}{}
	<-h.goOn
	return record.Result{Results: make([]record.WriteResult, len(request.Writes))}, ctx.Err()
}

// Who waits for something else than the processor lets others have it.
func TestNoTurnIsKeptWhileWaiting(t *testing.T) {
	t.Parallel()
	t.Run("for a store that writes", func(t *testing.T) {
		t.Parallel()
		places, store := turns.New(2), held{begun: make(chan struct{}), goOn: make(chan struct{})}
		a := newAPI(t, options{turns: places, store: store})
		t.Cleanup(func() { close(store.goOn) }) // else a test that fails would not end
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.as("alice").do(t, `mutation {a: setRecord(input: {id: "a", data: ""}) {status} b: setRecord(input: {id: "b", data: ""}) {status}}`, nil)
		}()
		for range 2 {
			<-store.begun
			free(t, places)
			store.goOn <- struct{}{}
		}
		<-done
		free(t, places)
	})
	t.Run("for a client that does not read", func(t *testing.T) {
		t.Parallel()
		places, output := turns.New(2), budget.New(256<<20)
		a := newAPI(t, options{turns: places, output: output})
		largeRecords(t, a.as("alice"), 64)
		for range 4 {
			unread(t, a, "alice", wholePage)
		}
		s := dialSocket(t, a)
		s.send(fmt.Sprintf(`{"type": "subscribe", "id": "1", "payload": {"query": %q}}`, wholePage))
		eventually(t, "answers are held", func() bool { return output.Used() > 20<<20 })
		free(t, places)
		a.as("alice").viewer(t).is(keyOf("alice"), "id")
	})
	t.Run("for events", func(t *testing.T) {
		t.Parallel()
		places := turns.New(2)
		a := newAPI(t, options{turns: places})
		s := dialSocket(t, a)
		s.send(`{"type": "subscribe", "id": "1", "payload": {"query": "subscription {lockChanged(name: \"a\") {locked}}"}}`)
		s.read(1)
		s.send(`{"type": "subscribe", "id": "2", "payload": {"query": "subscription {recordChanged {kind}}"}}`)
		s.read(1)
		events := a.as("alice").subscribe(t, `subscription {recordChanged {kind}}`, nil, nil)
		events.next()
		free(t, places)
		a.as("alice").set(t, "a", "eA==", 0)
		a.as("alice").lock(t, vars{"name": "a", "instanceId": "1"})
		s.read(2)
		events.next()
		free(t, places)
	})
	t.Run("for memory", func(t *testing.T) {
		t.Parallel()
		places, output := turns.New(2), budget.New(16<<20)
		a := newAPI(t, options{turns: places, output: output})
		letGo := fill(t, output)
		done := make(chan answer, 1)
		go func() { done <- a.as("alice").do(t, "{viewer {id}}", nil) }()
		eventually(t, "an operation waits for memory", func() bool { return output.Waiting() == 1 })
		free(t, places)
		letGo()
		if got := <-done; len(got.Errors) > 0 {
			t.Error(got.body)
		}
		free(t, places)
	})
}
