package transport

import (
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/internal/budget"
)

// post serves queries and mutations.
type post struct{ *Transports }

func (post) Supports(r *http.Request) bool { return r.Method == http.MethodPost }

func (t post) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	noStore(w)
	params, size, err := t.readBody(w, r)
	if err != nil {
		t.reject(w, err)
		return
	}
	t.serve(w, r, exec, params, size)
}

// get serves queries.
type get struct{ *Transports }

func (get) Supports(r *http.Request) bool { return r.Method == http.MethodGet }

func (t get) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	noStore(w)
	params, err := readQuery(r)
	if err != nil {
		t.reject(w, err)
		return
	}
	t.serve(w, r, exec, params, len(r.URL.RawQuery))
}

// others refuses what no transport takes.
type others struct{ *Transports }

func (others) Supports(*http.Request) bool { return true }

func (t others) Do(w http.ResponseWriter, _ *http.Request, _ graphql.GraphExecutor) {
	noStore(w)
	w.Header().Set("Allow", "GET, POST")
	t.reject(w, &requestError{http.StatusMethodNotAllowed, "the methods here are GET and POST"})
}

func (t *Transports) serve(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor, params *graphql.RawParams, size int) {
	mediaType := negotiate(r.Header.Values("Accept"))
	ctx, state := withOperation(r.Context())
	state.size = size
	op, errs := t.parse(ctx, exec, params)
	if len(errs) > 0 {
		resp := refuse(ctx, exec, op, errs)
		t.answer(w, refusalStatus(resp.Errors, mediaType), mediaType, resp)
		return
	}
	if err := checkKind(w, r, op.Operation.Operation); err != nil {
		t.reject(w, err)
		return
	}
	grant, err := t.lend(ctx, op)
	if err != nil {
		resp := refuse(ctx, exec, op, gqlerror.List{tooBusy(err)})
		t.answer(w, refusalStatus(resp.Errors, mediaType), mediaType, resp)
		return
	}
	defer grant.Release()
	responses, ctx, _ := run(ctx, exec, op)
	resp := responses(ctx)
	budget.FromContext(ctx).Release() // nothing of the request is needed any more
	grant.Shrink(held(resp, &stateOf(ctx).blobs))
	if resp == nil {
		// The client is gone, or a deadline passed: whether a mutation was
		// applied is not known here.
		err := unavailable()
		err.Message, err.Extensions["outcome"] = "the request was cancelled", "UNKNOWN"
		resp = &graphql.Response{Errors: gqlerror.List{err}}
	}
	t.deliver(w, r, executionStatus(resp, op.Operation), mediaType, resp, &stateOf(ctx).blobs, grant)
}

// checkKind keeps writes out of GET and streams out of both.
func checkKind(w http.ResponseWriter, r *http.Request, kind ast.Operation) *requestError {
	switch {
	case r.Method == http.MethodGet && kind != ast.Query:
		w.Header().Set("Allow", "POST")
		return &requestError{http.StatusMethodNotAllowed, "GET serves queries only"}
	case kind == ast.Subscription:
		return malformed("subscriptions come over WebSocket, or as text/event-stream if Accept begins with it")
	default:
		return nil
	}
}
