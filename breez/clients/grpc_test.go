// Package clients has the clients of Breez data-sync that are built with other
// libraries than the server's. It is a module of its own: the server needs none
// of them.
package clients

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
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

// switchedOn is what an operator sets.
const switchedOn = "BREEZ_COMPATIBILITY=true"

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

var zbase32 = base32.NewEncoding("ybndrfg8ejkmcpqxot1uwisza345h769").WithPadding(base32.NoPadding)

// A transport makes calls. Errors have the status of gRPC.
type transport interface {
	call(ctx context.Context, name string, in, out proto.Message) error
	// listen opens a stream, whose notifications next answers.
	listen(ctx context.Context, in *syncpb.ListenChangesRequest) (next func() (*syncpb.Notification, error), err error)
}

// device is one of a user's.
type device struct {
	*testing.T
	key *secp256k1.PrivateKey
	transport
}

// connection is one of grpc-go that asks every 10 s, the least that it can, whether the
// server is there.
type connection struct{ *grpc.ClientConn }

func connect(t *testing.T, address string) connection {
	t.Helper()
	opened, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second, PermitWithoutStream: true}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	return connection{opened}
}

func (c connection) call(ctx context.Context, name string, in, out proto.Message) error {
	return c.Invoke(ctx, "/sync.Syncer/"+name, in, out, grpc.MaxCallRecvMsgSize(4<<20)) // its default
}

func (c connection) listen(ctx context.Context, in *syncpb.ListenChangesRequest) (func() (*syncpb.Notification, error), error) {
	stream, err := c.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/sync.Syncer/ListenChanges")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(stream.SendMsg(in), stream.CloseSend()); err != nil {
		return nil, err
	}
	return func() (*syncpb.Notification, error) {
		n := new(syncpb.Notification)
		return n, stream.RecvMsg(n)
	}, nil
}

// compressed has messages compressed.
type compressed struct{ connection }

func (c compressed) call(ctx context.Context, name string, in, out proto.Message) error {
	return c.Invoke(ctx, "/sync.Syncer/"+name, in, out, grpc.UseCompressor(gzip.Name))
}

func (d device) sign(text string) string {
	first := sha256.Sum256([]byte("realtimesync:" + text))
	digest := sha256.Sum256(first[:])
	return zbase32.EncodeToString(ecdsa.SignCompact(d.key, digest[:], true))
}

func now() uint32 { return uint32(time.Now().Unix()) }

func (d device) set(r *syncpb.Record, clientID string) (*syncpb.SetRecordReply, error) {
	in := &syncpb.SetRecordRequest{Record: r, RequestTime: now(), ClientId: &clientID}
	in.Signature = d.sign(fmt.Sprintf("%s-%x-%d-%s-%d", r.GetId(), r.GetData(), r.GetRevision(), r.GetSchemaVersion(), in.GetRequestTime()))
	out := new(syncpb.SetRecordReply)
	return out, d.call(d.Context(), "SetRecord", in, out)
}

func (d device) list(since uint64) []*syncpb.Record {
	d.Helper()
	out := new(syncpb.ListChangesReply)
	if err := d.call(d.Context(), "ListChanges", d.listRequest(since), out); err != nil {
		d.Fatal(err)
	}
	return out.GetChanges()
}

func (d device) listRequest(since uint64) *syncpb.ListChangesRequest {
	in := &syncpb.ListChangesRequest{SinceRevision: since, RequestTime: now()}
	in.Signature = d.sign(fmt.Sprintf("%d-%d", since, in.GetRequestTime()))
	return in
}

// lock takes an exclusive lock, or releases it.
func (d device) lock(instance string, acquire bool) error {
	in := &syncpb.SetLockRequest{LockName: "sync", InstanceId: instance, Acquire: acquire, Exclusive: true, RequestTime: now()}
	in.Signature = d.sign(fmt.Sprintf("%s-%s-%t-%t-%d", in.GetLockName(), in.GetInstanceId(), in.GetAcquire(), in.GetExclusive(), in.GetRequestTime()))
	return d.call(d.Context(), "SetLock", in, new(syncpb.SetLockReply))
}

func (d device) locked() bool {
	d.Helper()
	in := &syncpb.GetLockRequest{LockName: "sync", RequestTime: now()}
	in.Signature = d.sign(fmt.Sprintf("%s-%d", in.GetLockName(), in.GetRequestTime()))
	out := new(syncpb.GetLockReply)
	if err := d.call(d.Context(), "GetLock", in, out); err != nil {
		d.Fatal(err)
	}
	return out.GetLocked()
}

// stream is an open call of ListenChanges.
type stream struct {
	*testing.T
	next func() (*syncpb.Notification, error)
}

// hear opens a stream, and takes what tells that it stands.
func (d device) hear() stream {
	d.Helper()
	ctx, cancel := context.WithCancel(d.Context())
	d.Cleanup(cancel)
	next, err := d.listen(ctx, d.listenRequest())
	if err != nil {
		d.Fatal(err)
	}
	s := stream{d.T, next}
	s.mustHear("")
	return s
}

func (d device) listenRequest() *syncpb.ListenChangesRequest {
	in := &syncpb.ListenChangesRequest{RequestTime: now()}
	in.Signature = d.sign(fmt.Sprint(in.GetRequestTime()))
	return in
}

// mustHear waits for a notification of a device. Those of none may come at any time.
func (s stream) mustHear(clientID string) {
	s.Helper()
	for {
		n, err := s.next()
		if err != nil {
			s.Fatalf("%v; want a notification of %q", err, clientID)
		}
		if n.GetClientId() == clientID {
			return
		}
		if n.ClientId != nil {
			s.Fatalf("a notification of %q; want %q", n.GetClientId(), clientID)
		}
	}
}

func newKey(t *testing.T) *secp256k1.PrivateKey {
	t.Helper()
	key, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestGRPCGo(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	key := newKey(t)
	connected := connect(t, server.Address)
	one, two := device{t, key, connected}, device{t, key, compressed{connect(t, server.Address)}}
	heard := two.hear()
	written, err := one.set(&syncpb.Record{Id: "a", Data: make([]byte, 65_536), SchemaVersion: "1"}, "one")
	if err != nil || written.GetStatus() != syncpb.SetRecordStatus_SUCCESS {
		t.Fatalf("%v, %v", written, err)
	}
	heard.mustHear("one")
	if got := two.list(0); len(got) != 1 || len(got[0].GetData()) != 65_536 || got[0].GetRevision() != written.GetNewRevision() {
		t.Fatalf("%d records", len(got))
	}
	if again, err := two.set(&syncpb.Record{Id: "a"}, "two"); err != nil || again.GetStatus() != syncpb.SetRecordStatus_CONFLICT {
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
	if _, err := heard.next(); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended by %v", err)
	}
}
