package load

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"google.golang.org/protobuf/proto"

	"syncline/auth/signing"
	"syncline/breez/syncpb"
)

// Calls of Breez data-sync's clients, by gRPC over HTTP/2 without encryption.

// GRPC is the path of a call.
func GRPC(call string) string { return "/sync.Syncer/" + call }

// NewGRPCConns makes so many connections of HTTP/2, spread over endpoints. Each serves
// one call at a time.
func NewGRPCConns(endpoints []*url.URL, n int) []*Conn {
	conns := make([]*Conn, n)
	for i := range conns {
		transport := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		conns[i] = &Conn{endpoint: endpoints[i%len(endpoints)], client: &http.Client{Timeout: requestTimeout, Transport: transport}}
	}
	return conns
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
	body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	return Request{Body: body, Header: http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}}, err
}

// grpcMessage decodes the message of an answer. A call that failed has none.
func grpcMessage(answer []byte, into proto.Message) error {
	const prefix = 5
	if len(answer) < prefix || answer[0] != 0 || int(binary.BigEndian.Uint32(answer[1:])) != len(answer)-prefix {
		return fmt.Errorf("%w: %d bytes", errUnexpected, len(answer))
	}
	return proto.Unmarshal(answer[prefix:], into)
}

// WasSet checks the answer to a write: it is decoded, as clients do.
func WasSet(answer []byte) error {
	reply := new(syncpb.SetRecordReply)
	if err := grpcMessage(answer, reply); err != nil {
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
	if err := grpcMessage(answer, reply); err != nil {
		return err
	}
	if len(reply.GetChanges()) != n {
		return fmt.Errorf("%w: %d records", errUnexpected, len(reply.GetChanges()))
	}
	return nil
}
