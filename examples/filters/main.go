// Command filters syncs some events and keeps others to itself.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	shop, office := memory.New(), memory.New()
	for _, e := range []synckit.Event{
		synckit.NewEvent("1", "UserCreated", "user-7", map[string]string{"name": "Ada"}, nil),
		synckit.NewEvent("2", "PageViewed", "user-7", "/socks", nil),
		synckit.NewEvent("3", "OrderPlaced", "order-1", map[string]int{"socks": 2}, nil),
		synckit.NewEvent("4", "PageViewed", "user-7", "/thanks", nil),
	} {
		if err := shop.Store(ctx, e, nil); err != nil {
			return err
		}
	}
	manager := synckit.NewSyncManager(shop, memtransport.New("office", office), &synckit.SyncOptions{
		BatchSize: 50,
		Filter: func(e synckit.Event) bool {
			return e.Type() == "UserCreated" || e.Type() == "OrderPlaced"
		},
	})
	defer func() { _ = manager.Close() }()
	result, err := manager.Sync(ctx)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "pushed %d\n", result.EventsPushed); err != nil {
		return err
	}
	arrived, err := office.Load(ctx, nil)
	if err != nil {
		return err
	}
	for _, e := range arrived {
		if _, err := fmt.Fprintf(out, "%s %s %s\n", e.Event.Type(), e.Event.AggregateID(), e.Event.Data()); err != nil {
			return err
		}
	}
	return nil
}
