// Command conflicts edits one document on two devices that are offline, and lets
// the last write win; of another document a person decides.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"syncline/synckit"
	"syncline/synckit/resolve"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
	"syncline/synckit/version"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// device is a store with vector clocks, and its manager.
type device struct {
	store   version.VersionedStore
	manager *synckit.Manager
}

// newDevice syncs with a hub.
func newDevice(name string, hub synckit.EventStore, resolver synckit.ConflictResolver) (*device, error) {
	store, err := version.NewVersionedStore(memory.New(), name, version.NewVectorClockManager())
	if err != nil {
		return nil, err
	}
	manager := synckit.NewSyncManager(store, memtransport.New("hub", hub), &synckit.SyncOptions{ConflictResolver: resolver})
	return &device{store: store, manager: manager}, nil
}

// entitle writes a document's title.
func (d *device) entitle(ctx context.Context, id, document, title, at string) error {
	metadata := map[string]any{"timestamp": at}
	return d.store.Store(ctx, synckit.NewEvent(id, "Titled", document, title, metadata), nil)
}

// resolver leaves contracts to a person. Of everything else the last write wins.
func resolver(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	if local[0].Event.AggregateID() == "contract" {
		return nil, synckit.ErrReview
	}
	return resolve.LastWriteWins{}.Resolve(ctx, local, remote)
}

func run(ctx context.Context, out io.Writer) error {
	hub := memory.New()
	phone, err := newDevice("phone", hub, resolve.Func(resolver))
	if err != nil {
		return err
	}
	laptop, err := newDevice("laptop", hub, resolve.Func(resolver))
	if err != nil {
		return err
	}
	if err := writeOffline(ctx, phone, laptop); err != nil {
		return err
	}
	if err := syncAll(ctx, phone, laptop, phone); err != nil {
		return err
	}
	if err := show(ctx, out, "synced", phone, laptop); err != nil {
		return err
	}
	if err := decide(ctx, out, laptop.manager); err != nil {
		return err
	}
	if err := syncAll(ctx, laptop, phone); err != nil {
		return err
	}
	return show(ctx, out, "decided", phone, laptop)
}

// writeOffline writes on both, which do not know of one another.
func writeOffline(ctx context.Context, phone, laptop *device) error {
	for _, w := range []struct {
		*device
		id, document, title, at string
	}{
		{phone, "p1", "note", "Shopping", "2030-01-01T10:00:00Z"},
		{laptop, "l1", "note", "Groceries", "2030-01-01T10:05:00Z"},
		{phone, "p2", "contract", "Draft by phone", "2030-01-01T10:00:00Z"},
		{laptop, "l2", "contract", "Draft by laptop", "2030-01-01T10:05:00Z"},
	} {
		if err := w.entitle(ctx, w.id, w.document, w.title, w.at); err != nil {
			return err
		}
	}
	return nil
}

func syncAll(ctx context.Context, devices ...*device) error {
	for _, d := range devices {
		if _, err := d.manager.Sync(ctx); err != nil {
			return err
		}
	}
	return nil
}

// show writes each device's state: what its effective events say last.
func show(ctx context.Context, out io.Writer, when string, devices ...*device) error {
	for i, d := range devices {
		for _, document := range []string{"note", "contract"} {
			events, err := d.manager.Effective(ctx, document)
			if err != nil {
				return err
			}
			var title string
			if len(events) > 0 {
				err = synckit.DecodeData(events[len(events)-1].Event, &title)
			}
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(out, "%s, device %d: %s is %q\n", when, i+1, document, title); err != nil {
				return err
			}
		}
	}
	return nil
}

// decide is the person's turn: the first draft on this side is taken.
func decide(ctx context.Context, out io.Writer, manager *synckit.Manager) error {
	reviews, err := manager.Reviews(ctx, "", 10)
	if err != nil {
		return err
	}
	for _, r := range reviews {
		if _, err := fmt.Fprintf(out, "to decide: %s, %d here and %d there\n", r.AggregateID, len(r.Local), len(r.Remote)); err != nil {
			return err
		}
		if err := manager.Decide(ctx, r.ID, r.Local); err != nil {
			return err
		}
	}
	return nil
}
