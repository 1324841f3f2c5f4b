package main

import (
	"context"
	"log"
	"time"

	synckit "syncline/synckit"
	"syncline/synckit/storage/sqlite"
	"syncline/synckit/transport/httptransport"
)

func main() {
	store, err := sqlite.NewWithDataSource("app.db")
	if err != nil {
		log.Fatalf("store: %v", err)
	}
	defer store.Close()

	transport := httptransport.NewTransport("http://localhost:8080/sync", nil, nil, nil)

	mgr, err := synckit.NewManager(
		synckit.WithStore(store),
		synckit.WithTransport(transport),
		synckit.WithLWW(),
		synckit.WithBatchSize(100),
		synckit.WithTimeout(30*time.Second),
	)
	if err != nil {
		log.Fatalf("manager: %v", err)
	}

	result, err := mgr.Sync(context.Background())
	if err != nil {
		log.Fatalf("sync: %v", err)
	}
	log.Printf("pushed %d, pulled %d in %v", result.EventsPushed, result.EventsPulled, result.Duration)
}
