package synclinetransport_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"testing"
	"time"

	"syncline/client"
	"syncline/internal/testservers"
	"syncline/synckit"
	"syncline/synckit/transport/synclinetransport"
)

func count(effective []synckit.EventWithVersion) (synckit.Event, error) {
	n := 0
	for _, e := range effective {
		var before int
		if e.Event.Type() == "Counted" && synckit.DecodeData(e.Event, &before) == nil {
			n += before
			continue
		}
		n++
	}
	return synckit.NewEvent("", "Counted", "n", n, nil), nil
}

// compact gives how many events the snapshot has.
func (d device) compact() int {
	d.t.Helper()
	done, err := d.Compact(testContext(d.t), "n", time.Time{}, count)
	if err != nil {
		d.t.Fatal(err)
	}
	var n int
	if err := synckit.DecodeData(done.Snapshot.Event, &n); err != nil {
		d.t.Fatal(err)
	}
	return n
}

func (d device) records(c *client.Client) int {
	d.t.Helper()
	viewer, err := c.Viewer(testContext(d.t))
	if err != nil {
		d.t.Fatal(err)
	}
	return viewer.RecordCount
}

// cutTransport cannot delete more than some times.
type cutTransport struct {
	*synclinetransport.Transport
	left int
}

func (c *cutTransport) Drop(ctx context.Context, ids []string) error {
	if c.left--; c.left < 0 {
		return stderrors.New("killed")
	}
	return c.Transport.Drop(ctx, ids)
}

// An edit is not a record for ever.
func TestACompactedAccount(t *testing.T) {
	t.Parallel()
	server, key := testservers.StartSyncline(t), newKey(t)
	c := newClient(t, server.URL(), key)
	a, b := newDevice(t, c, synckit.SyncOptions{BatchSize: 500}), newDevice(t, newClient(t, server.URL(), key), synckit.SyncOptions{BatchSize: 500})
	var many []synckit.Entry
	for i := range 1200 {
		many = append(many, synckit.Entry{EventWithVersion: newEvent(fmt.Sprint("a", i))})
	}
	if _, err := a.store.Commit(t.Context(), synckit.Commit{Append: many}); err != nil {
		t.Fatal(err)
	}
	a.sync()
	b.write("b1")
	if _, err := b.Push(testContext(t)); err != nil { // it does not read back what it has pushed
		t.Fatal(err)
	}

	cut := &cutTransport{synclinetransport.New(c, nil), 1}
	t.Cleanup(func() { cut.Close() })
	dying := synckit.NewSyncManager(a.store, cut, nil)
	if _, err := dying.Compact(testContext(t), "n", time.Time{}, count); err == nil {
		t.Fatal("it was not killed")
	}
	if left := a.records(c); left < 100 || left > 1100 {
		t.Fatalf("it was not killed on the way: %d records are left", left)
	}
	if n := a.compact(); n != 1201 {
		t.Errorf("the snapshot has %d events", n)
	}
	parts := a.records(c)
	if parts > 10 {
		t.Errorf("%d records are left", parts)
	}

	b.write("b2")
	b.sync()
	b.sync()
	if after := a.records(c); after != parts+1 { // b1 is not pushed once more
		t.Errorf("%d records, after %d", after, parts)
	}
	if n := b.compact(); n != 1202 {
		t.Errorf("the next snapshot has %d events", n)
	}
	if after := a.records(c); after > parts+2 { // the coverage of b2, and no more
		t.Errorf("%d records after the next, %d before", after, parts)
	}
	a.sync()
	fresh := newDevice(t, newClient(t, server.URL(), key), synckit.SyncOptions{})
	fresh.sync()
	for name, d := range map[string]device{"a": a, "b": b, "one that begins": fresh} {
		effective, err := d.Effective(t.Context(), "n")
		var n int
		if err != nil || len(effective) != 1 || synckit.DecodeData(effective[0].Event, &n) != nil || n != 1202 {
			t.Errorf("%s: %v, %v", name, effective, err)
		}
	}
}
