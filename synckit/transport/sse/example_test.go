package sse_test

import (
	"context"
	"log"
	"net/http"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/httptransport"
	"syncline/synckit/transport/sse"
)

// A peer that serves both, and a manager that syncs by HTTP and is woken by a stream.
func Example() {
	peer := memory.New()
	http.Handle("/sync/", httptransport.NewSyncHandler(peer, nil, nil, nil))
	http.Handle("/sse", sse.NewServer(peer, nil).Handler())
	go func() { log.Print(http.ListenAndServe("localhost:8080", nil)) }()

	transport := sse.Over(httptransport.NewTransport("http://localhost:8080/sync", nil, nil, nil), sse.NewClient("http://localhost:8080", nil))
	manager, err := synckit.NewManager(synckit.WithStore(memory.New()), synckit.WithTransport(transport))
	if err != nil {
		log.Fatal(err)
	}
	if err := manager.StartAutoSync(context.Background()); err != nil {
		log.Fatal(err)
	}
}
