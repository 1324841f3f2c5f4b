package breez_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"syncline/breez/syncpb"
	"syncline/breez/syncpb/syncpbconnect"
	"syncline/internal/testservers"
)

// GraphQL is what it was: the bound on calls of a connection that GRPC_LISTEN_ADDRESS has does
// not hold for it, and it answers over HTTP/2 as over HTTP/1.1.
func TestGraphQLBesideGRPC(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn, "GRPC_LISTEN_ADDRESS="+testservers.FreeAddress(t))
	one := new(http.Protocols)
	one.SetUnencryptedHTTP2(true)
	shared := &http.Transport{Protocols: one, HTTP2: &http.HTTP2Config{StrictMaxConcurrentRequests: true}} // one connection for all
	t.Cleanup(shared.CloseIdleConnections)
	ask := func(client *http.Client) (proto int, status, kind, body string) {
		t.Helper()
		response, err := client.Post(server.URL(), "application/json", strings.NewReader(`{"query":"{ limits { maxRecordBytes maxPage maxBatch } }"}`))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.ProtoMajor, response.Status[:3], response.Header.Get("Content-Type"), string(answer)
	}
	calls := protocols[0]
	calls.shared = shared
	for range 8 {
		device{t, newUser(t), calls.client(t, server.Address), ""}.listen()
	}
	old, status, kind, body := ask(http.DefaultClient)
	proto2, status2, kind2, body2 := ask(&http.Client{Transport: shared})
	if old != 1 || proto2 != 2 || status2 != status || kind2 != kind || body2 != body || !strings.Contains(body, "65536") {
		t.Errorf("HTTP/%d: %s %s %s; HTTP/%d: %s %s %s", old, status, kind, body, proto2, status2, kind2, body2)
	}
}

// What cannot be reached is told as something that passes, and nothing of it.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	postgres := testservers.StartPostgres(t)
	server := testservers.StartSyncline(t, switchedOn, "DATABASE_URL="+postgres.NewURL(t))
	d := device{t, newUser(t), protocols[0].client(t, server.Address), ""}
	d.set("a", nil, 0)
	postgres.Stop()
	_, set := d.trySet(t.Context(), &syncpb.Record{Id: "b"})
	_, list := d.client.ListChanges(t.Context(), connect.NewRequest(listRequest(d.user, 0, d.now())))
	lock := d.setLock(&syncpb.SetLockRequest{LockName: "l", InstanceId: phone, Acquire: true})
	_, state := d.client.GetLock(t.Context(), connect.NewRequest(getLockRequest(d.user, "l", d.now())))
	listening := d.open()
	if listening.Receive() {
		t.Error("ListenChanges: it tells that it stands")
	}
	for call, err := range map[string]error{"SetRecord": set, "ListChanges": list, "SetLock": lock, "GetLock": state, "ListenChanges": listening.Err()} {
		if connect.CodeOf(err) != connect.CodeUnavailable || containsFold(err.Error(), "sql") || containsFold(err.Error(), "127.0.0.1") || containsFold(err.Error(), "connection") {
			t.Errorf("%s: %v", call, err)
		}
	}
}

// Where Syncline encrypts by itself, gRPC and gRPC-Web go by its TLS, at each address.
func TestByTLS(t *testing.T) {
	t.Parallel()
	certificate, err := testservers.NewCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	grpc, web := testservers.FreeAddress(t), testservers.FreeAddress(t)
	server := testservers.StartSyncline(t, switchedOn, "TLS_CERT_FILE="+certificate.File, "TLS_KEY_FILE="+certificate.KeyFile,
		"GRPC_LISTEN_ADDRESS="+grpc, "GRPC_WEB_LISTEN_ADDRESS="+web)
	pem, err := os.ReadFile(certificate.File)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	reach := func(address string, form connect.ClientOption) device {
		return device{t, newUser(t), syncpbconnect.NewSyncerClient(&http.Client{Transport: transport}, "https://"+address, form), "by TLS"}
	}
	for _, d := range []device{
		reach(server.Address, connect.WithGRPC()), reach(server.Address, connect.WithGRPCWeb()), reach(grpc, connect.WithGRPC()), reach(web, connect.WithGRPCWeb()),
	} {
		heard := d.listen()
		d.set("a", []byte("hello"), 0)
		heard.next("by TLS")
		if got := d.list(0); len(got) != 1 || string(got[0].GetData()) != "hello" {
			t.Errorf("%v", got)
		}
	}
}
