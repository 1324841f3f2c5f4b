package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"syncline/client"
	"syncline/internal/testservers"
	"syncline/locks"
)

// Text that would not arrive as it is never leaves, and the error names it.
func TestInvalidTextIsRefusedByName(t *testing.T) {
	bad := "caf\xe9"
	c := newClient(t, "http://"+testservers.FreeAddress(t)+"/graphql")
	ctx := t.Context()
	for field, call := range map[string]func() error{
		"id":    func() error { _, err := c.Get(ctx, bad); return err },
		"ids.1": func() error { _, err := c.GetMany(ctx, "a", bad); return err },
		"since": func() error { _, err := c.Changes(ctx, client.Cursor(bad), 1); return err },
		"name":  func() error { _, err := c.LockState(ctx, bad); return err },
		"input.id": func() error {
			_, err := c.Set(ctx, bad, nil, 0)
			return err
		},
		"input.schemaVersion": func() error {
			_, err := c.Set(ctx, "a", nil, 0, client.WithSchemaVersion(bad))
			return err
		},
		"input.fence.lock": func() error {
			_, err := c.Set(ctx, "a", nil, 0, client.WithFence(client.Fence{Lock: bad, Token: 1}))
			return err
		},
		"input.writes.1.delete.id": func() error {
			_, err := c.Write(ctx, []client.Write{{ID: "a"}, {ID: bad, Delete: true}})
			return err
		},
		"input.instanceId": func() error {
			_, err := c.SetLock(ctx, "l", client.WithInstanceID(bad))
			return err
		},
		"the watch's name": func() error {
			for _, err := range c.WatchLock(ctx, bad) {
				return err
			}
			return nil
		},
	} {
		err := call()
		e, ok := errors.AsType[*client.Error](err)
		if !ok || e.Code != client.ErrBadUserInput || !strings.HasSuffix(field, e.Field) || e.Error() != "BAD_USER_INPUT: "+e.Field+`: "caf\xe9" is not valid UTF-8` {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := c.ReleaseLock(ctx, "l", "caf\xe9"); !errors.Is(err, client.ErrBadUserInput) {
		t.Errorf("release: %v", err)
	}
}

// A call that ends without an answer tells what it waited for, of whom, how long,
// and what failed last.
func TestErrorsNameWhatWasWaitedFor(t *testing.T) {
	silence := func(w http.ResponseWriter, r *http.Request) {
		readCall(t, r)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		opts    []client.Option
		want    string
	}{
		"silence": {silence, nil, "viewer: http://fake.example/graphql did not answer within 5s: context deadline exceeded"},
		"silence, several times": {
			silence,
			[]client.Option{client.WithTryTimeout(2 * time.Second)},
			"viewer: http://fake.example/graphql did not answer within 5s: service unreachable: no answer within 2s (context deadline exceeded)",
		},
		"a gateway": {
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
			nil,
			"viewer: http://fake.example/graphql did not answer within 5s: service unreachable: 502 Bad Gateway (context deadline exceeded)",
		},
		"another site": {
			func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
			nil,
			"viewer: http://fake.example/graphql: not an answer of this API: HTTP status 200 OK and no JSON: check that the URL is that of the GraphQL endpoint, which usually ends in /graphql",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				_, err := newFake(t, c.handler, c.opts...).Viewer(ctx)
				if err == nil || err.Error() != c.want {
					t.Errorf("%v\nwant %s", err, c.want)
				}
			})
		})
	}
}

func TestCallTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFake(t, func(w http.ResponseWriter, _ *http.Request) { hangUp(w) }, client.WithCallTimeout(3*time.Second))
		began := time.Now()
		_, err := c.Viewer(t.Context())
		if took := time.Since(began); took != 3*time.Second || !errors.Is(err, client.ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// A server without TLS stays one: waiting does not help.
func TestNoTLSIsFinal(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	ctx := testContext(t)
	c := newRealClient(t, strings.Replace(server.URL, "http:", "https:", 1)+"/graphql")
	_, err := c.Viewer(ctx)
	if !errors.Is(err, client.ErrUnreachable) || ctx.Err() != nil {
		t.Errorf("a call: %v", err)
	}
	for _, err := range c.Follow(ctx, client.Now) {
		if _, ok := errors.AsType[tls.RecordHeaderError](err); !ok || ctx.Err() != nil {
			t.Errorf("a feed: %v", err)
		}
	}
}

// The client and the server bound TTLs alike.
func TestTTLsAreTheServers(t *testing.T) {
	if client.MinTTL != locks.MinTTL || client.MaxTTL != locks.MaxTTL {
		t.Errorf("%v to %v here, %v to %v there", client.MinTTL, client.MaxTTL, locks.MinTTL, locks.MaxTTL)
	}
}
