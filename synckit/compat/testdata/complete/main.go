package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"time"

	synckit "syncline/synckit"
	"syncline/synckit/storage/sqlite"
	"syncline/synckit/transport/httptransport"
)

func main() {
	// 1. Create SQLite store
	store, err := sqlite.NewWithDataSource("file:events.db")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	// 2. Start HTTP server
	logger := log.New(os.Stdout, "[SyncHandler] ", log.LstdFlags)
	// Use default version parser (store.ParseVersion)
	handler := httptransport.NewSyncHandler(store, logger, nil, nil)
	server := &http.Server{Addr: ":8080", Handler: handler}
	go func() {
		log.Println("Starting sync server on :8080")
		if err := server.ListenAndServe(); err != nil {
			log.Printf("Server error: %v", err)
		}
	}()

	// Give server time to start
	time.Sleep(100 * time.Millisecond)

	// 3. Create HTTP client transport
	clientTransport := httptransport.NewTransport("http://localhost:8080", nil, nil, nil)

	// 4. Configure sync options
	syncOptions := &synckit.SyncOptions{
		BatchSize:    10,
		SyncInterval: 10 * time.Second,
	}

	// 5. Create sync manager
	syncManager := synckit.NewSyncManager(store, clientTransport, syncOptions)

	// 6. Perform synchronization
	ctx := context.Background()
	result, err := syncManager.Sync(ctx)
	if err != nil {
		log.Fatalf("Sync failed: %v", err)
	}
	log.Printf("Sync completed: %d pushed, %d pulled",
		result.EventsPushed, result.EventsPulled)
}
