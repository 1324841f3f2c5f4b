package lifecycle_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"syncline/internal/lifecycle"
	"syncline/internal/testservers"
)

// A server that is to stop says so first and serves on, by connections that end with
// their request. Then it takes no more.
func TestServingOnForADelay(t *testing.T) {
	t.Parallel()
	address := testservers.FreeAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	left, broken, errBroken := make(chan struct{}), make(chan struct{}), errors.New("broken")
	server := lifecycle.Server{
		Listeners: []lifecycle.Listener{{Name: "test", Address: address, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}},
		Loops:     []func(context.Context) error{func(context.Context) error { <-broken; return errBroken }},
		Leave:     func() { close(left) },
		Delay:     time.Hour, // which a loop that fails ends
		Drain:     func(context.Context) error { return nil },
		Timeout:   time.Second,
		Log:       slog.New(slog.DiscardHandler),
	}
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	ask := func() (*http.Response, error) {
		res, err := http.Get("http://" + address)
		if err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		return res, err
	}
	testservers.Await(t, "it serves", func(context.Context) bool { res, err := ask(); return err == nil && !res.Close })
	stop()
	<-left
	testservers.Await(t, "connections end with their request", func(context.Context) bool {
		res, err := ask()
		if err != nil {
			t.Fatal("it does not serve on: ", err)
		}
		return res.Close
	})
	for range 10 {
		if res, err := ask(); err != nil || res.StatusCode != http.StatusOK || !res.Close {
			t.Fatalf("a request in the delay: %+v, %v", res, err)
		}
	}
	close(broken)
	if err := <-done; !errors.Is(err, errBroken) {
		t.Errorf("it ended with %v", err)
	}
	if _, err := ask(); err == nil {
		t.Error("it serves after its end")
	}
}
