package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// requestTimeout bounds one request, so that a server that hangs fails the run
// rather than holds it up.
const requestTimeout = 30 * time.Second

// Conn is one HTTP connection, kept alive. It serves one request at a time.
type Conn struct {
	endpoint  *url.URL
	transport *http.Transport
	answer    bytes.Buffer
}

// NewConn makes a connection to an endpoint. It connects with the first request.
func NewConn(endpoint *url.URL) *Conn {
	return &Conn{endpoint: endpoint, transport: &http.Transport{
		MaxConnsPerHost:    1,
		DisableCompression: true, // answers are counted as they come
	}}
}

// NewConns makes so many connections, spread over endpoints.
func NewConns(endpoints []*url.URL, n int) []*Conn {
	conns := make([]*Conn, n)
	for i := range conns {
		conns[i] = NewConn(endpoints[i%len(endpoints)])
	}
	return conns
}

// Endpoint is where requests go.
func (c *Conn) Endpoint() *url.URL { return c.endpoint }

// Post sends a request and reads the answer, which is valid until the next. A
// status other than 200 is an error.
func (c *Conn) Post(ctx context.Context, r Request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req := (&http.Request{
		Method: http.MethodPost, URL: c.endpoint, Host: c.endpoint.Host, Header: r.Header,
		Body: io.NopCloser(bytes.NewReader(r.Body)), ContentLength: int64(len(r.Body)),
	}).WithContext(ctx)
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	c.answer.Reset()
	if _, err := c.answer.ReadFrom(res.Body); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP status %d%s", res.StatusCode, code(c.answer.Bytes()))
	}
	return c.answer.Bytes(), nil
}

// Close ends the connection.
func (c *Conn) Close() { c.transport.CloseIdleConnections() }

// CloseAll ends connections.
func CloseAll[C interface{ Close() }](conns []C) {
	for _, c := range conns {
		c.Close()
	}
}
