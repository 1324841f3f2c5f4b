package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"google.golang.org/grpc"
)

// requestTimeout bounds one request, so that a server that hangs fails the run
// rather than holds it up.
const requestTimeout = 30 * time.Second

// Conn is one of several connections of a client, kept alive, by HTTP or gRPC. It serves one
// request at a time.
type Conn struct {
	endpoint *url.URL
	client   *http.Client
	calls    *grpc.ClientConn // nil unless it is one of gRPC
	answer   bytes.Buffer
}

// NewConns makes so many connections, spread over endpoints, with one
// http.Client as Go programs have it. They connect with their first requests.
func NewConns(endpoints []*url.URL, n int) []*Conn {
	client := &http.Client{Timeout: requestTimeout, Transport: &http.Transport{
		MaxConnsPerHost: n, MaxIdleConnsPerHost: n,
		DisableCompression: true, // answers are counted as they come
	}}
	conns := make([]*Conn, n)
	for i := range conns {
		conns[i] = &Conn{endpoint: endpoints[i%len(endpoints)], client: client}
	}
	return conns
}

// Endpoint is where requests go.
func (c *Conn) Endpoint() *url.URL { return c.endpoint }

// Post sends a request and reads the answer, which is valid until the next. A
// status other than 200, or OK of gRPC, is an error.
func (c *Conn) Post(ctx context.Context, r Request) ([]byte, error) {
	if c.calls != nil {
		return c.call(ctx, r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	req.Header = r.Header
	return c.do(req)
}

// Get reads what a query of the endpoint gives.
func (c *Conn) Get(ctx context.Context, query string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint.String()+"?"+query, http.NoBody)
	if err != nil {
		return nil, err
	}
	return c.do(req)
}

func (c *Conn) do(req *http.Request) ([]byte, error) {
	res, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	c.answer.Reset()
	if _, err := io.Copy(&c.answer, res.Body); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP status %d%s", res.StatusCode, code(c.answer.Bytes()))
	}
	return c.answer.Bytes(), nil
}

// Close ends the connections of the client.
func (c *Conn) Close() {
	if c.calls != nil {
		_ = c.calls.Close() // it has ended before, or ends now
		return
	}
	c.client.CloseIdleConnections()
}

// CloseAll ends connections.
func CloseAll[C interface{ Close() }](conns []C) {
	for _, c := range conns {
		c.Close()
	}
}
