package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"syncline/synckit"
	"syncline/synckit/storage/sqlite"
)

// Implement your event type
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
	// Create an SQLite event store
	logger := log.New(os.Stdout, "[SQLite EventStore] ", log.LstdFlags)
	config := &sqlite.Config{
		DataSourceName: "file:events.db",
		Logger:         logger,
		EnableWAL:      true, // Enable WAL for better concurrency
	}
	store, err := sqlite.New(config)
	if err != nil {
		log.Fatalf("Failed to create SQLite store: %v", err)
	}
	defer store.Close()

	// Create a transport
	transport := &MyTransport{} // Your Transport implementation

	// Configure sync options
	options := &synckit.SyncOptions{
		BatchSize:        100,
		SyncInterval:     30 * time.Second,
		ConflictResolver: &LastWriteWinsResolver{},
	}

	// Create sync manager
	syncManager := synckit.NewSyncManager(store, transport, options)

	// Perform sync
	ctx := context.Background()
	result, err := syncManager.Sync(ctx)
	if err != nil {
		log.Fatalf("Sync failed: %v", err)
	}
	fmt.Printf("Synced: %d pushed, %d pulled\n",
		result.EventsPushed, result.EventsPulled)
}
