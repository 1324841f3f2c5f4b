package deploy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"syncline/internal/testservers"
)

// haproxyConfig is HAProxy's way to ask who is ready. It may not try a request again,
// so that each that reaches an instance which does not serve is seen.
const haproxyConfig = `defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  timeout check 10s
  retries 0
frontend clients
  bind %s
  default_backend instances
backend instances
  balance roundrobin
  option httpchk GET /readyz
  default-server check inter 200ms fall 2 rise 1
  server one %s
  server two %s
`

// An instance that is to stop is left out by a balancer that asks who is ready, before
// it closes: no request is lost. Without DRAIN_DELAY this fails.
func TestHAProxySeesWhoLeaves(t *testing.T) {
	t.Parallel()
	address := testservers.FreeAddress(t)
	database, redis := testservers.StartPostgres(t).NewURL(t), testservers.StartRedis(t).URL()
	var instances [2]*testservers.Syncline
	for i := range instances {
		instances[i] = testservers.StartSyncline(t, "DATABASE_URL="+database, "REDIS_URL="+redis, "PUBLIC_AUTHORITIES="+address,
			"TRUSTED_PROXIES=127.0.0.1", "DRAIN_DELAY=15s")
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, fmt.Appendf(nil, haproxyConfig, address, instances[0].Address, instances[1].Address), 0o600); err != nil {
		t.Fatal(err)
	}
	runProxy(t, filepath.Join(t.TempDir(), "log"), testservers.Installed(t, "haproxy", "haproxy"), "-db", "-f", file)
	awaitListener(t, address)

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	requests := &asker{address: address, stop: make(chan struct{}), done: make(chan struct{})}
	go requests.run(ctx)
	requests.await(ctx, t, 100)
	if err := instances[0].Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-instances[0].Done():
	case <-ctx.Done():
		t.Fatal("the instance does not stop")
	}
	requests.await(ctx, t, requests.count.Load()+100)
	close(requests.stop)
	<-requests.done
	if requests.err != nil {
		t.Errorf("after %d requests: %v\n%s", requests.count.Load(), requests.err, instances[0].Log())
	}
}

// asker sends one request after the other until one fails.
type asker struct {
	address string
	count   atomic.Int64
	stop    chan struct{}
	done    chan struct{} // closed when err is final
	err     error
}

func (a *asker) run(ctx context.Context) {
	defer close(a.done)
	for a.err == nil {
		select {
		case <-a.stop:
			return
		default:
			a.err = a.ask(ctx)
			a.count.Add(1)
		}
	}
}

func (a *asker) ask(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.address+"/graphql", strings.NewReader(`{"query":"{ limits { maxPage } }"}`))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %d", res.StatusCode)
	}
	return nil
}

// await waits for so many requests.
func (a *asker) await(ctx context.Context, t *testing.T, count int64) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for a.count.Load() < count {
		select {
		case <-a.done:
			t.Fatalf("after %d requests: %v", a.count.Load(), a.err)
		case <-ctx.Done():
			t.Fatalf("%d of %d requests in time", a.count.Load(), count)
		case <-tick.C:
		}
	}
}
