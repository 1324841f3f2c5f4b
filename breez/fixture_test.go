package breez_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base32"
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"google.golang.org/protobuf/proto"

	"syncline/auth/signing"
	"syncline/breez/syncpb"
	"syncline/breez/syncpb/syncpbconnect"
	"syncline/client"
	"syncline/internal/testservers"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// switchedOn is what an operator sets.
const switchedOn = "BREEZ_COMPATIBILITY=true"

// A protocol is how clients speak.
type protocol struct {
	name    string
	options []connect.ClientOption
	http2   bool
	strict  bool            // no second connection while the first is full
	shared  *http.Transport // is used as it is; nil: each client has one of its own
	tls     *tls.Config     // nil: nothing is encrypted
}

var protocols = []protocol{
	{name: "gRPC", options: []connect.ClientOption{connect.WithGRPC()}, http2: true},
	{name: "gRPC, compressed", options: []connect.ClientOption{connect.WithGRPC(), connect.WithSendGzip()}, http2: true},
	{name: "gRPC-Web over HTTP/1.1", options: []connect.ClientOption{connect.WithGRPCWeb()}, http2: false},
	{name: "gRPC-Web over HTTP/2", options: []connect.ClientOption{connect.WithGRPCWeb()}, http2: true},
	{name: "Connect", options: nil, http2: false},
	{name: "Connect in JSON", options: []connect.ClientOption{connect.WithProtoJSON()}, http2: false},
	{name: "gRPC in JSON", options: []connect.ClientOption{connect.WithGRPC(), connect.WithProtoJSON()}, http2: true},
}

// compressed is a protocol whose messages are compressed.
func (p protocol) compressed() protocol {
	p.name += ", compressed"
	p.options = append(slices.Clone(p.options), connect.WithSendGzip())
	return p
}

func (p protocol) client(t *testing.T, address string) syncpbconnect.SyncerClient {
	t.Helper()
	scheme := "http://"
	if p.tls != nil {
		scheme = "https://"
	}
	return syncpbconnect.NewSyncerClient(&http.Client{Transport: p.transport(t)}, scheme+address, p.options...)
}

