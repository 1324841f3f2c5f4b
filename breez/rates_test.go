package breez_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"syncline/breez/syncpb"
	"syncline/internal/testservers"
)

// A stream counts as WebSockets and event streams do: what an owner may have open, as connections and as
// subscriptions, and how often he may open one. Other calls go on, and a place that was left is free again.
func TestStreamsOverALimit(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]struct {
		most    int
		message string
	}{
		"RATE_SUBSCRIPTIONS=2": {2, "too many subscriptions are open for this key"},
		"RATE_CONNECTIONS=2":   {2, "too many connections are open for this key"},
		"RATE_CONNECTS=0.017":  {1, "too many connections were opened for this key"}, // one a minute
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			server := testservers.StartSyncline(t, switchedOn, "RATE_LIMITS=on", "RATE_ADDRESS_FACTOR=0", setting)
			u := newUser(t)
			open := func(p protocol) (stream, context.CancelFunc) {
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
				opened, err := p.client(t, server.Address).ListenChanges(ctx, connect.NewRequest(listenRequest(u, uint32(time.Now().Unix()))))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { cancel(); opened.Close() })
				return stream{t, opened}, cancel
			}
			var leave context.CancelFunc
			for range want.most {
				var s stream
				s, leave = open(protocols[0])
				s.next("")
			}
			for _, p := range protocols {
				refused, _ := open(p)
				if refused.Receive() {
					t.Fatalf("%s: one more stream stands", p.name)
				}
				mustFail(t, refused.Err(), connect.CodeResourceExhausted, want.message)
			}
			device{t, u, protocols[0].client(t, server.Address), ""}.set("a", nil, 0)
			device{t, newUser(t), protocols[0].client(t, server.Address), ""}.listen() // of another owner
			leave()
			if !strings.HasPrefix(setting, "RATE_CONNECTS=") {
				testservers.Await(t, "a place is free again", func(context.Context) bool {
					s, _ := open(protocols[0])
					return s.Receive()
				})
			}
		})
	}
}

// names are those of two devices, as long as may be: notifications of them in turn are not merged.
var names = [2]string{strings.Repeat("a", 64), strings.Repeat("b", 64)}

// notified is how many bytes tell of a change by one of names.
const notified = 5 + 2 + 64

// What a stream is told counts among its owner's bytes as it goes, not only when it has ended.
func TestBytesOfStreams(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn, "RATE_LIMITS=on", "RATE_ADDRESS_FACTOR=0", "RATE_BYTES_OUT=100") // 6000 at once
	u := newUser(t)
	c := protocols[0].client(t, server.Address)
	var streams []stream
	for range 20 {
		streams = append(streams, device{t, u, protocols[0].client(t, server.Address), ""}.listen())
	}
	for n := range 100 { // of which the replies alone have a quarter of that
		d := device{t, u, c, names[n%2]}
		if _, err := d.trySet(t.Context(), &syncpb.Record{Id: fmt.Sprint(n)}); err != nil {
			mustFail(t, err, connect.CodeResourceExhausted, "too many bytes were asked for")
			return
		}
		for _, s := range streams {
			s.next(d.name)
		}
	}
	t.Error("a hundred notifications to twenty streams owe nothing")
}

// A stream whose owner is over his bytes is told later, rather than not at all, and ends at once if the server
// goes away meanwhile.
func TestNotificationsAreHeldBack(t *testing.T) {
	t.Parallel()
	database := "DATABASE_URL=" + testservers.StartPostgres(t).NewURL(t)
	redis := "REDIS_URL=" + testservers.StartRedis(t).URL()
	limited := testservers.StartSyncline(t, switchedOn, database, redis, "RATE_LIMITS=on", "RATE_ADDRESS_FACTOR=0", "RATE_BYTES_OUT=100", "SHUTDOWN_TIMEOUT=10m")
	writes := testservers.StartSyncline(t, switchedOn, database, redis)
	u := newUser(t)
	c := protocols[0].client(t, writes.Address)
	began := time.Now()
	heard := device{t, u, protocols[0].client(t, limited.Address), ""}.listen()
	const changes = 100
	for n := range changes {
		device{t, u, c, names[n%2]}.set(fmt.Sprint(n), nil, 0)
	}
	for n := range changes {
		heard.next(names[n%2])
	}
	least := time.Duration((changes-1)*notified-60*100) * time.Second / 100 // the last one may be owed
	if took := time.Since(began); took < least {
		t.Errorf("%d bytes within %v, want %v at least", changes*notified, took, least)
	}
	large := make([]byte, 60_000)
	if _, err := rand.Read(large); err != nil { // or it is compressed
		t.Fatal(err)
	}
	device{t, u, c, names[0]}.set("large", large, 0)
	heard.next(names[0])
	reader := protocols[0].client(t, limited.Address)
	testservers.Await(t, "what was owed is paid", func(ctx context.Context) bool {
		_, err := reader.ListChanges(ctx, connect.NewRequest(listRequest(u, 0, uint32(time.Now().Unix()))))
		return err == nil // and ten minutes are owed
	})
	device{t, u, c, names[1]}.set("last", nil, 0)
	heard.next(names[1]) // after which it waits
	if err := limited.Stop(); err != nil {
		t.Error(err)
	}
	for heard.Receive() {
	}
	mustFail(t, heard.Err(), connect.CodeUnavailable, "going away")
}

// A call that is refused before it is read is read to its end all the same, for proxies take an answer for broken
// that comes before.
func TestRefusedCallsAreTaken(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t, switchedOn, "RATE_LIMITS=on", "RATE_COST=1", "RATE_ADDRESS_FACTOR=1")
	device{t, newUser(t), protocols[0].client(t, server.Address), ""}.set("a", nil, 0) // which takes what a minute has, and more
	message := enveloped(0, mustMarshal(t, setRequestOf(t, newUser(t), 200_000, 0)))
	body, rest := io.Pipe()
	written := make(chan error, 1)
	go func() {
		_, err := rest.Write(message)
		written <- err
		rest.Close()
	}()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+server.Address+"/sync.Syncer/SetRecord", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/grpc")
	response, err := protocols[0].transport(t).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.Trailer.Get("Grpc-Status") != "8" {
		t.Errorf("%v, %v", response.Trailer, err)
	}
	if err := <-written; err != nil {
		t.Errorf("it was not taken whole: %v", err)
	}
}
