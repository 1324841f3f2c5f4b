package clients

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"syncline/auth/signing"
	"syncline/breez/syncpb"
	"syncline/client"
	"syncline/internal/testservers"
)

// deployments are ways to run the service; each answers two of its instances, or one twice.
var deployments = map[string]func(t *testing.T) [2]*testservers.Syncline{
	"SQLite": func(t *testing.T) [2]*testservers.Syncline {
		server := testservers.StartSyncline(t, switchedOn)
		return [2]*testservers.Syncline{server, server}
	},
	"PostgreSQL and Redis": func(t *testing.T) [2]*testservers.Syncline {
		env := []string{switchedOn, "DATABASE_URL=" + testservers.StartPostgres(t).NewURL(t), "REDIS_URL=" + testservers.StartRedis(t).URL()}
		return [2]*testservers.Syncline{testservers.StartSyncline(t, env...), testservers.StartSyncline(t, env...)}
	},
}

// Clients of three makers and in two forms are devices of one owner: each sees what
// the others write and delete, and keeps them from a lock.
func TestDevicesOfOneOwner(t *testing.T) {
	t.Parallel()
	if os.Getenv("SYNCLINE_VERIFY") == "" {
		t.Skip("make verify runs it: it installs the client of gRPC-Web into web/breez, and starts Chromium")
	}
	page := startBrowser(t)
	for name, start := range deployments {
		t.Run(name, func(t *testing.T) {
			servers := start(t)
			key := newKey(t)
			devices := map[string]device{
				"grpc-go":          {t, key, connect(t, servers[0].Address)},
				"gRPC-Web, binary": {t, key, webClient{page, "binary", "http://" + servers[1].Address}},
				"gRPC-Web, text":   {t, key, webClient{page, "text", "http://" + servers[0].Address}},
			}
			private, err := signing.NewPrivateKey(key.Serialize())
			if err != nil {
				t.Fatal(err)
			}
			api, err := client.New(servers[1].URL(), private)
			if err != nil {
				t.Fatal(err)
			}
			events, stop := iter.Pull2(api.Follow(t.Context(), ""))
			defer stop()
			if event, err, _ := events(); err != nil || event.Kind != client.CaughtUp {
				t.Fatalf("%v, %v", event, err)
			}
			streams := map[string]stream{}
			for name, d := range devices {
				streams[name] = d.hear()
			}
			mustAllHear := func(clientID string) {
				t.Helper()
				for _, s := range streams {
					s.mustHear(clientID)
				}
				if event, err, _ := events(); err != nil || event.Record.ClientID != clientID {
					t.Fatalf("the Go client hears %v, %v; want a change by %q", event, err, clientID)
				}
			}
			for name, d := range devices {
				testDevice(t, name, d, devices, api, mustAllHear)
			}
			testLocks(t, devices, api)
			if err := servers[1].Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := endOf(streams["gRPC-Web, binary"]); status.Code(err) != codes.Unavailable {
				t.Errorf("the stream in the browser ended by %v", err)
			}
		})
	}
}

// endOf is how a stream ends.
func endOf(s stream) (err error) {
	for err == nil {
		_, err = s.next()
	}
	return err
}

// testDevice has a device write, and the Go client delete it again.
func testDevice(t *testing.T, name string, d device, all map[string]device, api *client.Client, mustAllHear func(string)) {
	t.Helper()
	data := []byte(strings.Repeat(name, 1000))
	set := func(revision uint64) uint64 {
		t.Helper()
		reply, err := d.set(&syncpb.Record{Id: name, Data: data, Revision: revision, SchemaVersion: "1"}, name)
		if err != nil || reply.GetStatus() != syncpb.SetRecordStatus_SUCCESS {
			t.Fatalf("%s: %v, %v", name, reply, err)
		}
		mustAllHear(name)
		return reply.GetNewRevision()
	}
	mustAllHave := func(since, revision uint64) {
		t.Helper()
		for other, o := range all {
			got := o.list(since)
			if revision == 0 && len(got) > 0 || revision > 0 && (len(got) != 1 || got[0].GetRevision() != revision || string(got[0].GetData()) != string(data)) {
				t.Errorf("%s sees of %s: %d records", other, name, len(got))
			}
		}
	}
	first := set(0)
	mustAllHave(first-1, first)
	kept, err := api.Get(t.Context(), name)
	if err != nil || uint64(kept.Revision) != first || string(kept.Data) != string(data) {
		t.Errorf("by GraphQL: %+v, %v", kept, err)
	}
	if reply, err := d.set(&syncpb.Record{Id: name, Revision: first + 1}, name); err != nil || reply.GetStatus() != syncpb.SetRecordStatus_CONFLICT {
		t.Errorf("%s at another revision: %v, %v", name, reply, err)
	}
	if _, err := api.Delete(t.Context(), name, kept.Revision); err != nil {
		t.Fatal(err)
	}
	mustAllHear("")
	mustAllHave(first-1, 0)
	again := set(first) // older SDKs send what they know of it
	mustAllHave(again-1, again)
	if _, err := d.set(nil, name); status.Code(err) != codes.InvalidArgument || !strings.Contains(fmt.Sprint(err), "record must not be empty") {
		t.Errorf("%s without a record: %v", name, err)
	}
}

func testLocks(t *testing.T, devices map[string]device, api *client.Client) {
	t.Helper()
	instance := func(i int) string { return fmt.Sprintf("4f0ff2f8-5dd0-4ff4-9f8a-7a3e5c7e2e%02d", i) }
	i := 0
	for name, d := range devices {
		i++
		if err := d.lock(instance(i), true); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for other, o := range devices {
			if !o.locked() {
				t.Errorf("%s does not see that %s holds the lock", other, name)
			}
			if err := o.lock(instance(0), true); status.Code(err) != codes.FailedPrecondition {
				t.Errorf("%s takes the lock of %s: %v", other, name, err)
			}
		}
		if _, err := api.TryLock(t.Context(), "sync"); !errors.Is(err, client.ErrHeld) {
			t.Errorf("the Go client takes the lock of %s: %v", name, err)
		}
		if err := d.lock(instance(i), false); err != nil || d.locked() {
			t.Errorf("%s: released: %v", name, err)
		}
	}
	lease, err := api.TryLock(t.Context(), "sync")
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range devices {
		if err := d.lock(instance(0), true); !d.locked() || status.Code(err) != codes.FailedPrecondition {
			t.Errorf("%s takes the lock of the Go client: %v", name, err)
		}
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Error(err)
	}
}
