package memory_test

import (
	"context"
	"fmt"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
)

func Example() {
	store := memory.New()
	defer store.Close()

	ctx := context.Background()
	event := synckit.NewEvent("e1", "UserCreated", "user-1", map[string]any{"name": "Ada"}, nil)
	if err := store.Store(ctx, event, nil); err != nil {
		fmt.Println(err)
	}
	latest, _ := store.LatestVersion(ctx)
	events, _ := store.LoadByAggregate(ctx, "user-1", nil)
	fmt.Println(latest, len(events), events[0].Event.Type())
	// Output: 1 1 UserCreated
}
