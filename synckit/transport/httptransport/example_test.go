package httptransport_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/httptransport"
)

// A handler serves a store, and two clients meet there.
func Example() {
	store := memory.New()
	defer store.Close()
	handler := httptransport.NewSyncHandler(store, nil, nil, nil)
	server := httptest.NewServer(handler)
	defer server.Close()
	defer handler.Close() // ends what waits for news

	ctx := context.Background()
	phone := httptransport.NewTransport(server.URL, nil, nil, nil)
	defer phone.Close()
	err := phone.Push(ctx, []synckit.EventWithVersion{
		{Event: synckit.NewEvent("1", "Noted", "list", "milk", nil)},
		{Event: synckit.NewEvent("2", "Noted", "list", "bread", nil)},
	})
	if err != nil {
		log.Print(err)
	}

	laptop := httptransport.NewTransport(server.URL, nil, nil, nil)
	defer laptop.Close()
	page, err := laptop.PullPage(ctx, "", 100)
	if err != nil {
		log.Print(err)
	}
	for _, e := range page.Events {
		fmt.Printf("%s: %s\n", e.Event.Type(), e.Event.Data())
	}
	// Output:
	// Noted: "milk"
	// Noted: "bread"
}
