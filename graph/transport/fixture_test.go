package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/gorilla/websocket"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.uber.org/goleak"

	"syncline/feed"
	"syncline/graph/generated"
	"syncline/graph/model"
	"syncline/graph/object"
	"syncline/graph/transport"
	"syncline/internal/clientaddr"
	"syncline/record"
)

// waitLimit is how long a test waits for what must come.
const waitLimit = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// api is the schema of the service over resolvers of a test.
type api struct {
	generated.QueryResolver
	generated.MutationResolver
	generated.SubscriptionResolver

	lock        func(ctx context.Context, name string) (*object.Lock, error)
	record      func(ctx context.Context, id string) (*object.Record, error)
	setRecord   func(ctx context.Context, id string) error
	lockChanged func(ctx context.Context, name string) (<-chan *object.Lock, error)
}

func (a *api) Query() generated.QueryResolver               { return a }
func (a *api) Mutation() generated.MutationResolver         { return a }
func (a *api) Subscription() generated.SubscriptionResolver { return a }

func (a *api) Lock(ctx context.Context, name string) (*object.Lock, error) {
	if a.lock == nil {
		return &object.Lock{Name: name}, nil
	}
	return a.lock(ctx, name)
}

func (a *api) Record(ctx context.Context, id string) (*object.Record, error) {
	if a.record == nil {
		return nil, nil
	}
	return a.record(ctx, id)
}

func (a *api) SetRecord(ctx context.Context, input model.SetRecordInput) (*object.WriteRecordPayload, error) {
	if a.setRecord != nil {
		if err := a.setRecord(ctx, input.ID); err != nil {
			return nil, err
		}
	}
	return &object.WriteRecordPayload{Status: record.Success}, nil
}

// LockChanged without a function sends its name once, and waits.
func (a *api) LockChanged(ctx context.Context, name string) (<-chan *object.Lock, error) {
	if a.lockChanged != nil {
		return a.lockChanged(ctx, name)
	}
	return emit(ctx, nil, name), nil
}

// RecordChanged sends the cursor that it would begin at, and ends.
func (a *api) RecordChanged(ctx context.Context, since *record.Cursor) (<-chan *object.RecordChange, error) {
	cursor := record.Cursor{}
	if since != nil {
		cursor = *since
	}
	if text, ok := transport.ResumeFrom(ctx); ok {
		var err error
		if cursor, err = record.ParseCursor(text); err != nil {
			return nil, err
		}
	}
	events := make(chan *object.RecordChange, 1)
	events <- &object.RecordChange{Kind: feed.CaughtUp, Cursor: cursor}
	close(events)
	return events, nil
}

// emit sends names; then it fails with err, or waits for ctx if that is nil.
func emit(ctx context.Context, err error, names ...string) <-chan *object.Lock {
	events := make(chan *object.Lock)
	go func() {
		defer close(events)
		for _, name := range names {
			select {
			case events <- &object.Lock{Name: name}:
			case <-ctx.Done():
				return
			}
		}
		if err == nil {
			<-ctx.Done()
			return
		}
		transport.FailSubscription(ctx, err)
	}()
	return events
}

// codedError is what the presenter of the tests knows.
type codedError struct {
	code       string
	extensions map[string]any
}

func (e codedError) Error() string { return e.code }

func present(ctx context.Context, err error) *gqlerror.Error {
	presented := graphql.DefaultErrorPresenter(ctx, err)
	var coded codedError
	if errors.As(err, &coded) {
		presented.Extensions = map[string]any{"code": coded.code}
		for name, value := range coded.extensions {
			presented.Extensions[name] = value
		}
	}
	return presented
}

// refusal stands for what refuses documents before a field runs: Early as the
// operation is made, Late around it.
type refusal struct{}

func (refusal) ExtensionName() string                   { return "Refusal" }
func (refusal) Validate(graphql.ExecutableSchema) error { return nil }

func (refusal) MutateOperationContext(_ context.Context, op *graphql.OperationContext) *gqlerror.Error {
	op.DisableIntrospection = false
	if field, ok := op.Operation.SelectionSet[0].(*ast.Field); ok {
		field.ArgumentMap(op.Variables) // as cost limits do; it panics over large numbers
	}
	if op.Operation.Name != "Early" {
		return nil
	}
	return &gqlerror.Error{Message: "sign", Extensions: map[string]any{"code": "UNAUTHENTICATED"}}
}

func (refusal) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	if graphql.GetOperationContext(ctx).Operation.Name != "Late" {
		return next(ctx)
	}
	err := &gqlerror.Error{Message: "sign", Extensions: map[string]any{"code": "UNAUTHENTICATED"}}
	return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{err}})
}

// fixture is a server over real sockets.
type fixture struct {
	t          *testing.T
	transports *transport.Transports
	server     *httptest.Server
	sockets    *countingListener
}

