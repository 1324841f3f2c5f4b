// Command basic shows offline-first sync at work: three devices and the server
// through which they sync, all in one process, and a page on which to watch them,
// take them offline, and make them disagree.
//
//	go run ./examples/basic
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"
)

func main() {
	address := flag.String("listen", "localhost:8080", "where to serve the page")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *address, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "basic:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, address string, out io.Writer) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("%w (another port: -listen localhost:8081)", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	origin := "http://" + listener.Addr().String()
	w, err := newWorld(origin + "/sync")
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           routes(w),
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	if err := w.start(ctx); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "open %s\n", origin); err != nil {
		return err
	}
	select {
	case err = <-served:
	case <-ctx.Done():
		err = shutdown(server, w)
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// shutdown ends the page's streams, then the devices, then the server.
func shutdown(server *http.Server, w *world) error {
	closed := w.close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(closed, server.Shutdown(ctx))
}
