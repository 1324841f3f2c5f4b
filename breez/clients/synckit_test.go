package clients

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/grpctransport"
	"syncline/synckit/transport/grpctransport/synckitpb"
)

const syncService = "/synckit.v1.SyncService/"

// serveSyncKit serves an empty log of synckit to a client of grpc-go.
func serveSyncKit(t *testing.T) *grpc.ClientConn {
	t.Helper()
	store := memory.New()
	serve := grpctransport.NewServer(store, nil)
	mux := http.NewServeMux()
	mux.Handle(serve.Handler())
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(func() { serve.Close(); server.Close(); store.Close() })
	opened, err := grpc.NewClient(strings.TrimPrefix(server.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	return opened
}

// Clients of grpc-go push to a log of synckit, pull from it, and follow it.
func TestSyncKitServesOtherClients(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn := serveSyncKit(t)

	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, syncService+"Follow")
	if err != nil {
		t.Fatal(err)
	}
	from := &synckitpb.FollowRequest{From: &synckitpb.FollowRequest_End{End: true}}
	if err := errors.Join(stream.SendMsg(from), stream.CloseSend()); err != nil {
		t.Fatal(err)
	}
	stands := new(synckitpb.FollowResponse)
	if err := stream.RecvMsg(stands); err != nil || len(stands.GetEvents()) > 0 || stands.GetCursor() == "" {
		t.Fatalf("%v, %v", stands, err)
	}

	event := &synckitpb.Event{Id: "e1", Type: "Noted", AggregateId: "n", Data: []byte(`{"n":1}`)}
	pushed := new(synckitpb.PushResponse)
	request := &synckitpb.PushRequest{Events: []*synckitpb.Event{event, {Id: ""}}}
	if err := conn.Invoke(ctx, syncService+"Push", request, pushed, grpc.UseCompressor(gzip.Name)); err != nil {
		t.Fatal(err)
	}
	if len(pushed.GetStored()) != 1 || pushed.GetRefused()[""].GetCode() != "INVALID_EVENT" {
		t.Errorf("%v", pushed)
	}

	pulled := new(synckitpb.PullResponse)
	if err := conn.Invoke(ctx, syncService+"Pull", &synckitpb.PullRequest{}, pulled); err != nil {
		t.Fatal(err)
	}
	news := new(synckitpb.FollowResponse)
	if err := stream.RecvMsg(news); err != nil {
		t.Fatal(err)
	}
	for name, events := range map[string][][]byte{"pulled": pulled.GetEvents(), "followed": news.GetEvents()} {
		got := new(synckitpb.Event)
		if len(events) != 1 || proto.Unmarshal(events[0], got) != nil || got.GetId() != "e1" || string(got.GetData()) != `{"n":1}` {
			t.Errorf("%s: %v", name, events)
		}
	}
	if news.GetCursor() != pulled.GetCursor() {
		t.Errorf("two cursors for one place: %q, %q", news.GetCursor(), pulled.GetCursor())
	}

	err = conn.Invoke(ctx, syncService+"Pull", &synckitpb.PullRequest{Cursor: "other.MQ.x"}, pulled)
	told := status.Convert(err)
	if told.Code() != codes.FailedPrecondition || len(told.Details()) != 1 {
		t.Fatalf("another log's cursor: %v, %v", err, told.Details())
	}
	if fault, ok := told.Details()[0].(*synckitpb.Fault); !ok || fault.GetCode() != "CURSOR_LOST" {
		t.Errorf("%v", told.Details())
	}
}
