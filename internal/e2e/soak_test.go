package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncline/client"
	"syncline/internal/cutproxy"
	"syncline/internal/testservers"
)

// A service under mixed load, whose connections are cut, whose instances are
// restarted and whose tombstones and mutation ids are purged on the way, takes no
// more of anything the longer it runs, and ends with mirrors that have what it
// has. SYNCLINE_SOAK, which make soak sets, is for how long, such as 1h, and
// SYNCLINE_SOAK_REST for how long each writer rests after a write.
//
// Clocks do not jump here: what the server has as time comes from the kernel without
// a library in between that could say another. TestClockIsOff has one in process.
func TestSoak(t *testing.T) {
	t.Parallel()
	duration := 2 * time.Second
	if long {
		duration = 12 * time.Second
	}
	if text := os.Getenv("SYNCLINE_SOAK"); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatal("SYNCLINE_SOAK: ", err)
		}
	}
	var rest time.Duration
	if text := os.Getenv("SYNCLINE_SOAK_REST"); text != "" {
		var err error
		if rest, err = time.ParseDuration(text); err != nil {
			t.Fatal("SYNCLINE_SOAK_REST: ", err)
		}
	}
	for name, instances := range map[string]int{"sqlite": 1, "postgres": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSoak(t, instances, rest)
			s.run(duration)
			if dir := os.Getenv("SYNCLINE_SOAK_CHARTS"); dir != "" {
				s.draw(filepath.Join(dir, "soak-"+name+".svg"), fmt.Sprintf("%s, %v", name, duration))
			}
			for _, c := range s.curves {
				if grown := c.growth(); grown != "" {
					t.Error(grown)
				}
			}
		})
	}
}

// soak is a deployment that is watched for long.
type soak struct {
	*deployment
	t       *testing.T
	log     string // file of the first instance's
	metrics string // URL of the first instance's
	size    func() float64
	load    *load
	heads   []*client.Client // of the owners, at the first instance
	cuts    *cutproxy.Proxy
	quiet   atomic.Bool // connections are cut no more
	curves  []*curve
}

// startSoak starts so many instances: one on SQLite, more on PostgreSQL and Redis.
// The quota bounds what is remembered of deletes and mutation ids, so that the
// purge has work.
func startSoak(t *testing.T, instances int, rest time.Duration) *soak {
	t.Helper()
	s := &soak{deployment: &deployment{}, t: t, log: filepath.Join(t.TempDir(), "log")}
	metrics := testservers.FreeAddress(t)
	s.metrics = "http://" + metrics + "/metrics"
	// GOGC: garbage that waits to be collected is not what gathers.
	env := []string{"QUOTA_RECORDS=300", "QUOTA_BYTES=1MiB", "LOG_OF_SOAK=" + s.log, "GOGC=100"}
	if instances > 1 {
		s.postgres, s.redis = testservers.StartPostgres(t), testservers.StartRedis(t)
		url := s.postgres.NewURL(t)
		env = append(env, "DATABASE_URL="+url, "REDIS_URL="+s.redis.URL())
		s.size = sizeOf(t, url)
	}
	toLog := []string{"sh", "-c", `exec "$0" 2>>"$LOG_OF_SOAK"`}
	s.instances = append(s.instances, testservers.StartSynclineBy(t, toLog, append(env, "METRICS_LISTEN_ADDRESS="+metrics)...))
	for len(s.instances) < instances {
		s.instances = append(s.instances, testservers.StartSyncline(t, env...))
	}
	if instances == 1 {
		s.size = func() float64 { return fileSizes(t, filepath.Join(s.instances[0].Dir, "syncline.db*")) }
	}
	behindBalancer(t, s.deployment)
	var err error
	s.cuts, err = cutproxy.Listen(s.balancer.Address, func() int64 {
		if s.quiet.Load() {
			return cutproxy.Whole
		}
		return 20_000 + rand.Int64N(200_000)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cuts.Close() })
	s.load = startSlowLoad(t, []string{"http://" + s.cuts.Addr() + "/graphql"}, rest)
	for _, w := range s.load.writers[:ownerCount] {
		s.heads = append(s.heads, newClient(t, s.instances[0].URL(), w.key))
	}
	s.curves = []*curve{
		{name: "memory", unit: "MiB", slack: 24, read: s.figure("process_resident_memory_bytes", 1<<20)},
		{name: "goroutines", slack: 60, read: s.figure("go_goroutines", 1)},
		{name: "descriptors", slack: 40, read: s.figure("process_open_fds", 1)},
		{name: "database", unit: "MiB", slack: 24, read: func() float64 { return s.size() / (1 << 20) }},
		{name: "log", unit: "KiB", slack: 64, read: func() float64 { return fileSizes(t, s.log) / (1 << 10) }},
		{name: "lag", unit: "revisions", slack: 1000, read: s.lag},
	}
	return s
}

