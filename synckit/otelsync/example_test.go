package otelsync_test

import (
	"context"
	"fmt"
	"log"

	"go.opentelemetry.io/otel"

	"syncline/synckit"
	"syncline/synckit/otelsync"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

func Example() {
	store, transport := memory.New(), memtransport.New("hub", memory.New())
	observer, err := otelsync.New(otel.GetTracerProvider(), otel.GetMeterProvider())
	if err != nil {
		log.Fatal(err)
	}
	manager, err := synckit.NewManager(synckit.WithStore(store), synckit.WithTransport(transport), synckit.WithObserver(observer))
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Store(context.Background(), synckit.NewEvent("1", "Noted", "note", "text", nil), nil); err != nil {
		log.Fatal(err)
	}
	result, err := manager.Sync(context.Background()) // a span, if the program has a tracer
	fmt.Println(result.EventsPushed, err)
	fmt.Println(manager.Close())
	// Output:
	// 1 <nil>
	// <nil>
}
