package load

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/url"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"syncline/auth/signing"
	"syncline/breez/syncpb"
)

// Calls of Breez data-sync's clients, by gRPC over HTTP/2 without encryption, with grpc-go. The client of
// net/http would tell the server of each 4 KiB that it read, with a system call of its own on both sides.

// GRPC is the path of a call.
func GRPC(call string) string { return "/sync.Syncer/" + call }

// grpcWindow is what a server may send before the client has read it: as much as the clients that are in use,
// which are built with tonic, let it send in a call.
const grpcWindow = 2 << 20

// NewGRPCConns makes so many connections, spread over endpoints. Each serves one call at a
// time. They connect with their first calls.
func NewGRPCConns(endpoints []*url.URL, n int) ([]*Conn, error) {
	conns := make([]*Conn, 0, n)
	for i := range n {
		endpoint := endpoints[i%len(endpoints)]
		opened, err := grpc.NewClient("passthrough:///"+endpoint.Host, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithInitialWindowSize(grpcWindow), grpc.WithInitialConnWindowSize(grpcWindow), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(encoded{})))
		if err != nil {
			CloseAll(conns)
			return nil, err
		}
		conns = append(conns, &Conn{endpoint: endpoint, calls: opened})
	}
	return conns, nil
}

// call makes a call with an encoded message, and reads the encoded reply.
func (c *Conn) call(ctx context.Context, message []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := c.calls.Invoke(ctx, c.endpoint.Path, message, &c.answer)
	return c.answer.Bytes(), err
}

// encoded leaves messages as they are: those that are sent were encoded before, and replies are decoded by who
// checks them.
type encoded struct{}

// Name implements encoding.CodecV2.
func (encoded) Name() string { return "proto" }

// Marshal implements encoding.CodecV2.
func (encoded) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(message.([]byte))}, nil
}

// Unmarshal implements encoding.CodecV2.
func (encoded) Unmarshal(data mem.BufferSlice, reply any) error {
	into := reply.(*bytes.Buffer)
	into.Reset()
	for _, part := range data {
		into.Write(part.ReadOnlyData())
	}
	return nil
}

var zbase32 = base32.NewEncoding("ybndrfg8ejkmcpqxot1uwisza345h769").WithPadding(base32.NoPadding)

// signText signs as these clients do. It is accepted for 300 seconds.
func (o Owner) signText(text string) string {
	first := sha256.Sum256([]byte("realtimesync:" + text))
	signature := signing.Sign(o.key, string(first[:])) // of SHA-256 of it
	return zbase32.EncodeToString(signature[:])
}

// SetCall writes a new record.
func (o Owner) SetCall(id string, data []byte) (Request, error) {
	at := uint32(time.Now().Unix())
	in := &syncpb.SetRecordRequest{Record: &syncpb.Record{Id: id, Data: data}, RequestTime: at}
	in.Signature = o.signText(fmt.Sprintf("%s-%x-0--%d", id, data, at))
	return grpcRequest(in)
}

// ListCall asks for all changes.
func (o Owner) ListCall() (Request, error) {
	at := uint32(time.Now().Unix())
	return grpcRequest(&syncpb.ListChangesRequest{RequestTime: at, Signature: o.signText(fmt.Sprintf("0-%d", at))})
}

func grpcRequest(in proto.Message) (Request, error) {
	message, err := proto.Marshal(in)
	return Request{Body: message}, err
}

// WasSet checks the answer to a write: it is decoded, as clients do.
func WasSet(answer []byte) error {
	reply := new(syncpb.SetRecordReply)
	if err := proto.Unmarshal(answer, reply); err != nil {
		return err
	}
	if reply.GetStatus() != syncpb.SetRecordStatus_SUCCESS || reply.GetNewRevision() == 0 {
		return fmt.Errorf("%w: %v", errUnexpected, reply)
	}
	return nil
}

// HasChanges checks a reply of ListChanges once: it must have so many records.
func HasChanges(answer []byte, n int) error {
	reply := new(syncpb.ListChangesReply)
	if err := proto.Unmarshal(answer, reply); err != nil {
		return err
	}
	if len(reply.GetChanges()) != n {
		return fmt.Errorf("%w: %d records", errUnexpected, len(reply.GetChanges()))
	}
	return nil
}
