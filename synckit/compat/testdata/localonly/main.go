package main

import (
	"context"
	"log"
	"time"

	synckit "syncline/synckit"
	_ "syncline/synckit/storage/sqlite" // WithSQLite
)

func newManager(path string) (synckit.SyncManager, error) {
	return synckit.NewManager(
		synckit.WithSQLite(path),
		synckit.WithNullTransport(),
		synckit.WithFWW(),
		synckit.WithSyncInterval(time.Second),
		synckit.WithValidation(func(synckit.Event) error { return nil }), // which events are valid is for the app to say
	)
}

func main() {
	mgr, err := newManager("local.db")
	if err != nil {
		log.Fatalf("manager: %v", err)
	}
	defer mgr.Close()
	result, err := mgr.Sync(context.Background())
	if err != nil {
		log.Fatalf("sync: %v", err)
	}
	log.Printf("%d events in %v", result.EventsPushed+result.EventsPulled, result.Duration)
}
