package breez_test

import (
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"syncline/breez/syncpb"
	"syncline/internal/testservers"
)

// What the signatures of these clients do not keep from happening: docs/security.md tells of it, so that
// nobody takes it for granted. None of it can be mended while their clients are in use.

// A signed text may be read in several ways, of calls and of fields.
func TestSignedTextsAreAmbiguous(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	d := device{t, newUser(t), protocols[0].client(t, server.Address), ""}
	if err := d.setLock(&syncpb.SetLockRequest{LockName: "42", InstanceId: phone, Acquire: true}); err != nil {
		t.Fatal(err)
	}
	listing := listRequest(d.user, 42, d.now())
	state, err := d.client.GetLock(t.Context(), connect.NewRequest(&syncpb.GetLockRequest{LockName: "42", RequestTime: listing.GetRequestTime(), Signature: listing.GetSignature()}))
	if err != nil || !state.Msg.GetLocked() {
		t.Errorf("GetLock by a signature of ListChanges: %v, %v", state, err)
	}
	d.set("a", []byte("x"), 0)
	asked := getLockRequest(d.user, "0", d.now())
	listed, err := d.client.ListChanges(t.Context(), connect.NewRequest(&syncpb.ListChangesRequest{RequestTime: asked.GetRequestTime(), Signature: asked.GetSignature()}))
	if err != nil || len(listed.Msg.GetChanges()) != 1 {
		t.Errorf("ListChanges by a signature of GetLock: %v, %v", listed, err)
	}

	meant := &syncpb.Record{Id: "b", Data: []byte{0x10}, Revision: 11, SchemaVersion: "12-3"}
	read := &syncpb.Record{Id: "b-10", Data: []byte{0x11}, Revision: 12, SchemaVersion: "3"}
	in := setRequest(d.user, meant, d.now(), "")
	in.Record = read
	written, err := d.client.SetRecord(t.Context(), connect.NewRequest(in))
	if err != nil || written.Msg.GetStatus() != syncpb.SetRecordStatus_SUCCESS {
		t.Fatalf("%v, %v", written, err)
	}
	if got := d.list(written.Msg.GetNewRevision() - 1); len(got) != 1 || got[0].GetId() != read.GetId() || string(got[0].GetData()) != string(read.GetData()) {
		t.Errorf("%v, want %v by a signature of %v", got, read, meant)
	}
}

// A call can be made again as it is, at this server and at others: a write is in conflict with itself, or is
// done again where the record is gone meanwhile, and a lock that was released is taken.
func TestCallsCanBeRepeated(t *testing.T) {
	t.Parallel()
	server, other := testservers.StartSyncline(t, switchedOn), testservers.StartSyncline(t, switchedOn)
	d := device{t, newUser(t), protocols[0].client(t, server.Address), ""}
	elsewhere := device{t, d.user, protocols[0].client(t, other.Address), ""}
	write := setRequest(d.user, &syncpb.Record{Id: "a", Data: []byte("x")}, d.now(), "")
	take := lockRequest(d.user, &syncpb.SetLockRequest{LockName: "l", InstanceId: phone, Acquire: true}, d.now())
	mustSet := func(d device, want syncpb.SetRecordStatus) {
		t.Helper()
		reply, err := d.client.SetRecord(t.Context(), connect.NewRequest(write))
		if err != nil || reply.Msg.GetStatus() != want {
			t.Errorf("%v, %v; want %v", reply, err, want)
		}
	}
	mustSet(d, syncpb.SetRecordStatus_SUCCESS)
	mustSet(d, syncpb.SetRecordStatus_CONFLICT)
	mustSet(elsewhere, syncpb.SetRecordStatus_SUCCESS)
	api := d.user.graphQL(t, server)
	if _, err := api.Delete(t.Context(), "a", mustGet(t, api, "a").Revision); err != nil {
		t.Fatal(err)
	}
	mustSet(d, syncpb.SetRecordStatus_SUCCESS)
	for _, d := range []device{d, d, elsewhere} {
		if _, err := d.client.SetLock(t.Context(), connect.NewRequest(take)); err != nil || !d.locked("l") {
			t.Errorf("the lock: %v", err)
		}
		if err := d.setLock(&syncpb.SetLockRequest{LockName: "l", InstanceId: phone}); err != nil || d.locked("l") {
			t.Errorf("the release: %v", err)
		}
	}
}

// client_id and ttl_seconds are not signed.
func TestUnsignedFields(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	d := device{t, newUser(t), protocols[0].client(t, server.Address), ""}
	heard := d.listen()
	write := setRequest(d.user, &syncpb.Record{Id: "a"}, d.now(), "signed beside")
	write.ClientId = proto.String("put in its place")
	if reply, err := d.client.SetRecord(t.Context(), connect.NewRequest(write)); err != nil || reply.Msg.GetStatus() != syncpb.SetRecordStatus_SUCCESS {
		t.Fatalf("%v, %v", reply, err)
	}
	heard.next("put in its place")
	take := lockRequest(d.user, &syncpb.SetLockRequest{LockName: "l", InstanceId: phone, Acquire: true, TtlSeconds: proto.Uint32(1)}, d.now())
	take.TtlSeconds = proto.Uint32(300)
	if _, err := d.client.SetLock(t.Context(), connect.NewRequest(take)); err != nil {
		t.Fatal(err)
	}
	lock, err := d.user.graphQL(t, server).LockState(t.Context(), "l")
	if err != nil || len(lock.Holders) != 1 {
		t.Fatalf("%+v, %v", lock, err)
	}
	if left := lock.Holders[0].ExpiresAt.Unix() - int64(take.GetRequestTime()); left < 100 {
		t.Errorf("the lock is held for %d s", left)
	}
}

// What is changed on its way is another owner's: its owner's data is as it was.
func TestAWrongSignatureIsAnotherOwner(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	d := device{t, newUser(t), protocols[0].client(t, server.Address), ""}
	revision := d.set("a", []byte("mine"), 0)
	write := setRequest(d.user, &syncpb.Record{Id: "a", Data: []byte("this"), Revision: revision}, d.now(), "")
	write.Record.Data = []byte("that")
	if reply, err := d.client.SetRecord(t.Context(), connect.NewRequest(write)); err != nil || reply.Msg.GetStatus() != syncpb.SetRecordStatus_SUCCESS {
		t.Fatalf("%v, %v", reply, err)
	}
	if got := d.list(0); len(got) != 1 || string(got[0].GetData()) != "mine" || got[0].GetRevision() != revision {
		t.Errorf("%v", got)
	}
}
