package wstransport_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/wstransport"
)

// One client is told at once of what another pushes.
func Example() {
	store := memory.New()
	defer store.Close()
	handler := wstransport.NewHandler(store, nil)
	server := httptest.NewServer(handler)
	defer server.Close()
	defer handler.Close()

	ctx, cancel := context.WithCancel(context.Background())
	listening, done := make(chan struct{}), make(chan struct{})
	laptop := wstransport.NewTransport(server.URL, nil)
	defer laptop.Close()
	go func() {
		defer close(done)
		_ = laptop.Subscribe(ctx, func(events []synckit.EventWithVersion) error {
			if len(events) == 0 { // the connection stands
				close(listening)
				return nil
			}
			fmt.Printf("%s: %s\n", events[0].Event.Type(), events[0].Event.Data())
			cancel()
			return nil
		})
	}()

	<-listening
	phone := wstransport.NewTransport(server.URL, nil)
	defer phone.Close()
	err := phone.Push(context.Background(), []synckit.EventWithVersion{{Event: synckit.NewEvent("1", "Noted", "list", "milk", nil)}})
	if err != nil {
		log.Print(err)
	}
	<-done
	// Output: Noted: "milk"
}
