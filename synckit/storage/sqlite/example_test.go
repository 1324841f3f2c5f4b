package sqlite_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"syncline/synckit"
	"syncline/synckit/storage/sqlite"
)

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	config := &sqlite.Config{DataSourceName: "file:" + filepath.Join(dir, "events.db")}

	ctx := context.Background()
	for _, id := range []string{"e1", "e2"} { // the second time it is there already
		store, err := sqlite.New(config)
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := store.Store(ctx, synckit.NewEvent(id, "OrderPlaced", "order-7", map[string]any{"total": 12}, nil), nil); err != nil {
			fmt.Println(err)
			return
		}
		events, err := store.Load(ctx, nil)
		fmt.Println(len(events), err)
		if err := store.Close(); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
}

// A commit stores events together with the cursor that covers them: after a
// crash there are either both or neither.
func ExampleStore_Commit() {
	store, err := sqlite.NewWithDataSource(":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	ctx := context.Background()
	pulled := synckit.NewEvent("e1", "OrderPlaced", "order-7", nil, nil)
	done, err := store.Commit(ctx, synckit.Commit{
		Append:  []synckit.Entry{{EventWithVersion: synckit.EventWithVersion{Event: pulled}, Origin: "server"}},
		Cursors: []synckit.Cursor{{Peer: "server", Direction: synckit.Pulling, Value: "41"}},
	})
	cursor, _ := store.Cursor(ctx, "server", synckit.Pulling)
	fmt.Println(done.Appended, done.Latest, cursor, err)
	// Output: [e1] 1 41 <nil>
}
