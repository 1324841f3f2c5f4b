package main

import (
	"context"
	"errors"
	"fmt"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/httptransport"
)

// world is the server and the devices that sync through it.
type world struct {
	server   *memory.Store
	handler  *httptransport.SyncHandler
	devices  []*device
	activity *activity
}

// newWorld makes a server, which is to be served at syncURL, and three devices.
func newWorld(syncURL string) (*world, error) {
	w := &world{server: memory.New(), activity: newActivity()}
	w.handler = httptransport.NewSyncHandler(w.server, nil, nil, nil)
	for _, name := range []string{"phone", "laptop", "tablet"} {
		d, err := newDevice(name, syncURL, w.activity)
		if err != nil {
			return nil, fmt.Errorf("make %s: %w", name, err)
		}
		w.devices = append(w.devices, d)
	}
	return w, nil
}

func (w *world) start(ctx context.Context) error {
	go w.watchServer(ctx)
	for _, d := range w.devices {
		if err := d.start(ctx); err != nil {
			return fmt.Errorf("start %s: %w", d.name, err)
		}
	}
	return nil
}

func (w *world) close() error {
	var failures []error
	for _, d := range w.devices {
		failures = append(failures, d.close())
	}
	w.handler.Close()
	return errors.Join(append(failures, w.server.Close())...)
}

func (w *world) device(name string) *device {
	for _, d := range w.devices {
		if d.name == name {
			return d
		}
	}
	return nil
}

// watchServer tells the page when the server has more.
func (w *world) watchServer(ctx context.Context) {
	for {
		changed := w.server.Changed()
		w.activity.touch()
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// state is what the page shows besides what happened.
type state struct {
	Server  int           `json:"server"` // events in its log
	Devices []deviceState `json:"devices"`
}

func (w *world) state(ctx context.Context) (state, error) {
	entries, err := w.server.Read(ctx, 0, maxEntries)
	if err != nil {
		return state{}, err
	}
	s := state{Server: len(entries)}
	for _, d := range w.devices {
		shown, err := d.state(ctx)
		if err != nil {
			return state{}, err
		}
		s.Devices = append(s.Devices, shown)
	}
	return s, nil
}

// makeConflict has the first two devices write the same note while neither hears
// of the other, and then lets them meet.
func (w *world) makeConflict(ctx context.Context, note string) error {
	pair := w.devices[:2]
	wasOnline := make([]bool, len(pair))
	for i, d := range pair {
		wasOnline[i] = d.link.online()
		d.setOnline(ctx, false)
	}
	for _, d := range pair {
		if err := d.write(ctx, note, "what the "+d.name+" says"); err != nil {
			return err
		}
	}
	for i, d := range pair {
		d.setOnline(ctx, wasOnline[i])
	}
	return nil
}

// maxEntries is more than anybody makes on this page.
const maxEntries = 100_000

// text is what a note says: its newest event that counts.
func text(events []synckit.EventWithVersion) string {
	var written struct {
		Text string `json:"text"`
	}
	for i := len(events) - 1; i >= 0; i-- {
		if synckit.DecodeData(events[i].Event, &written) == nil {
			break
		}
	}
	return written.Text
}