func serve(t *testing.T, resolvers *api, config transport.Config) *fixture {
	t.Helper()
	transports := transport.New(config)
	srv := handler.New(generated.NewExecutableSchema(generated.Config{Resolvers: resolvers}))
	srv.SetErrorPresenter(present)
	srv.SetRecoverFunc(func(context.Context, any) error { return codedError{code: "INTERNAL"} })
	srv.Use(refusal{})
	transports.Install(srv)

	server := httptest.NewUnstartedServer(addressed(srv))
	f := &fixture{t: t, transports: transports, server: server}
	f.sockets = &countingListener{Listener: server.Listener}
	server.Listener = f.sockets
	server.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
		defer cancel()
		if err := transports.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		server.Close()
	})
	return f
}

// addressHeader is the address that a request of a test comes from.
const addressHeader = "Test-Address"

func addressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if address, err := netip.ParseAddr(r.Header.Get(addressHeader)); err == nil {
			r = r.WithContext(clientaddr.NewContext(r.Context(), address))
		}
		next.ServeHTTP(w, r)
	})
}

// countingListener counts open sockets, and keeps their buffers small, so that
// a reader that stops is felt at once.
type countingListener struct {
	net.Listener
	open atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if err := conn.(*net.TCPConn).SetWriteBuffer(8 << 10); err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &countedConn{Conn: conn, listener: l}, nil
}

type countedConn struct {
	net.Conn
	listener *countingListener
	closed   atomic.Bool
}

func (c *countedConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.listener.open.Add(-1)
	}
	return c.Conn.Close()
}

// eventually waits for a condition that nothing signals.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(waitLimit)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %v: %s", waitLimit, what)
		}
	}
}

// receive waits for a signal.
func receive[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(waitLimit):
		t.Fatalf("not within %v: %s", waitLimit, what)
		panic("unreachable")
	}
}

// reply is an answer over HTTP.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) code(t *testing.T) string {
	t.Helper()
	var body struct {
		Errors []struct{ Extensions struct{ Code string } }
	}
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		t.Fatalf("body %q: %v", r.body, err)
	}
	if len(body.Errors) == 0 {
		return ""
	}
	return body.Errors[0].Extensions.Code
}

func (f *fixture) do(r *http.Request) reply {
	f.t.Helper()
	resp, err := f.server.Client().Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// request makes a POST of JSON, with headers as name, value pairs.
func (f *fixture) request(body string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, f.server.URL, strings.NewReader(body))
	r.RequestURI = ""
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// post sends a document.
func (f *fixture) post(query string, header ...string) reply {
	f.t.Helper()
	body, _ := json.Marshal(map[string]any{"query": query})
	return f.do(f.request(string(body), header...))
}

// peer is the client's end of a WebSocket.
type peer struct {
	t    *testing.T
	conn *websocket.Conn
}

var dialer = websocket.Dialer{
	Subprotocols:     []string{"graphql-transport-ws"},
	HandshakeTimeout: waitLimit,
	NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return conn, conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	},
}

func (f *fixture) dial(protocols ...string) *peer {
	f.t.Helper()
	d := dialer
	if protocols != nil {
		d.Subprotocols = protocols
	}
	conn, resp, err := d.Dial(strings.Replace(f.server.URL, "http", "ws", 1), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	_ = resp.Body.Close()
	f.t.Cleanup(func() { _ = conn.Close() })
	return &peer{f.t, conn}
}

// open dials and is let in.
func (f *fixture) open() *peer {
	f.t.Helper()
	p := f.dial()
	p.send(`{"type":"connection_init"}`)
	p.expect(`{"type":"connection_ack"}`)
	return p
}

func (p *peer) send(messages ...string) {
	p.t.Helper()
	for _, m := range messages {
		if err := p.conn.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *peer) subscribe(id, query string) {
	p.t.Helper()
	payload, _ := json.Marshal(map[string]any{"query": query})
	p.send(`{"type":"subscribe","id":"` + id + `","payload":` + string(payload) + `}`)
}

func (p *peer) next() (string, error) {
	_ = p.conn.SetReadDeadline(time.Now().Add(waitLimit))
	_, data, err := p.conn.ReadMessage()
	return string(data), err
}

func (p *peer) read() string {
	p.t.Helper()
	data, err := p.next()
	if err != nil {
		p.t.Fatal(err)
	}
	return data
}

func (p *peer) expect(messages ...string) {
	p.t.Helper()
	for _, want := range messages {
		if got := p.read(); got != want {
			p.t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

// expectClose reads to the close frame, whatever comes before it.
func (p *peer) expectClose(code int) (reason string) {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(waitLimit))
	for {
		_, _, err := p.conn.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			if closed.Code != code {
				p.t.Fatalf("closed with %d %q, want %d", closed.Code, closed.Text, code)
			}
			return closed.Text
		}
		if err != nil {
			p.t.Fatalf("no close frame: %v", err)
		}
	}
}
