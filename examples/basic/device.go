package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"syncline/synckit"
	"syncline/synckit/resolve"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/httptransport"
	"syncline/synckit/version"
)

// device is an app with a log of its own, which works with or without a network.
type device struct {
	name     string
	log      synckit.Log
	link     *link
	manager  *synckit.Manager
	resolver *recorder
	activity *activity
	totals   totals
}

func newDevice(name, syncURL string, activity *activity) (*device, error) {
	store, err := version.NewVersionedStore(memory.New(), name, version.NewVectorClockManager())
	if err != nil {
		return nil, err
	}
	d := &device{name: name, log: store.(synckit.Log), link: newLink(), activity: activity}
	d.resolver = &recorder{device: name, activity: activity}
	transport := httptransport.NewTransport(syncURL, &http.Client{Transport: d.link}, nil, nil)
	d.manager, err = synckit.NewSyncManagerBuilder().
		WithStore(d.log).
		WithTransport(transport).
		WithConflictResolver(d.resolver).
		WithSyncInterval(2 * time.Second).
		WithMaxRetryDelay(2 * time.Second).
		Build()
	if err != nil {
		return nil, err
	}
	return d, d.manager.Subscribe(d.synced)
}

func (d *device) start(ctx context.Context) error {
	go d.watchLog(ctx)
	return d.manager.StartAutoSync(ctx)
}

func (d *device) close() error {
	err := d.manager.Close()
	d.link.network.CloseIdleConnections()
	return errors.Join(err, d.log.Close())
}

// write changes a note, whether there is a network or not.
func (d *device) write(ctx context.Context, note, text string) error {
	event := synckit.NewEvent(rand.Text(), "NoteWritten", note,
		map[string]any{"text": text},
		map[string]any{resolve.OriginKey: d.name, resolve.TimestampKey: time.Now().UTC().Format(time.RFC3339Nano)})
	return d.log.Store(ctx, event, nil)
}

// setOnline cuts or mends the device's network. Auto sync would find out by
// itself; syncing now saves its pause.
func (d *device) setOnline(ctx context.Context, online bool) {
	if d.link.online() == online {
		return
	}
	d.link.set(online)
	if online {
		d.activity.add(line{Kind: "network", Device: d.name, Text: "back online"})
		_, _ = d.manager.Sync(ctx) // its result goes to synced
	} else {
		d.activity.add(line{Kind: "network", Device: d.name, Text: "offline"})
	}
}

func (d *device) synced(r *synckit.SyncResult) {
	d.totals.add(r)
	d.activity.touch()
}

// watchLog tells of each event that comes into the log.
func (d *device) watchLog(ctx context.Context) {
	var position synckit.Position
	for ctx.Err() == nil {
		changed := d.log.Changed()
		entries, err := d.log.Read(ctx, position, 100)
		if err != nil {
			return // closed
		}
		for _, e := range entries {
			position = e.Position
			d.activity.add(lineOf(d.name, e))
		}
		if len(entries) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

// deviceState is what the page shows of a device.
type deviceState struct {
	Name       string             `json:"name"`
	Online     bool               `json:"online"`
	Connection synckit.Connection `json:"connection"`
	Live       bool               `json:"live"`
	Events     int                `json:"events"`
	Pushed     int                `json:"pushed"`
	Pulled     int                `json:"pulled"`
	Conflicts  int                `json:"conflicts"`
	Notes      map[string]string  `json:"notes"`
}

func (d *device) state(ctx context.Context) (deviceState, error) {
	entries, err := d.log.Read(ctx, 0, maxEntries)
	if err != nil {
		return deviceState{}, err
	}
	status := d.manager.Status()
	pushed, pulled, conflicts := d.totals.get()
	s := deviceState{
		Name: d.name, Online: d.link.online(), Connection: status.Connection, Live: status.Live,
		Events: len(entries), Pushed: pushed, Pulled: pulled, Conflicts: conflicts,
		Notes: make(map[string]string),
	}
	for _, e := range entries {
		s.Notes[e.Event.AggregateID()] = ""
	}
	for note := range s.Notes {
		events, err := synckit.LoadEffective(ctx, d.log, note)
		if err != nil {
			return deviceState{}, err
		}
		s.Notes[note] = text(events)
	}
	return s, nil
}
