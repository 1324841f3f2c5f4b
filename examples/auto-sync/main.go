// Command auto-sync keeps two devices in step over HTTP, without being asked:
// what one writes arrives at the other at once, also after the server was away.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/httptransport"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// server is a hub that can be away.
type server struct {
	address string
	handler http.Handler
	running *http.Server
}

func (s *server) start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.address)
	if err != nil {
		return err
	}
	s.address = listener.Addr().String()
	s.running = &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.running.Serve(listener) }() // until it is closed
	return nil
}

// device syncs by itself.
type device struct {
	store   *memory.Store
	manager *synckit.Manager
}

func newDevice(ctx context.Context, url string) (*device, error) {
	d := &device{store: memory.New()}
	d.manager = synckit.NewSyncManager(d.store, httptransport.NewTransport(url, nil, nil, nil), &synckit.SyncOptions{
		SyncInterval:  time.Minute, // the fallback, where nobody tells that something is new
		MaxRetryDelay: time.Second,
	})
	return d, d.manager.StartAutoSync(ctx)
}

func (d *device) write(ctx context.Context, text string) error {
	return d.store.Store(ctx, synckit.NewEvent(text, "Said", "chat", text, nil), nil)
}

// await waits until the device has an event. Changed tells when to look.
func (d *device) await(ctx context.Context, id string) error {
	for {
		changed := d.store.Changed()
		entries, err := d.store.Aggregate(ctx, "chat")
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Event.ID() == id {
				return nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	hub := httptransport.NewSyncHandler(memory.New(), nil, nil, nil)
	s := &server{address: "127.0.0.1:0", handler: hub}
	if err := s.start(ctx); err != nil {
		return err
	}
	defer func() { _ = s.running.Close() }()

	phone, err := newDevice(ctx, "http://"+s.address)
	if err != nil {
		return err
	}
	defer func() { _ = phone.manager.Close() }()
	laptop, err := newDevice(ctx, "http://"+s.address)
	if err != nil {
		return err
	}
	defer func() { _ = laptop.manager.Close() }()

	if err := deliver(ctx, out, phone, laptop, "hello"); err != nil {
		return err
	}
	if err := s.running.Close(); err != nil {
		return err
	}
	if err := laptop.write(ctx, "are you there?"); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "the server is away; the laptop writes on"); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	return deliver(ctx, out, laptop, phone, "now I am back")
}

// deliver writes on one device and waits for the other to have it.
func deliver(ctx context.Context, out io.Writer, from, to *device, text string) error {
	if err := from.write(ctx, text); err != nil {
		return err
	}
	if err := to.await(ctx, text); err != nil {
		return err
	}
	entries, err := to.store.Aggregate(ctx, "chat")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%q has arrived, as number %d\n", text, len(entries))
	return err
}
