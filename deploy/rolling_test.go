package deploy

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"syncline/client"
)

// Instances are restarted one after the other while a device writes and another
// follows, through nginx. Each write is acknowledged, and heard once, in order.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	d := startDeployment(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	key := newKey(t)

	w := &writer{client: newClient(t, d.address, key), stop: make(chan struct{}), done: make(chan struct{})}
	f := &follower{client: newClient(t, d.address, key), live: make(chan struct{})}
	heard := make(chan struct{})
	go func() { defer close(heard); f.run(ctx) }()
	go w.run(ctx)
	w.await(ctx, t, 20)
	select {
	case <-f.live:
	case <-ctx.Done():
		t.Fatal("the follower did not catch up")
	}
	for i, instance := range d.instances {
		if err := instance.Stop(); err != nil {
			t.Errorf("instance %d: %v\n%s", i+1, err, instance.Log())
		}
		w.await(ctx, t, w.written.Load()+20) // the other one serves alone
		instance.Start()
		w.await(ctx, t, w.written.Load()+20)
	}
	close(w.stop)
	<-w.done
	<-heard
	if w.err != nil || f.err != nil {
		t.Fatalf("writer: %v; follower: %v", w.err, f.err)
	}
	for i, revision := range f.revisions {
		if revision != client.Revision(i+1) {
			t.Fatalf("revision %d was heard where %d was due", revision, i+1)
		}
	}
	if int64(len(f.revisions)) != w.written.Load() {
		t.Errorf("%d writes were acknowledged, %d heard", w.written.Load(), len(f.revisions))
	}
	if f.caughtUp < 2 {
		t.Error("the follower's connection was never cut: this test showed nothing")
	}
	if strings.Contains(read(t, d.nginxLog), "no live upstreams") {
		t.Error("requests were refused while an instance was there: nginx had left out the one that had come back")
	}
	t.Logf("%d writes, %d connections of the follower", w.written.Load(), f.caughtUp)
}

// lastRecord tells the follower that there will be no more.
const lastRecord = "last"

// writer creates records until it is stopped, each one once.
type writer struct {
	client  *client.Client
	written atomic.Int64
	stop    chan struct{}
	done    chan struct{} // closed when err is final
	err     error
}

func (w *writer) run(ctx context.Context) {
	defer close(w.done)
	for w.err == nil {
		select {
		case <-w.stop:
			w.err = w.write(ctx, lastRecord)
			return
		default:
			w.err = w.write(ctx, fmt.Sprintf("record-%d", w.written.Load()))
		}
	}
}

func (w *writer) write(ctx context.Context, id string) error {
	written, err := w.client.Set(ctx, id, []byte("data"), 0)
	if err != nil {
		return err
	}
	if n := w.written.Add(1); written.Revision != client.Revision(n) {
		return fmt.Errorf("write %d took revision %d", n, written.Revision)
	}
	return nil
}

// await waits until so many writes are acknowledged.
func (w *writer) await(ctx context.Context, t *testing.T, count int64) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for w.written.Load() < count {
		select {
		case <-w.done:
			t.Fatalf("the writer ended after %d writes: %v", w.written.Load(), w.err)
		case <-ctx.Done():
			t.Fatalf("%d of %d writes in time", w.written.Load(), count)
		case <-tick.C:
		}
	}
}

// follower hears what the writer wrote.
type follower struct {
	client    *client.Client
	revisions []client.Revision
	live      chan struct{} // closed when it has caught up for the first time
	caughtUp  int
	err       error
}

// run ends with the writer's last record.
func (f *follower) run(ctx context.Context) {
	for event, err := range f.client.Follow(ctx, client.Beginning) {
		if err != nil {
			f.err = err
			return
		}
		if event.Kind == client.CaughtUp {
			if f.caughtUp++; f.caughtUp == 1 {
				close(f.live)
			}
			continue
		}
		f.revisions = append(f.revisions, event.Record.Revision)
		if event.Record.ID == lastRecord {
			return
		}
	}
}
