package breez_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"syncline/breez/syncpb"
	"syncline/breez/syncpb/syncpbconnect"
	"syncline/client"
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
	ask := func(by *http.Client) (proto int, status, kind, body string) {
		t.Helper()
		response, err := by.Post(server.URL(), "application/json", strings.NewReader(`{"query":"{ limits { maxRecordBytes maxPage maxBatch } }"}`))
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
	// So is what is signed, on the connection that the streams have.
	u := newUser(t)
	api := u.graphQL(t, server, client.WithHTTPClient(&http.Client{Transport: shared}))
	if _, err := api.Set(t.Context(), "a", []byte("signed"), 0); err != nil {
		t.Error(err)
	}
	if got := (device{t, u, calls.client(t, server.Address), ""}).list(0); len(got) != 1 || string(got[0].GetData()) != "signed" {
		t.Errorf("%v", got)
	}
	old, status, kind, body := ask(http.DefaultClient)
	proto2, status2, kind2, body2 := ask(&http.Client{Transport: shared})
	if old != 1 || proto2 != 2 || status2 != status || kind2 != kind || body2 != body || !strings.Contains(body, "65536") {
		t.Errorf("HTTP/%d: %s %s %s; HTTP/%d: %s %s %s", old, status, kind, body, proto2, status2, kind2, body2)
	}
}

// Whoever recovers keys, calls mean the same.
func TestRecoveries(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"decred", "shadow"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			server := testservers.StartSyncline(t, switchedOn, "SIGNATURE_RECOVERY="+by)
			u := newUser(t)
			one := device{t, u, protocols[0].client(t, server.Address), "one"}
			two := device{t, u, protocols[2].client(t, server.Address), "two"}
			api := u.graphQL(t, server) // the same owner
			testRecords(t, one, two, api)
			testLocks(t, one, two, api)
			in := listRequest(u, 0, one.now())
			in.Signature = strings.Repeat("y", 104)
			_, err := one.client.ListChanges(t.Context(), connect.NewRequest(in))
			mustFail(t, err, connect.CodeUnauthenticated, "signature")
		})
	}
}

// Pages of the origins that are named may call, and see what they have to; others may not.
func TestOrigins(t *testing.T) {
	t.Parallel()
	web := testservers.FreeAddress(t)
	server := testservers.StartSyncline(t, switchedOn, "ALLOWED_ORIGINS=https://wallet.example", "GRPC_WEB_LISTEN_ADDRESS="+web)
	ask := func(method, address, origin string) http.Header {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+"/sync.Syncer/GetLock", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header = http.Header{"Origin": {origin}, "Content-Type": {"application/grpc-web+proto"}}
		if method == http.MethodOptions {
			request.Header = http.Header{
				"Origin": {origin}, "Access-Control-Request-Method": {http.MethodPost},
				"Access-Control-Request-Headers": {"authorization,connect-protocol-version,connect-timeout-ms,content-type,grpc-timeout,user-agent,x-grpc-web,x-user-agent"},
			}
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.Header
	}
	for _, address := range []string{server.Address, web} {
		const named = "https://wallet.example"
		preflight := ask(http.MethodOptions, address, named)
		if got := preflight.Get("Access-Control-Allow-Origin"); got != named {
			t.Errorf("a preflight of %s is allowed to %q", named, got)
		}
		for _, name := range []string{"authorization", "content-type", "x-grpc-web", "user-agent", "x-user-agent", "grpc-timeout", "connect-protocol-version", "connect-timeout-ms"} {
			if !containsFold(preflight.Get("Access-Control-Allow-Headers"), name) {
				t.Errorf("%s may not be sent: %v", name, preflight)
			}
		}
		called := ask(http.MethodPost, address, named)
		if got := called.Get("Access-Control-Allow-Origin"); got != named {
			t.Errorf("an answer is for %q", got)
		}
		for _, name := range []string{"grpc-status", "grpc-message", "grpc-status-details-bin"} {
			if !containsFold(called.Get("Access-Control-Expose-Headers"), name) {
				t.Errorf("%s is not shown: %v", name, called)
			}
		}
		for _, method := range []string{http.MethodOptions, http.MethodPost} {
			if got := ask(method, address, "https://other.example").Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%s of another origin is allowed to %q", method, got)
			}
		}
	}
}

// The time limits of requests are lifted from streams alone: a call whose message does not come to its end is
// cut, whatever it is, while a stream that stands goes on.
func TestSlowCallsAreCut(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	u := newUser(t)
	d := device{t, u, protocols[0].client(t, server.Address), "after"}
	standing := d.listen()
	var group sync.WaitGroup
	for _, p := range []protocol{protocols[0], protocols[2], protocols[3]} {
		for _, call := range []string{"SetRecord", "ListChanges", "ListenChanges", "SetLock", "GetLock"} {
			group.Go(func() {
				body, rest := io.Pipe()
				defer rest.Close()
				go func() { _, _ = rest.Write([]byte{0, 0, 0, 0, 100, 1}) }() // of a hundred bytes the first
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+server.Address+"/sync.Syncer/"+call, body)
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("Content-Type", map[bool]string{true: "application/grpc", false: "application/grpc-web"}[p.name == "gRPC"])
				response, err := (&http.Client{Transport: p.transport(t), Timeout: time.Minute}).Do(request)
				if err != nil {
					if errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%s by %s waits for the rest: %v", call, p.name, err)
					}
					return // it was cut off
				}
				defer response.Body.Close()
				if _, err := io.Copy(io.Discard, response.Body); errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s by %s: %v", call, p.name, err)
				}
				if status := response.Header.Get("Grpc-Status") + response.Trailer.Get("Grpc-Status"); status == "0" {
					t.Errorf("%s by %s succeeds", call, p.name)
				}
			})
		}
	}
	group.Wait()
	d.set("a", nil, 0)
	standing.next("after")
}

