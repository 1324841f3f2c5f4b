package synckit_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/resolve"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
)

// Two devices sync through a hub. In an app the stores are files (storage/sqlite)
// and the transport reaches a server (transport/synclinetransport).
func Example() {
	ctx, hub := context.Background(), memory.New()
	phone, laptop := memory.New(), memory.New()

	event := synckit.NewEvent("event-1", "NoteAdded", "note-1", map[string]string{"text": "milk"}, nil)
	if err := phone.Store(ctx, event, nil); err != nil {
		log.Fatal(err)
	}
	for _, device := range []*memory.Store{phone, laptop} {
		result, err := synckit.NewSyncManager(device, memtransport.New("hub", hub), nil).Sync(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintf(os.Stdout, "%d pushed, %d pulled\n", result.EventsPushed, result.EventsPulled)
	}
	// Output:
	// 1 pushed, 0 pulled
	// 0 pushed, 1 pulled
}

// Deposits become one balance, here and at the peer.
func ExampleManager_Compact() {
	ctx, store, hub := context.Background(), memory.New(), memory.New()
	for i, amount := range []int{10, 20, 12} {
		event := synckit.NewEvent(fmt.Sprint("deposit-", i+1), "Deposited", "account-1", amount, nil)
		if err := store.Store(ctx, event, nil); err != nil {
			log.Fatal(err)
		}
	}
	manager := synckit.NewSyncManager(store, memtransport.New("hub", hub), nil)
	balance := func(balance int, e synckit.Event) (int, error) {
		var amount int
		err := synckit.DecodeData(e, &amount) // of a balance, too: it stands for what came before
		return balance + amount, err
	}
	done, err := manager.Compact(ctx, "account-1", time.Time{}, func(events []synckit.EventWithVersion) (synckit.Event, error) {
		sum, err := synckit.Fold(events, 0, balance)
		return synckit.NewEvent("", "Balance", "account-1", sum, nil), err
	})
	if err != nil {
		log.Fatal(err)
	}
	effective, err := manager.Effective(ctx, "account-1")
	if err != nil {
		log.Fatal(err)
	}
	sum, err := synckit.Fold(effective, 0, balance)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(os.Stdout, done.Covered, "compacted,", len(effective), effective[0].Event.Type(), sum)
	// Output: 3 compacted, 1 Balance 42
}

func ExampleNewSyncManagerBuilder() {
	_, err := synckit.NewSyncManagerBuilder().
		WithStore(memory.New()).
		WithTransport(memtransport.New("hub", memory.New())).
		WithBatchSize(-1).
		Build()
	fmt.Fprintln(os.Stdout, errors.CodeOf(err))
	// Output: INVALID_OPTIONS
}

func ExampleDecodeData() {
	event := synckit.NewEvent("event-1", "NoteAdded", "note-1", map[string]string{"text": "milk"}, nil)
	var note struct{ Text string }
	if err := synckit.DecodeData(event, &note); err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(os.Stdout, note.Text)
	// Output: milk
}

// conflictBetween has two devices write to one aggregate offline, and syncs the
// first. The second's manager is returned.
func conflictBetween(ctx context.Context, resolver synckit.ConflictResolver) (*memory.Store, *synckit.Manager) {
	hub, phone, laptop := memory.New(), memory.New(), memory.New()
	for id, device := range map[string]*memory.Store{"from-phone": phone, "from-laptop": laptop} {
		event := synckit.NewEvent(id, "NoteChanged", "note-1", map[string]string{"text": id}, nil)
		if err := device.Store(ctx, event, nil); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := synckit.NewSyncManager(phone, memtransport.New("hub", hub), nil).Sync(ctx); err != nil {
		log.Fatal(err)
	}
	options := &synckit.SyncOptions{ConflictResolver: resolver}
	return laptop, synckit.NewSyncManager(laptop, memtransport.New("hub", hub), options)
}

// What an app shows is built from the events that count.
func ExampleLoadEffective() {
	ctx := context.Background()
	store, manager := conflictBetween(ctx, resolve.LastWriteWins{})
	result, err := manager.Sync(ctx)
	if err != nil {
		log.Fatal(err)
	}
	events, err := synckit.LoadEffective(ctx, store, "note-1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintf(os.Stdout, "%d conflict, %d event counts\n", result.ConflictsResolved, len(events))
	// Output: 1 conflict, 1 event counts
}

// A conflict that waits for a person holds up nothing but its aggregate.
func ExampleManager_Decide() {
	ctx := context.Background()
	store, manager := conflictBetween(ctx, resolve.Review{})
	if _, err := manager.Sync(ctx); err != nil {
		log.Fatal(err)
	}
	reviews, err := manager.Reviews(ctx, "", 10)
	if err != nil {
		log.Fatal(err)
	}
	for _, review := range reviews { // the person takes what came from the phone
		if err := manager.Decide(ctx, review.ID, review.Remote); err != nil {
			log.Fatal(err)
		}
	}
	events, err := synckit.LoadEffective(ctx, store, "note-1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(os.Stdout, len(reviews), events[0].Event.ID())
	// Output: 1 from-phone
}

func ExampleManager_StartAutoSync() {
	ctx, store, hub := context.Background(), memory.New(), memory.New()
	manager := synckit.NewSyncManager(store, memtransport.New("hub", hub), nil)
	synced := make(chan int, 10)
	if err := manager.Subscribe(func(r *synckit.SyncResult) { synced <- r.EventsPushed }); err != nil {
		log.Fatal(err)
	}
	if err := store.Store(ctx, synckit.NewEvent("event-1", "NoteAdded", "note-1", nil, nil), nil); err != nil {
		log.Fatal(err)
	}
	if err := manager.StartAutoSync(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(os.Stdout, <-synced, "pushed,", manager.Status().Connection)
	if err := manager.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: 1 pushed, online
}