// run loads the service and reads the figures for so long. The first instance
// is restarted only early, so that what it gathers afterwards is seen; where
// there are others, they are restarted all the time.
func (s *soak) run(duration time.Duration) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), duration)
	defer cancel()
	began := time.Now()
	alone, restarted := len(s.instances) == 1, make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { s.churn(ctx) })
	wg.Go(func() {
		defer close(restarted)
		for i := 0; ; i++ {
			pause(ctx.Done(), min(duration/10, time.Minute))
			if ctx.Err() != nil || alone && time.Since(began) > duration/4 {
				return
			}
			instance := s.instances[len(s.instances)-1]
			if i%2 == 0 {
				instance.Kill()
			} else if err := instance.Stop(); err != nil {
				s.t.Errorf("an instance that was told to stop: %v\n%s", err, instance.Log())
			}
			instance.Start()
		}
	})
	for ctx.Err() == nil || len(s.curves[0].values) < fewestReadings { // the machine may be busy
		if !alone || closed(restarted) {
			for _, c := range s.curves {
				c.at, c.values = append(c.at, time.Since(began)), append(c.values, c.read())
			}
		}
		pause(nil, min(max(duration/200, 50*time.Millisecond), 5*time.Second))
	}
	wg.Wait()
	s.quiet.Store(true)
	s.cuts.Cut() // those that have a limit still
	s.load.mustGoOn()
	s.load.finish()
	s.load.report("all of it")
}

// churn makes records and deletes them, which leaves tombstones to purge.
func (s *soak) churn(ctx context.Context) {
	c := newClient(s.t, s.url(), newKey(s.t))
	for i := 0; ; i++ {
		id := strconv.Itoa(i)
		written, err := c.Set(ctx, id, make([]byte, 1000), 0)
		if err == nil {
			_, err = c.Delete(ctx, id, written.Revision)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && !errors.Is(err, client.ErrConflict) {
			s.t.Errorf("churn: %v", err)
			return
		}
		pause(ctx.Done(), s.load.rest)
	}
}

// figure reads one of the first instance's figures.
func (s *soak) figure(name string, unit float64) func() float64 {
	return func() float64 {
		_, body := fetch(s.t, http.MethodGet, s.metrics)
		_, rest, found := strings.Cut(body, "\n"+name+" ")
		text, _, _ := strings.Cut(rest, "\n")
		value, err := strconv.ParseFloat(text, 64)
		if !found || err != nil {
			s.t.Errorf("the figure %s: %q, %v", name, text, err)
		}
		return value / unit
	}
}

// lag is by how many revisions the follower that is most behind stands below its owner's head.
func (s *soak) lag() (most float64) {
	for owner, c := range s.heads {
		v, err := c.Viewer(s.t.Context())
		if err != nil {
			s.t.Errorf("read a head: %v", err)
			return 0
		}
		for i, f := range s.load.followers {
			if s.load.writers[i].owner == owner {
				most = max(most, float64(v.Head-f.position()))
			}
		}
	}
	return most
}

// sizeOf reads the size of a PostgreSQL database in bytes.
func sizeOf(t *testing.T, url string) func() float64 {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return func() (size float64) {
		if err := conn.QueryRow(t.Context(), "SELECT pg_database_size(current_database())").Scan(&size); err != nil {
			t.Error(err)
		}
		return size
	}
}

func fileSizes(t *testing.T, pattern string) (sum float64) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil { // else it was removed meanwhile
			sum += float64(info.Size())
		}
	}
	return sum
}
