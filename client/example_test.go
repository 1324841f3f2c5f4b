package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"syncline/auth/signing"
	"syncline/client"
)

// exampleClient acts for a new owner.
func exampleClient() *client.Client {
	key, err := signing.GenerateKey()
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.New(exampleEndpoint(), key)
	if err != nil {
		log.Fatal(err)
	}
	return c
}

// Two devices write the same note; the second merges.
func ExampleClient_Set() {
	ctx := context.Background()
	c := exampleClient()

	first, err := c.Set(ctx, "note", []byte("milk"), 0)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.Set(ctx, "note", []byte("milk, bread"), first.Revision); err != nil {
		log.Fatal(err)
	}

	_, err = c.Set(ctx, "note", []byte("milk, tea"), first.Revision)
	if conflict, ok := errors.AsType[*client.ConflictError](err); ok {
		fmt.Println("conflict:", conflict)
		merged := string(conflict.Current.Data) + ", tea"
		_, err = c.Set(ctx, "note", []byte(merged), conflict.Current.Revision)
	}
	if err != nil {
		log.Fatal(err)
	}

	note, err := c.Get(ctx, "note")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, revision %d\n", note.Data, note.Revision)
	// Output:
	// conflict: record "note" is at revision 2
	// milk, bread, tea, revision 3
}

// A mirror applies an event, stores what it changed, then stores the cursor.
func ExampleClient_Follow() {
	ctx := context.Background()
	c := exampleClient()
	if _, err := c.Write(ctx, []client.Write{
		{ID: "a", Data: []byte("1")},
		{ID: "b", Data: []byte("2")},
	}); err != nil {
		log.Fatal(err)
	}

	var mirror struct { // an app would keep it on disk
		records map[string]string
		cursor  client.Cursor
	}
	mirror.records = map[string]string{}
	for event, err := range c.Follow(ctx, mirror.cursor) {
		switch {
		case err != nil:
			log.Fatal(err)
		case event.Kind == client.CaughtUp:
			fmt.Println("live with", mirror.records)
			if _, err := c.Delete(ctx, "a", 1); err != nil {
				log.Fatal(err)
			}
		case event.Record.Deleted:
			delete(mirror.records, event.Record.ID)
		default:
			mirror.records[event.Record.ID] = string(event.Record.Data)
		}
		mirror.cursor = event.Cursor
		if event.Record.Deleted {
			break
		}
	}
	fmt.Println(mirror.records)
	// Output:
	// live with map[a:1 b:2]
	// map[b:2]
}

// A job that only one device may run at a time.
func ExampleClient_AcquireLock() {
	ctx := context.Background()
	c := exampleClient()

	lease, err := c.AcquireLock(ctx, "nightly-report", client.WithTTL(10*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.TryLock(ctx, "nightly-report")
	fmt.Println("another device:", errors.Is(err, client.ErrHeld))

	select {
	case <-lease.Done():
		log.Fatal(lease.Err())
	default: // the lock is still ours
	}
	if _, err := c.Set(ctx, "report", []byte("all is well"), 0, client.WithFence(lease.Fence())); err != nil {
		log.Fatal(err)
	}
	if err := lease.Release(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("token", lease.Token())
	// Output:
	// another device: true
	// token 1
}

// A batch is written as a whole, or not at all.
func ExampleClient_Write() {
	ctx := context.Background()
	c := exampleClient()
	if _, err := c.Set(ctx, "from", []byte("100"), 0); err != nil {
		log.Fatal(err)
	}

	move := []client.Write{
		{ID: "from", Data: []byte("70"), Revision: 1},
		{ID: "to", Data: []byte("30")},
	}
	written, err := c.Write(ctx, move)
	if err != nil {
		log.Fatal(err)
	}
	for i, w := range written {
		fmt.Println(move[i].ID, "is at revision", w.Revision)
	}

	_, err = c.Write(ctx, move) // as if nothing had been written yet
	if conflicts, ok := errors.AsType[*client.BatchConflictError](err); ok {
		for _, conflict := range conflicts.Conflicts {
			fmt.Printf("write %d: %v\n", conflict.Index, conflict)
		}
	}
	// Output:
	// from is at revision 2
	// to is at revision 3
	// write 0: record "from" is at revision 2
	// write 1: record "to" is at revision 3
}

// Ids that share a prefix make a folder.
func ExampleClient_List() {
	ctx := context.Background()
	c := exampleClient()
	if _, err := c.Write(ctx, []client.Write{
		{ID: "note/2", Data: []byte("bread")},
		{ID: "note/1", Data: []byte("milk")},
		{ID: "settings", Data: []byte("dark")},
	}); err != nil {
		log.Fatal(err)
	}

	notes, err := c.List(ctx, "note/")
	if err != nil {
		log.Fatal(err)
	}
	for _, note := range notes {
		fmt.Printf("%s: %s\n", note.ID, note.Data)
	}
	// Output:
	// note/1: milk
	// note/2: bread
}

// A status line that tells who holds a lock.
func ExampleClient_WatchLock() {
	ctx := context.Background()
	c := exampleClient()

	for state, err := range c.WatchLock(ctx, "import") {
		if err != nil {
			log.Fatal(err)
		}
		if state.Locked {
			fmt.Println("held by", state.Holders[0].InstanceID)
			break
		}
		fmt.Println("free")
		if _, err := c.SetLock(ctx, "import", client.WithInstanceID("laptop")); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// free
	// held by laptop
}
