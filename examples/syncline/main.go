// Command syncline syncs two devices of one owner through a Syncline server:
//
//	go run ./examples/syncline http://localhost:8080/graphql
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/synclinetransport"
)

func main() {
	endpoint := "http://localhost:8080/graphql"
	if len(os.Args) > 1 {
		endpoint = os.Args[1]
	}
	if err := run(context.Background(), os.Stdout, endpoint); err != nil {
		log.Fatal(err)
	}
}

// device has a log of its own. All of an owner's devices have the owner's key.
type device struct {
	store     *memory.Store
	transport *synclinetransport.Transport
	manager   *synckit.Manager
}

func newDevice(name, endpoint string, key signing.PrivateKey) (*device, error) {
	c, err := client.New(endpoint, key, client.WithClientID(name))
	if err != nil {
		return nil, err
	}
	d := &device{store: memory.New(), transport: synclinetransport.New(c, nil)}
	d.manager = synckit.NewSyncManager(d.store, d.transport, nil)
	return d, nil
}

func (d *device) close() {
	_ = d.manager.Close()
	_ = d.transport.Close()
	_ = d.store.Close()
}

func run(ctx context.Context, out io.Writer, endpoint string) error {
	key, err := signing.GenerateKey()
	if err != nil {
		return err
	}
	phone, err := newDevice("phone", endpoint, key)
	if err != nil {
		return err
	}
	defer phone.close()
	laptop, err := newDevice("laptop", endpoint, key)
	if err != nil {
		return err
	}
	defer laptop.close()

	for i, item := range []string{"milk", "bread", "tea"} {
		event := synckit.NewEvent(fmt.Sprintf("item-%d", i), "ItemAdded", "shopping", item, nil)
		if err := phone.store.Store(ctx, event, nil); err != nil {
			return err
		}
	}
	pushed, err := phone.manager.Sync(ctx)
	if err != nil {
		return err
	}
	pulled, err := laptop.manager.Sync(ctx)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "the phone pushed %d, the laptop pulled %d\n", pushed.EventsPushed, pulled.EventsPulled); err != nil {
		return err
	}
	items, err := laptop.manager.Effective(ctx, "shopping")
	if err != nil {
		return err
	}
	for _, e := range items {
		if _, err := fmt.Fprintf(out, "%s %s\n", e.Event.Type(), e.Event.Data()); err != nil {
			return err
		}
	}
	return nil
}
