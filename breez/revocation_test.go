package breez_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	"syncline/auth"
	"syncline/auth/recovery"
	"syncline/auth/signing"
	"syncline/breez"
	"syncline/breez/syncpb"
	"syncline/breez/syncpb/syncpbconnect"
	"syncline/client"
	"syncline/feed"
	"syncline/internal/budget"
	"syncline/internal/ratelimit"
	"syncline/internal/testservers"
	"syncline/pubsub/inproc"
	"syncline/record"
	"syncline/storage/records"
)

// revocationList is a server at CRL_URL.
type revocationList struct {
	url  string
	list atomic.Value // what it answers
}

func serveRevocations(t *testing.T) *revocationList {
	t.Helper()
	l := new(revocationList)
	l.list.Store("none")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, l.list.Load().(string))
	}))
	t.Cleanup(server.Close)
	l.url = server.URL
	return l
}

// serveCertified serves calls in this process, over SQLite, to those who have a certificate. The list
// of those that are revoked is fetched, and streams are judged by it, all the time. What else is set,
// change sets.
func serveCertified(t *testing.T, ca string, list *revocationList, change func(*breez.Config)) (address string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	certificates, err := auth.NewCertificates(ca, auth.CertificateOptions{RevocationURL: list.url, RefreshEvery: 50 * time.Millisecond, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	go certificates.Run(t.Context())
	testservers.Await(t, "the list was fetched", func(context.Context) bool { return certificates.Ready() })

	db := testservers.SQLite(t)
	engine := db.NewEngine()
	t.Cleanup(func() { engine.Close(context.Background()) })
	bus := inproc.New()
	written := record.NewService(records.New(db, engine), bus, log)
	var unlimited *ratelimit.Gate
	config := breez.Config{
		Records: written, Feed: feed.New(written, bus, time.Minute, log), Bus: bus,
		Verifier: auth.NewVerifier(auth.Authorities{}, auth.NewMemoryNonces(1, time.Now), auth.Options{Certificates: certificates}),
		Recover:  recovery.PublicKey, Limiter: unlimited, Output: budget.New(64 << 20),
		MaxStreams: 100, MaxAge: time.Hour, RecheckInterval: 50 * time.Millisecond,
		Log: log, Observe: func(string, string, time.Duration) {}, Refused: func(string) {},
	}
	change(&config)
	calls := breez.New(config)
	server := httptest.NewUnstartedServer(calls)
	server.Config.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelError)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		if err := calls.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server.Listener.Addr().String()
}

// listenAs opens a stream with a certificate.
func listenAs(t *testing.T, c syncpbconnect.SyncerClient, u user, certificate []byte) stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	opened, err := c.ListenChanges(ctx, withHeader(listenRequest(u, uint32(time.Now().Unix())), bearer(certificate)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); opened.Close() })
	return stream{t, opened}
}

// revoke revokes the first of two certificates of one owner's devices, who listen by every protocol, and
// calls others before it looks at what became of the second one's.
func revoke(t *testing.T, address string, list *revocationList, u user, certificates [][]byte, others func()) {
	t.Helper()
	var revoked, kept []stream
	for _, p := range protocols {
		c := p.client(t, address)
		revoked, kept = append(revoked, listenAs(t, c, u, certificates[0])), append(kept, listenAs(t, c, u, certificates[1]))
	}
	for _, s := range append(revoked, kept...) {
		s.next("")
	}
	list.list.Store("7")
	for i, s := range revoked {
		for s.Receive() { // of nobody: nothing is written
		}
		if connect.CodeOf(s.Err()) != connect.CodePermissionDenied || !containsFold(s.Err().Error(), "revoked") {
			t.Errorf("%s: the stream ended by %v", protocols[i].name, s.Err())
		}
	}
	others()
	c := protocols[0].client(t, address)
	late := setRequest(u, &syncpb.Record{Id: "a"}, uint32(time.Now().Unix()), "late")
	if reply, err := c.SetRecord(t.Context(), withHeader(late, bearer(certificates[1]))); err != nil || reply.Msg.GetStatus() != syncpb.SetRecordStatus_SUCCESS {
		t.Fatalf("%v, %v", reply, err)
	}
	for _, s := range kept {
		s.next("late")
	}
	if again := listenAs(t, c, u, certificates[0]); again.Receive() || connect.CodeOf(again.Err()) != connect.CodePermissionDenied {
		t.Errorf("listening again: %v", again.Err())
	}
}

// A certificate that is revoked ends the streams that were opened with it, and no others.
func TestRevokedWhileListening(t *testing.T) {
	t.Parallel()
	ca, certificates := issue(t, 7, 8)
	list := serveRevocations(t)
	revoke(t, serveCertified(t, ca, list, func(*breez.Config) {}), list, newUser(t), certificates, func() {})
}