func (p protocol) transport(t *testing.T) *http.Transport {
	t.Helper()
	if p.shared != nil {
		return p.shared
	}
	transport := new(http.Transport)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(!p.http2)
	if p.tls == nil {
		transport.Protocols.SetUnencryptedHTTP2(p.http2)
	} else {
		transport.Protocols.SetHTTP2(p.http2)
		transport.TLSClientConfig = p.tls.Clone()
	}
	transport.HTTP2 = &http.HTTP2Config{ // it pings as the SDKs do, also while nothing is to be heard
		StrictMaxConcurrentRequests: p.strict, SendPingTimeout: 5 * time.Second, PingTimeout: time.Minute,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// user is a key with which devices sign.
type user struct{ key *secp256k1.PrivateKey }

func newUser(t *testing.T) user {
	t.Helper()
	key, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	return user{key}
}

var alphabet = base32.NewEncoding("ybndrfg8ejkmcpqxot1uwisza345h769").WithPadding(base32.NoPadding)

func (u user) sign(text string) string {
	first := sha256.Sum256([]byte("realtimesync:" + text))
	digest := sha256.Sum256(first[:])
	return alphabet.EncodeToString(ecdsa.SignCompact(u.key, digest[:], true))
}

// graphQL is the same user over the GraphQL API.
func (u user) graphQL(t *testing.T, server *testservers.Syncline, options ...client.Option) *client.Client {
	t.Helper()
	key, err := signing.NewPrivateKey(u.key.Serialize())
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(server.URL(), key, options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// device is one of a user's.
type device struct {
	t      *testing.T
	user   user
	client syncpbconnect.SyncerClient
	name   string // its client_id; empty: none
}

func (d device) now() uint32 { return uint32(time.Now().Unix()) }

func setRequest(u user, r *syncpb.Record, at uint32, name string) *syncpb.SetRecordRequest {
	in := &syncpb.SetRecordRequest{Record: r, RequestTime: at}
	in.Signature = u.sign(fmt.Sprintf("%s-%x-%d-%s-%d", r.GetId(), r.GetData(), r.GetRevision(), r.GetSchemaVersion(), at))
	if name != "" {
		in.ClientId = &name
	}
	return in
}

func listRequest(u user, since uint64, at uint32) *syncpb.ListChangesRequest {
	return &syncpb.ListChangesRequest{SinceRevision: since, RequestTime: at, Signature: u.sign(fmt.Sprintf("%d-%d", since, at))}
}

func lockRequest(u user, in *syncpb.SetLockRequest, at uint32) *syncpb.SetLockRequest {
	in = proto.CloneOf(in)
	in.RequestTime = at
	in.Signature = u.sign(fmt.Sprintf("%s-%s-%t-%t-%d", in.GetLockName(), in.GetInstanceId(), in.GetAcquire(), in.GetExclusive(), at))
	return in
}

func getLockRequest(u user, name string, at uint32) *syncpb.GetLockRequest {
	return &syncpb.GetLockRequest{LockName: name, RequestTime: at, Signature: u.sign(fmt.Sprintf("%s-%d", name, at))}
}

func listenRequest(u user, at uint32) *syncpb.ListenChangesRequest {
	return &syncpb.ListenChangesRequest{RequestTime: at, Signature: u.sign(fmt.Sprint(at))}
}

func (d device) trySet(ctx context.Context, r *syncpb.Record) (*syncpb.SetRecordReply, error) {
	reply, err := d.client.SetRecord(ctx, connect.NewRequest(setRequest(d.user, r, d.now(), d.name)))
	if err != nil {
		return nil, err
	}
	return reply.Msg, nil
}

// set writes a record, which must succeed, and answers its revision.
func (d device) set(id string, data []byte, revision uint64) uint64 {
	d.t.Helper()
	reply, err := d.trySet(d.t.Context(), &syncpb.Record{Id: id, Data: data, Revision: revision, SchemaVersion: "1"})
	if err != nil || reply.GetStatus() != syncpb.SetRecordStatus_SUCCESS {
		d.t.Fatalf("%v, %v", reply, err)
	}
	return reply.GetNewRevision()
}

func (d device) list(since uint64) []*syncpb.Record {
	d.t.Helper()
	reply, err := d.client.ListChanges(d.t.Context(), connect.NewRequest(listRequest(d.user, since, d.now())))
	if err != nil {
		d.t.Fatal(err)
	}
	return reply.Msg.GetChanges()
}

func (d device) setLock(in *syncpb.SetLockRequest) error {
	_, err := d.client.SetLock(d.t.Context(), connect.NewRequest(lockRequest(d.user, in, d.now())))
	return err
}

func (d device) locked(name string) bool {
	d.t.Helper()
	reply, err := d.client.GetLock(d.t.Context(), connect.NewRequest(getLockRequest(d.user, name, d.now())))
	if err != nil {
		d.t.Fatal(err)
	}
	return reply.Msg.GetLocked()
}

// stream is an open call of ListenChanges.
type stream struct {
	t *testing.T
	*connect.ServerStreamForClient[syncpb.Notification]
}

// listen opens a stream, and takes what tells that it stands.
func (d device) listen() stream {
	d.t.Helper()
	s := d.open()
	s.next("")
	return s
}

func (d device) open() stream {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 4*time.Minute)
	opened, err := d.client.ListenChanges(ctx, connect.NewRequest(listenRequest(d.user, d.now())))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { cancel(); opened.Close() })
	return stream{d.t, opened}
}

// next takes the next notification, which must be of this device. Those of none may come
// at any time: a broker that was lost for a moment has everybody pull.
func (s stream) next(clientID string) {
	s.t.Helper()
	more := s.Receive()
	for more && clientID != "" && s.Msg().ClientId == nil {
		more = s.Receive()
	}
	if !more {
		s.t.Fatalf("the stream ended: %v", s.Err())
	}
	if got := s.Msg(); got.GetClientId() != clientID || (got.ClientId == nil) != (clientID == "") {
		s.t.Fatalf("a notification of %q, want %q", got.GetClientId(), clientID)
	}
}

// mustFail checks the status of an error, and what its message has.
func mustFail(t *testing.T, err error, code connect.Code, message string) {
	t.Helper()
	if connect.CodeOf(err) != code || err == nil {
		t.Errorf("error %v, want %v", err, code)
		return
	}
	if !containsFold(err.Error(), message) {
		t.Errorf("error %q, want %q in it", err, message)
	}
}
