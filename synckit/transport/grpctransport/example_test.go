package grpctransport_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/grpctransport"
)

func Example() {
	peer := grpctransport.NewServer(memory.New(), nil)
	mux := http.NewServeMux()
	mux.Handle(peer.Handler())
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	defer peer.Close()

	ctx := context.Background()
	store := memory.New()
	if err := store.Store(ctx, synckit.NewEvent("e1", "OrderPlaced", "order-7", nil, nil), nil); err != nil {
		fmt.Println(err)
		return
	}
	manager := synckit.NewSyncManager(store, grpctransport.NewTransport(server.URL, nil), nil)
	defer manager.Close()
	result, err := manager.Sync(ctx)
	fmt.Println(result.EventsPushed, err)
	// Output: 1 <nil>
}
