package breez_test

import (
	"bytes"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"syncline/breez/syncpb"
	"syncline/client"
	"syncline/internal/testservers"
)

// fill writes so many records of so many bytes.
func fill(t *testing.T, api *client.Client, records, size int) {
	t.Helper()
	var batch []client.Write
	for i := range records {
		batch = append(batch, client.Write{ID: fmt.Sprint(i), Data: bytes.Repeat([]byte{byte(i)}, size)})
		if len(batch) == min(100, 600_000/size) || i == records-1 {
			if _, err := api.Write(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			batch = nil
		}
	}
}

// A client that pulls once for each notification gets everything, though no reply has all of it, also
// where its pulls go to another instance than its stream.
func TestPullingByNotifications(t *testing.T) {
	t.Parallel()
	for name, start := range deployments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := start(t)
			tests := map[string]struct{ records, bytes int }{
				"many":  {2500, 10},
				"large": {70, 64 << 10},
			}
			users := map[string]user{}
			for name, test := range tests {
				users[name] = newUser(t)
				fill(t, users[name].graphQL(t, servers[0]), test.records, test.bytes)
			}
			for i, server := range servers { // a wallet that pulls all meets none of the default limits
				if i > 0 && server == servers[0] {
					continue
				}
				if err := server.Stop(); err != nil {
					t.Fatal(err)
				}
				server.Set("RATE_LIMITS=on")
				server.Start()
			}
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					u := users[name]
					pullsAll(t, device{t, u, protocols[0].client(t, servers[1].Address), ""}.open(), device{t, u, protocols[0].client(t, servers[0].Address), ""}, test.records, test.bytes)
				})
			}
		})
	}
}

// pullsAll pulls by one device, once for each notification of none, until it has so many records of so
// many bytes.
func pullsAll(t *testing.T, heard stream, d device, records, bytes int) {
	t.Helper()
	got, since := make(map[string]bool), uint64(0)
	for pulls := 0; len(got) < records; pulls++ {
		heard.next("")
		changes := d.list(since)
		size := proto.Size(&syncpb.ListChangesReply{Changes: changes})
		if full := len(changes) == 1000 || size > 4_000_000-proto.Size(&syncpb.ListChangesReply{Changes: changes[:1]}); pulls == 0 && !full || len(changes) > 1000 || size > 4_000_000 {
			t.Errorf("pull %d brings %d records in %d bytes", pulls+1, len(changes), size)
		}
		for _, r := range changes {
			since = r.GetRevision()
			got[r.GetId()] = len(r.GetData()) == bytes
		}
	}
	for id, whole := range got {
		if !whole {
			t.Errorf("%s is not whole", id)
		}
	}
}

// A wallet's position below the owner's floor reads what is live, as one at the beginning does.
func TestListingBelowTheFloor(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	u := newUser(t)
	api := u.graphQL(t, server)
	fill(t, api, 5, 10)
	erased, err := api.EraseAccount(t.Context(), api.Owner())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.Set(t.Context(), "after", []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	d := device{t, u, protocols[0].client(t, server.Address), ""}
	for _, since := range []uint64{0, 3, 5} {
		if changes := d.list(since); len(changes) != 1 || changes[0].GetId() != "after" {
			t.Errorf("from %d: %v, after an erasure of %d", since, changes, erased.Records)
		}
	}
	for _, since := range []uint64{7, 1000} {
		if changes := d.list(since); len(changes) != 0 {
			t.Errorf("from %d: %v", since, changes)
		}
	}
}

// After a reply that was cut, all streams of its owner are told to pull, once, also those at another
// instance; after one that had everything, none is.
func TestCutReplyTellsStreams(t *testing.T) {
	t.Parallel()
	for deployment, start := range deployments {
		t.Run(deployment, func(t *testing.T) {
			t.Parallel()
			servers := start(t)
			for name, test := range map[string]struct{ records, bytes, fit int }{
				"records": {1001, 1, 1000},
				"bytes":   {62, 64 << 10, 61}, // 62 have 4,063,232 bytes
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					u := newUser(t)
					fill(t, u.graphQL(t, servers[0]), test.records, test.bytes)
					puller := device{t, u, protocols[0].client(t, servers[0].Address), "puller"}
					here := puller.listen()
					there := device{t, u, protocols[0].client(t, servers[1].Address), ""}.listen()
					others := device{t, newUser(t), protocols[0].client(t, servers[1].Address), "another owner"}
					unconcerned := others.listen()
					first := puller.list(0)
					if len(first) != test.fit {
						t.Fatalf("%d records of %d", len(first), test.records)
					}
					here.next("")
					there.next("")
					if rest := puller.list(first[len(first)-1].GetRevision()); len(rest) != test.records-test.fit {
						t.Fatalf("%d records are left", len(rest))
					}
					puller.set("next", nil, 0)
					others.set("next", nil, 0)
					if deployment == "PostgreSQL and Redis" { // the broker may have been lost for a moment
						here.next("puller")
						there.next("puller")
						unconcerned.next("another owner")
						return
					}
					here.follows("puller")
					there.follows("puller")
					unconcerned.follows("another owner")
				})
			}
		})
	}
}

// A reply has at most 4,000,000 bytes in its encoded form: one of just as many is whole.
func TestLargestReply(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	d := device{t, newUser(t), protocols[0].client(t, server.Address), ""}
	var revision uint64
	const large = 61 // of the largest records
	for i := range large {
		revision = d.set(fmt.Sprint(i), make([]byte, 65_536), 0)
	}
	before := proto.Size(&syncpb.ListChangesReply{Changes: d.list(0)})
	last := &syncpb.Record{Id: "last", Revision: revision + 1, SchemaVersion: "1", Data: make([]byte, 4_000_000-before)}
	size := func() int { return before + proto.Size(&syncpb.ListChangesReply{Changes: []*syncpb.Record{last}}) }
	last.Data = last.Data[:len(last.Data)-(size()-4_000_000)]
	if size() != 4_000_000 {
		t.Fatalf("a reply of %d bytes", size())
	}
	revision = d.set("last", last.GetData(), 0)
	if got := d.list(0); len(got) != large+1 || proto.Size(&syncpb.ListChangesReply{Changes: got}) != 4_000_000 {
		t.Errorf("%d records in %d bytes", len(got), proto.Size(&syncpb.ListChangesReply{Changes: got}))
	}
	d.set("last", append(last.GetData(), 0), revision)
	if got := d.list(0); len(got) != large {
		t.Errorf("a byte more: %d records in %d bytes", len(got), proto.Size(&syncpb.ListChangesReply{Changes: got}))
	}
}

// follows is next for what must come at once after the last.
func (s stream) follows(clientID string) {
	s.t.Helper()
	if !s.Receive() || s.Msg().GetClientId() != clientID {
		s.t.Fatalf("a notification of %q (%v), want %q", s.Msg().GetClientId(), s.Err(), clientID)
	}
}
