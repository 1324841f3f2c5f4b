package memtransport_test

import (
	"context"
	"fmt"
	"log"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

// Two stores of one app are kept in step.
func Example() {
	ctx := context.Background()
	drafts, archive := memory.New(), memory.New()
	if err := drafts.Store(ctx, synckit.NewEvent("1", "Written", "essay", "Once", nil), nil); err != nil {
		log.Fatal(err)
	}

	transport := memtransport.New("archive", archive)
	defer transport.Close()
	result, err := synckit.NewSyncManager(drafts, transport, nil).Sync(ctx)
	if err != nil {
		log.Print(err)
	}
	fmt.Println(result.EventsPushed, "pushed")

	page, err := transport.PullPage(ctx, "", 10)
	if err != nil {
		log.Print(err)
	}
	fmt.Printf("%s %s, more: %v\n", page.Events[0].Event.AggregateID(), page.Events[0].Event.Data(), page.More)
	// Output:
	// 1 pushed
	// essay "Once", more: false
}