// An answer that its client does not take is cut, too, after two minutes, while a stream whose client has
// nothing to take stands.
func TestUntakenAnswersAreCut(t *testing.T) {
	t.Parallel()
	if !verify {
		t.Skip("make verify runs it: it waits for the time limit of answers, 120 s")
	}
	server := testservers.StartSyncline(t, switchedOn, "LOG_LEVEL=info")
	u := newUser(t)
	fill(t, u.graphQL(t, server), 16, 64<<10)
	d := device{t, u, protocols[0].client(t, server.Address), "after"}
	standing := d.listen()
	transport := protocols[0].transport(t)
	transport.HTTP2.MaxReceiveBufferPerStream = 64 << 10
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+server.Address+"/sync.Syncer/ListChanges",
		bytes.NewReader(enveloped(0, mustMarshal(t, listRequest(u, 0, d.now())))))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/grpc")
	began := time.Now()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for !strings.Contains(server.Log(), "msg=call call=ListChanges ") {
		if <-tick.C; time.Since(began) > 4*time.Minute {
			t.Fatal("the answer is still on its way")
		}
	}
	if took := time.Since(began); took < time.Minute {
		t.Errorf("it was cut after %v", took)
	}
	d.set("a", nil, 0)
	standing.next("after")
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
	transport := &http.Transport{TLSClientConfig: trusting(t, certificate), ForceAttemptHTTP2: true}
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

// While Redis is away, which keeps the locks, a request for one is told so and takes nothing; records go on.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	redis := testservers.StartRedis(t)
	server := testservers.StartSyncline(t, switchedOn, "DATABASE_URL="+testservers.StartPostgres(t).NewURL(t), "REDIS_URL="+redis.URL())
	u := newUser(t)
	for _, p := range protocols {
		d := device{t, u, p.client(t, server.Address), ""}
		if err := d.setLock(&syncpb.SetLockRequest{LockName: "before", InstanceId: phone, Acquire: true}); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
	}
	redis.Kill()
	for _, p := range protocols {
		d := device{t, u, p.client(t, server.Address), ""}
		for what, in := range map[string]*syncpb.SetLockRequest{
			"exclusive": {LockName: p.name, InstanceId: phone, Acquire: true, Exclusive: true},
			"shared":    {LockName: p.name, InstanceId: phone, Acquire: true},
			"a renewal": {LockName: "before", InstanceId: phone, Acquire: true},
			"a release": {LockName: "before", InstanceId: phone},
		} {
			err := d.setLock(in)
			if mustFail(t, err, connect.CodeUnavailable, "try again"); err != nil && containsFold(err.Error(), "127.0.0.1") {
				t.Errorf("%s, %s: %v", p.name, what, err)
			}
		}
		_, err := d.client.GetLock(t.Context(), connect.NewRequest(getLockRequest(u, "before", d.now())))
		mustFail(t, err, connect.CodeUnavailable, "try again")
		d.set(p.name, nil, 0)
	}
	redis.Start()
	other := device{t, u, protocols[0].client(t, server.Address), ""}
	testservers.Await(t, "locks are kept again", func(context.Context) bool {
		_, err := other.client.GetLock(t.Context(), connect.NewRequest(getLockRequest(u, "before", other.now())))
		return err == nil
	})
	for _, p := range protocols { // nothing was granted
		if other.locked(p.name) {
			t.Errorf("%s: the lock is held", p.name)
		}
		var err error
		testservers.Await(t, "locks are given again", func(context.Context) bool {
			err = other.setLock(&syncpb.SetLockRequest{LockName: p.name, InstanceId: laptop, Acquire: true, Exclusive: true})
			return connect.CodeOf(err) != connect.CodeUnavailable || err == nil
		})
		if err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
	}
}

// Of a restore from backup, which begins a new epoch, these clients are told nothing: their positions from
// before go on, and revisions go on above all that were given.
func TestAfterARestore(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn)
	d := device{t, newUser(t), protocols[0].client(t, server.Address), "device"}
	first := d.set("a", []byte("kept"), 0)
	second := d.set("b", []byte("kept, too"), 0)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := testservers.Run(t, []string{"SQLITE_DIR_PATH=" + server.Dir}, "new-epoch"); err != nil {
		t.Fatal(err, stderr)
	}
	server.Start()
	listed := func(since uint64, want ...uint64) {
		t.Helper()
		var got []uint64
		for _, r := range d.list(since) {
			got = append(got, r.GetRevision())
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %d: revisions %d, want %d", since, got, want)
		}
	}
	const lost = 7 // a position of a device that saw what the backup lacks
	listed(0, first, second)
	listed(first, second)
	listed(second)
	listed(lost)
	heard := d.listen()
	if reply, err := d.trySet(t.Context(), &syncpb.Record{Id: "a", Revision: lost}); err != nil || reply.GetStatus() != syncpb.SetRecordStatus_CONFLICT {
		t.Errorf("over a revision that was lost: %v, %v", reply, err)
	}
	third := d.set("a", []byte("newer"), first)
	heard.next("device")
	if third <= 1<<50 {
		t.Errorf("revision %d follows a restore", third)
	}
	for _, since := range []uint64{second, lost} { // also the lost one's device hears of it
		listed(since, third)
	}
}
