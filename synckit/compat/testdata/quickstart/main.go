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

type MyEvent struct {
	id          string
	eventType   string
	aggregateID string
	data        interface{}
	metadata    map[string]interface{}
}

func (e *MyEvent) ID() string                       { return e.id }
func (e *MyEvent) Type() string                     { return e.eventType }
func (e *MyEvent) AggregateID() string              { return e.aggregateID }
func (e *MyEvent) Data() interface{}                { return e.data }
func (e *MyEvent) Metadata() map[string]interface{} { return e.metadata }

func main() {
	// Create SQLite Event Store
	storeConfig := &sqlite.Config{DataSourceName: "file:events.db", EnableWAL: true}
	store, err := sqlite.New(storeConfig)
	if err != nil {
		log.Fatalf("Failed to create SQLite store: %v", err)
	}
	defer store.Close()

	// Set up HTTP server with SyncHandler
	logger := log.New(os.Stdout, "[SyncHandler] ", log.LstdFlags)
	// Use default version parser (store.ParseVersion)
	handler := httptransport.NewSyncHandler(store, logger, nil, nil)
	server := &http.Server{Addr: ":8080", Handler: handler}
	go func() {
		if err := server.ListenAndServe(); err != nil {
			log.Fatalf("Failed to start server: %v", err)
		}
	}()

	// Give server time to start
	time.Sleep(100 * time.Millisecond)

	// Set up HTTP Client with HTTPTransport
	clientTransport := httptransport.NewTransport("http://localhost:8080", nil, nil, nil)

	// Configure Sync Options
	syncOptions := &synckit.SyncOptions{
		BatchSize:    10,
		SyncInterval: 10 * time.Second,
	}

	// Create and start SyncManager
	syncManager := synckit.NewSyncManager(store, clientTransport, syncOptions)
	ctx := context.Background()

	// Run synchronization
	result, err := syncManager.Sync(ctx)
	if err != nil {
		log.Fatalf("Sync error: %v", err)
	}
	log.Printf("Sync completed: %+v", result)
}
