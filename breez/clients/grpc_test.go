// Package clients has the clients of Breez data-sync that are built with other
// libraries than the server's. It is a module of its own: the server needs none
// of them.
package clients

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"syncline/breez/syncpb"
	"syncline/internal/testservers"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

var zbase32 = base32.NewEncoding("ybndrfg8ejkmcpqxot1uwisza345h769").WithPadding(base32.NoPadding)

// device is a connection of grpc-go that asks every 5 s whether the server is there.
type device struct {
	*testing.T
	key        *secp256k1.PrivateKey
	connection *grpc.ClientConn
}

func newDevice(t *testing.T, key *secp256k1.PrivateKey, address string) device {
	t.Helper()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second, PermitWithoutStream: true}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return device{t, key, connection}
}

func (d device) sign(text string) string {
	first := sha256.Sum256([]byte("realtimesync:" + text))
	digest := sha256.Sum256(first[:])
	return zbase32.EncodeToString(ecdsa.SignCompact(d.key, digest[:], true))
}

func now() uint32 { return uint32(time.Now().Unix()) }

func (d device) call(name string, in, out proto.Message, options ...grpc.CallOption) error {
	return d.connection.Invoke(d.Context(), "/sync.Syncer/"+name, in, out, options...)
}

func (d device) set(r *syncpb.Record, clientID string, options ...grpc.CallOption) (*syncpb.SetRecordReply, error) {
	in := &syncpb.SetRecordRequest{Record: r, RequestTime: now(), ClientId: &clientID}
	in.Signature = d.sign(fmt.Sprintf("%s-%x-%d-%s-%d", r.GetId(), r.GetData(), r.GetRevision(), r.GetSchemaVersion(), in.GetRequestTime()))
	out := new(syncpb.SetRecordReply)
	return out, d.call("SetRecord", in, out, options...)
}

func (d device) list(since uint64) []*syncpb.Record {
	d.Helper()
	in := &syncpb.ListChangesRequest{SinceRevision: since, RequestTime: now()}
	in.Signature = d.sign(fmt.Sprintf("%d-%d", since, in.GetRequestTime()))
	out := new(syncpb.ListChangesReply)
	if err := d.call("ListChanges", in, out, grpc.MaxCallRecvMsgSize(4<<20)); err != nil { // its default
		d.Fatal(err)
	}
	return out.GetChanges()
}

func (d device) listen() grpc.ClientStream {
	d.Helper()
	ctx, cancel := context.WithCancel(d.Context())
	d.Cleanup(cancel)
	stream, err := d.connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/sync.Syncer/ListenChanges")
	if err != nil {
		d.Fatal(err)
	}
	in := &syncpb.ListenChangesRequest{RequestTime: now()}
	in.Signature = d.sign(fmt.Sprint(in.GetRequestTime()))
	if err := stream.SendMsg(in); err != nil {
		d.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		d.Fatal(err)
	}
	d.mustHear(stream, "")
	return stream
}

func (d device) mustHear(stream grpc.ClientStream, clientID string) {
	d.Helper()
	var n syncpb.Notification
	if err := stream.RecvMsg(&n); err != nil || n.GetClientId() != clientID {
		d.Fatalf("a notification of %q, %v; want %q", n.GetClientId(), err, clientID)
	}
}

func TestGRPCGo(t *testing.T) {
	server := testservers.StartSyncline(t, "BREEZ_COMPATIBILITY=true")
	key, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	one, two := newDevice(t, key, server.Address), newDevice(t, key, server.Address)
	heard := two.listen()
	written, err := one.set(&syncpb.Record{Id: "a", Data: make([]byte, 65_536), SchemaVersion: "1"}, "one")
	if err != nil || written.GetStatus() != syncpb.SetRecordStatus_SUCCESS {
		t.Fatalf("%v, %v", written, err)
	}
	two.mustHear(heard, "one")
	if got := two.list(0); len(got) != 1 || len(got[0].GetData()) != 65_536 || got[0].GetRevision() != written.GetNewRevision() {
		t.Fatalf("%d records", len(got))
	}
	if again, err := two.set(&syncpb.Record{Id: "a"}, "two", grpc.UseCompressor(gzip.Name)); err != nil || again.GetStatus() != syncpb.SetRecordStatus_CONFLICT {
		t.Fatalf("%v, %v", again, err)
	}
	if _, err := one.set(nil, "one"); status.Code(err) != codes.InvalidArgument {
		t.Errorf("no record: %v", err)
	}
	if _, err := one.set(&syncpb.Record{Id: "a", Data: make([]byte, 300_000)}, "one"); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message that is too large: %v", err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := heard.RecvMsg(new(syncpb.Notification)); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended by %v", err)
	}
}
