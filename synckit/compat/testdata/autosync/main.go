package main

import (
	"context"
	"log"
	"time"

	synckit "syncline/synckit"
	"syncline/synckit/storage/sqlite"
)

// AutoSync syncs by a timer of its own.
type AutoSync struct {
	manager  synckit.SyncManager
	interval time.Duration
	syncs    int64
}

// NewAutoSync takes a manager by its interface.
func NewAutoSync(manager synckit.SyncManager, interval time.Duration) *AutoSync {
	return &AutoSync{manager: manager, interval: interval}
}

// Run syncs until ctx ends.
func (a *AutoSync) Run(ctx context.Context) {
	ticker := time.NewTicker(a.interval)
	defer ticker.Stop()
	for {
		result, err := a.manager.Sync(ctx)
		if err != nil {
			log.Printf("sync: %v", err)
			return
		}
		a.syncs++
		log.Printf("sync %d: %d pushed, %d pulled, %d conflicts", a.syncs, result.EventsPushed, result.EventsPulled, result.ConflictsResolved)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func main() {
	store, err := sqlite.NewWithDataSource("autosync.db")
	if err != nil {
		log.Fatalf("store: %v", err)
	}
	defer store.Close()
	manager, err := synckit.NewManager(synckit.WithStore(store), synckit.WithNullTransport(), synckit.WithLWW())
	if err != nil {
		log.Fatalf("manager: %v", err)
	}
	if err := manager.Subscribe(func(result *synckit.SyncResult) { log.Print(result.Errors) }); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	NewAutoSync(manager, 3*time.Second).Run(ctx)
}