// A certificate that is revoked ends its streams also while their owner owes bytes.
func TestRevokedWhileHeldBack(t *testing.T) {
	t.Parallel()
	ca, certificates := issue(t, 7)
	list := serveRevocations(t)
	gate := ratelimit.New(ratelimit.Limits{BytesOut: 5}, ratelimit.Options{Log: slog.New(slog.DiscardHandler), Stays: breez.Stays}) // 300 at once
	address := serveCertified(t, ca, list, func(c *breez.Config) { c.Limiter, c.Guard = gate, gate.Middleware })
	u := newUser(t)
	c := protocols[0].client(t, address)
	var streams []stream
	for range 40 { // which then are told 2840 bytes
		s := listenAs(t, c, u, certificates[0])
		s.next("")
		streams = append(streams, s)
	}
	in := setRequest(u, &syncpb.Record{Id: "a"}, uint32(time.Now().Unix()), names[0])
	if _, err := c.SetRecord(t.Context(), withHeader(in, bearer(certificates[0]))); err != nil {
		t.Fatal(err)
	}
	for _, s := range streams {
		s.next(names[0])
	}
	list.list.Store("7")
	for _, s := range streams {
		if s.Receive() {
			t.Fatalf("it tells of %v", s.Msg())
		}
		mustFail(t, s.Err(), connect.CodePermissionDenied, "revoked")
	}
}

// However early a stream is old: its client has heard that it stands, and comes back.
func TestOldStreamsHaveStood(t *testing.T) {
	t.Parallel()
	ca, certificates := issue(t, 7)
	address := serveCertified(t, ca, serveRevocations(t), func(c *breez.Config) { c.MaxAge = 1 })
	for _, p := range protocols {
		s := listenAs(t, p.client(t, address), newUser(t), certificates[0])
		s.next("")
		if s.Receive() {
			t.Errorf("%s: it tells of %v", p.name, s.Msg())
		}
		mustFail(t, s.Err(), connect.CodeUnavailable, "the stream has become old")
	}
}

// A call that panics counts as INTERNAL, which an alert sees.
func TestPanic(t *testing.T) {
	t.Parallel()
	ca, certificates := issue(t, 7)
	outcomes, refused := make(chan string, 1), make(chan string, 1)
	address := serveCertified(t, ca, serveRevocations(t), func(c *breez.Config) {
		c.Recover = func([32]byte, [65]byte) ([33]byte, error) { panic("of a test") }
		c.Observe = func(call, outcome string, _ time.Duration) { outcomes <- call + " " + outcome }
		c.Refused = func(code string) { refused <- code }
	})
	for _, p := range protocols {
		in := setRequest(newUser(t), &syncpb.Record{Id: "a"}, uint32(time.Now().Unix()), "")
		if _, err := p.client(t, address).SetRecord(t.Context(), withHeader(in, bearer(certificates[0]))); err == nil {
			t.Errorf("%s: it was answered", p.name)
		}
		if outcome, code := <-outcomes, <-refused; outcome != "breez.SetRecord INTERNAL" || code != "INTERNAL" {
			t.Errorf("%s: it counts as %s, %s", p.name, outcome, code)
		}
	}
}

// The server has it so at its own intervals, and WebSockets end beside the streams.
func TestRevokedWhileListeningToTheServer(t *testing.T) {
	t.Parallel()
	if !verify {
		t.Skip("make verify runs it: the list is fetched each minute, and streams are judged each minute")
	}
	ca, certificates := issue(t, 7, 8)
	list := serveRevocations(t)
	server := testservers.StartSyncline(t, switchedOn, "CA_CERT="+ca, "CRL_URL="+list.url)
	u := newUser(t)
	key, err := signing.NewPrivateKey(u.key.Serialize())
	if err != nil {
		t.Fatal(err)
	}
	var feeds []func() (client.Event, error, bool)
	for _, certificate := range certificates {
		api, err := client.New(server.URL(), key, client.WithCertificate(certificate))
		if err != nil {
			t.Fatal(err)
		}
		next, stop := iter.Pull2(api.Follow(t.Context(), ""))
		defer stop()
		if _, err, ok := next(); err != nil || !ok {
			t.Fatal(err)
		}
		feeds = append(feeds, next)
	}
	revoke(t, server.Address, list, u, certificates, func() {
		if _, err, _ := feeds[0](); !errors.Is(err, client.ErrForbidden) {
			t.Errorf("the WebSocket of the revoked certificate ended by %v", err)
		}
	})
	if change, err, ok := feeds[1](); err != nil || !ok || change.Record.ID != "a" {
		t.Errorf("the WebSocket of the other: %+v, %v", change, err)
	}
}
