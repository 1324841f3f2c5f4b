package badger_test

import (
	"context"
	"fmt"
	"os"

	"syncline/synckit"
	"syncline/synckit/storage/badger"
)

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store, err := badger.New(&badger.Config{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()

	ctx := context.Background()
	err = store.Store(ctx, synckit.NewEvent("e1", "OrderPlaced", "order-7", map[string]any{"total": 12}, nil), nil)
	events, _ := store.Load(ctx, nil)
	fmt.Println(len(events), err)
	// Output: 1 <nil>
}
