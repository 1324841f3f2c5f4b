package deploy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/internal/testservers"
)

// deployment is what compose.yaml describes: two instances over one PostgreSQL
// and one Redis, and nginx in front of them.
type deployment struct {
	address   string // of nginx
	instances [2]*testservers.Syncline
	metrics   [2]string
	nginxLog  string // a file
}

// publicName is a second name of the deployment, beside nginx's address.
const publicName = "api.example.com"

func startDeployment(t *testing.T) *deployment {
	t.Helper()
	d := &deployment{address: testservers.FreeAddress(t)}
	database, redis := testservers.StartPostgres(t).NewURL(t), testservers.StartRedis(t).URL()
	for i := range d.instances {
		d.metrics[i] = testservers.FreeAddress(t)
		d.instances[i] = testservers.StartSyncline(t,
			"DATABASE_URL="+database, "REDIS_URL="+redis, "METRICS_LISTEN_ADDRESS="+d.metrics[i],
			"PUBLIC_AUTHORITIES="+publicName+","+d.address,
			"TRUSTED_PROXIES=127.0.0.1", "LOG_LEVEL=info")
	}
	d.nginxLog = startNginx(t, d.address, [2]string{d.instances[0].Address, d.instances[1].Address})
	return d
}

func newKey(t *testing.T) signing.PrivateKey {
	t.Helper()
	key, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newClient(t *testing.T, address string, key signing.PrivateKey, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New("http://"+address+"/graphql", key, options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestProxy(t *testing.T) {
	t.Parallel()
	d := startDeployment(t)
	t.Run("balance", d.testBalance) // alone: connections that others hold open would count
	t.Run("signatures", func(t *testing.T) { t.Parallel(); d.testSignatures(t) })
	t.Run("addresses", func(t *testing.T) { t.Parallel(); d.testAddresses(t) })
	t.Run("bodies", func(t *testing.T) { t.Parallel(); d.testBodies(t) })
	t.Run("WebSocket", func(t *testing.T) { t.Parallel(); d.testFollow(t, 0) })
	t.Run("event stream", func(t *testing.T) { t.Parallel(); d.testEventStream(t, 0) })
	if long { // longer than the minute of nginx's timeouts
		t.Run("silent WebSocket", func(t *testing.T) { t.Parallel(); d.testFollow(t, 70*time.Second) })
		t.Run("silent event stream", func(t *testing.T) { t.Parallel(); d.testEventStream(t, 70*time.Second) })
	}
}

// A client's signature covers the name and port that it used. nginx passes them on,
// and a request that was signed for another name is refused.
func (d *deployment) testSignatures(t *testing.T) {
	key := newKey(t)
	toProxy := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, d.address)
		},
	}}
	for address, accepted := range map[string]bool{
		d.address:              true,
		publicName:             true,
		publicName + ":8443":   false,
		"other.example.com":    false,
		d.instances[0].Address: false,
	} {
		_, err := newClient(t, address, key, client.WithHTTPClient(toProxy)).Viewer(t.Context())
		if accepted && err != nil || !accepted && !errors.Is(err, client.ErrUnauthenticated) {
			t.Errorf("signed for %s: %v; accepted should be %v", address, err, accepted)
		}
	}
}

