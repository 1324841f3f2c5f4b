package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
)

var errOffline = errors.New("no network")

// link is a device's network, which can be cut.
type link struct {
	network *http.Transport

	mu  sync.Mutex
	cut context.CancelFunc // ends the requests under way; nil while it is cut
	up  context.Context    // ends when it is cut
}

func newLink() *link {
	l := &link{network: http.DefaultTransport.(*http.Transport).Clone()}
	l.set(true)
	return l
}

func (l *link) online() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut != nil
}

func (l *link) set(online bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case online && l.cut == nil:
		l.up, l.cut = context.WithCancel(context.Background())
	case !online && l.cut != nil:
		l.cut()
		l.cut = nil
	}
}

// RoundTrip implements http.RoundTripper. A request that waits for news ends
// when the link is cut.
func (l *link) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	up, online := l.up, l.cut != nil
	l.mu.Unlock()
	if !online {
		return nil, errOffline
	}
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(up, cancel)
	response, err := l.network.RoundTrip(r.WithContext(ctx))
	if err != nil {
		stop()
		cancel()
		return nil, err
	}
	response.Body = &cutBody{ReadCloser: response.Body, end: func() { stop(); cancel() }}
	return response, nil
}

// cutBody is an answer's body that lets go of its link when it is closed.
type cutBody struct {
	io.ReadCloser
	end func()
}

// Close implements io.Closer.
func (b *cutBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
