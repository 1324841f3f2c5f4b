package metrics_test

import (
	"context"
	"log"
	"os"

	"syncline/synckit"
	"syncline/synckit/metrics"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

func ExampleCollector() {
	ctx, store := context.Background(), memory.New()
	var collector metrics.Collector
	manager := synckit.NewSyncManager(store, memtransport.New("hub", memory.New()), &synckit.SyncOptions{Metrics: &collector})
	if err := store.Store(ctx, synckit.NewEvent("e1", "UserCreated", "user-1", nil, nil), nil); err != nil {
		log.Fatal(err)
	}
	if _, err := manager.Sync(ctx); err != nil {
		log.Fatal(err)
	}
	log.New(os.Stdout, "", 0).Println("pushed:", collector.Snapshot().EventsPushed)
	// Output: pushed: 1
}