// The log has the address that nginx saw, whatever a client claims to be.
func (d *deployment) testAddresses(t *testing.T) {
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 77)}}
	client := &http.Client{Transport: &http.Transport{DialContext: from.DialContext, DisableKeepAlives: true}}
	for id, claim := range map[string]string{"claims-nothing": "", "claims-one": "X-Forwarded-For", "claims-standard": "Forwarded"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.address+"/graphql?query={limits{maxBatch}}", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Request-Id", id)
		if claim != "" {
			req.Header.Set(claim, map[string]string{"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}[claim])
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		testservers.Await(t, "a line of the log has "+id+" and 127.0.0.77", func(context.Context) bool {
			for line := range strings.Lines(d.instances[0].Log() + "\n" + d.instances[1].Log()) {
				if strings.Contains(line, "id="+id+" ") {
					return strings.Contains(line, "address=127.0.0.77")
				}
			}
			return false
		})
	}
}

// Requests up to the server's own limit pass. Those that it refuses without having
// read them get its answer, not one of nginx.
func (d *deployment) testBodies(t *testing.T) {
	c := newClient(t, d.address, newKey(t))
	var batch []client.Write
	for i := range 11 { // 11 times 64 KiB is 960 KiB in base64
		batch = append(batch, client.Write{ID: fmt.Sprint(i), Data: make([]byte, 1<<16)})
	}
	if _, err := c.Write(t.Context(), batch); err != nil {
		t.Errorf("a large batch: %v", err)
	}
	for _, test := range []struct {
		path, contentType string
		size, status      int
		want              string
	}{
		{"/graphql", "application/json", 1<<20 + 1, http.StatusRequestEntityTooLarge, "BAD_USER_INPUT"},
		{"/graphql", "application/json", 2<<20 - 1, http.StatusRequestEntityTooLarge, "BAD_USER_INPUT"},
		{"/graphql", "text/plain", 1 << 20, http.StatusRequestEntityTooLarge, "BAD_USER_INPUT"}, // unsigned: 16 KiB
		{"/graphql", "text/plain", 1 << 10, http.StatusUnsupportedMediaType, "BAD_USER_INPUT"},
		{"/", "text/plain", 1 << 20, http.StatusMethodNotAllowed, ""},
	} {
		res, err := http.Post("http://"+d.address+test.path, test.contentType, bytes.NewReader(make([]byte, test.size)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != test.status || !strings.Contains(string(body), test.want) {
			t.Errorf("%+v: HTTP %d, %.200q, %v", test, res.StatusCode, body, err)
		}
	}
}

func (d *deployment) testBalance(t *testing.T) {
	c := newClient(t, d.address, newKey(t))
	for range 20 {
		if _, err := c.Viewer(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i, address := range d.metrics {
		if !strings.Contains(get(t, "http://"+address+"/metrics"), `field="viewer",outcome="ok"`) {
			t.Errorf("instance %d got no request", i+1)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Devices hear live of a write, whichever instance each is connected to, also
// after a silence.
func (d *deployment) testFollow(t *testing.T, silence time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), silence+30*time.Second)
	defer cancel()
	key := newKey(t)
	heard := make(chan client.Event, 4)
	for range 2 {
		live := make(chan struct{})
		go follow(ctx, newClient(t, d.address, key), live, heard)
		select {
		case <-live:
		case <-ctx.Done():
			t.Fatal("a feed did not catch up")
		}
	}
	<-time.After(silence)
	written, err := newClient(t, d.address, key).Set(ctx, "a", []byte("data"), 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		select {
		case e := <-heard:
			// Another CAUGHT_UP would tell that a connection had been cut.
			if e.Kind != client.Changed || e.Record.Revision != written.Revision {
				t.Errorf("heard %s", e)
			}
		case <-ctx.Done():
			t.Fatal("a device did not hear of the write")
		}
	}
}

// follow closes live when the feed has caught up, and passes on what comes then.
func follow(ctx context.Context, c *client.Client, live chan<- struct{}, heard chan<- client.Event) {
	waiting := true
	for event, err := range c.Follow(ctx, client.Beginning) {
		switch {
		case err != nil:
			return // ctx ended
		case waiting && event.Kind == client.CaughtUp:
			close(live)
			waiting = false
		case !waiting:
			heard <- event
		}
	}
}

// An event arrives while its stream is open: nothing holds it back until there is more.
func (d *deployment) testEventStream(t *testing.T, silence time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), silence+30*time.Second)
	defer cancel()
	key := newKey(t)
	body := []byte(`{"query":"subscription { recordChanged { kind record { id } } }"}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.address+"/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	if err := signing.SignRequest(req, body, key, time.Now(), signing.NewNonce()); err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	requireLine(t, lines, "CAUGHT_UP")
	<-time.After(silence)
	if _, err := newClient(t, d.address, key).Set(ctx, "a", nil, 0); err != nil {
		t.Fatal(err)
	}
	requireLine(t, lines, "CHANGED")
}

func requireLine(t *testing.T, lines *bufio.Scanner, word string) {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), word) {
			return
		}
	}
	t.Fatalf("no line with %s came: %v", word, lines.Err())
}
