package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"syncline/internal/testservers"
)

// A drill is what operators meet, or do, while eight clients write and follow: each
// acknowledged write must be there in the end, and each follower have it. make test
// has a test for each fault alone; the drills, which are longer, are for make verify.
func startDrill(t *testing.T, urls []string) (l *load, meets func(name string, happens func()) tally) {
	t.Helper()
	l = startLoad(t, urls)
	l.during("before", l.mustGoOn)
	return l, func(name string, happens func()) tally {
		t.Helper()
		return l.during(name, func() {
			happens()
			l.mustGoOn()
		})
	}
}

func drillsAreLong(t *testing.T) {
	t.Helper()
	t.Parallel()
	if !long {
		t.Skip("a drill: make verify runs it")
	}
}

// Redis gets full, read-only, emptied and another password; PostgreSQL has no
// connections left.
func TestDrillsOfAFleet(t *testing.T) {
	drillsAreLong(t)
	postgres, server := testservers.StartPostgres(t), testservers.StartRedisProtected(t, "old", "--requirepass", "old")
	postgres.SQL("CREATE ROLE app LOGIN")
	postgres.SQL("CREATE DATABASE app OWNER app")
	redisURL := func(password string) string { return "redis://:" + password + "@" + server.Address }
	admin := testservers.RedisClient(t, redisURL("old"))
	do := func(command ...any) {
		t.Helper()
		if err := admin.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	d := startPair(t, "DATABASE_URL=postgres://app@"+postgres.Address+"/app?sslmode=disable", "REDIS_URL="+redisURL("old"))
	locks := startContention(t, d.urls())
	l, meets := startDrill(t, d.urls())

	costsNoWrite := func(name string, happens func()) {
		t.Helper()
		if p := meets(name, happens); p.notApplied+p.unknown+p.lost > 0 {
			t.Errorf("%s: writes failed for want of Redis: %q", name, p.errors)
		}
	}
	costsNoWrite("Redis is full", func() {
		do("CONFIG", "SET", "maxmemory", "1")
		d.awaitReadiness(t, 200, "degraded", "redis", "failing: nonces")
	})
	do("CONFIG", "SET", "maxmemory", "0")
	costsNoWrite("Redis is read-only", func() {
		do("REPLICAOF", "127.0.0.1", "1")
		d.awaitReadiness(t, 200, "degraded", "redis", "failing: locks, nonces")
	})
	do("REPLICAOF", "NO", "ONE")
	for i := range d.instances {
		d.awaitSharedNonces(t, i)
	}
	captured := newDevice("http://127.0.0.1/graphql", newKey(t)).sign(t, "{ viewer { id } }")
	if code := d.codeAt(t, 0, captured); code != "" {
		t.Error("a request is answered ", code)
	}
	costsNoWrite("Redis is emptied", func() {
		do("FLUSHALL")
		d.awaitReadiness(t, 200, "ready", "redis", "ok")
	})
	d.mustNotServe(t, captured)
	meets("Redis gets another password", func() { // as docs/operations.md tells
		do("ACL", "SETUSER", "default", ">new")
		for _, instance := range d.instances {
			instance.Set("REDIS_URL=" + redisURL("new"))
			if err := instance.Stop(); err != nil {
				t.Errorf("an instance that was told to stop: %v\n%s", err, instance.Log())
			}
			instance.Start()
		}
		do("ACL", "SETUSER", "default", "<old")
		admin = testservers.RedisClient(t, redisURL("new"))
		for _, kind := range []string{"normal", "pubsub"} { // who has connected by the old one stays in
			do("CLIENT", "KILL", "TYPE", kind)
		}
		for i := range d.instances {
			d.awaitSharedNonces(t, i)
		}
		d.awaitReadiness(t, 200, "ready", "redis", "ok")
	})
	meets("PostgreSQL has too few connections", func() {
		postgres.SQL("ALTER ROLE app CONNECTION LIMIT 0")
		postgres.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
		d.awaitReadiness(t, 503, "not ready", "database", "down")
		postgres.SQL("ALTER ROLE app CONNECTION LIMIT -1")
		d.awaitReadiness(t, 200, "ready", "database", "ok")
	})
	locks.finish()
	l.finish()
}

// The log is not read, descriptors run out, the disk is full; then all moves to
// PostgreSQL.
func TestDrillsOfOneMachine(t *testing.T) {
	drillsAreLong(t)
	disk := testservers.SmallDisk(t, 160<<20)
	dir, metrics := filepath.Join(disk, "db"), testservers.FreeAddress(t)
	log := startLogReader(t)
	server := testservers.StartSynclineBy(t, []string{"sh", "-c", `ulimit -n 200; exec "$0" 2>"$LOG_PIPE"`},
		"LOG_PIPE="+log.path, "LOG_LEVEL=info", "SQLITE_DIR_PATH="+dir, fmt.Sprint("MIN_FREE_DISK=", minFree), "MAX_CONNECTIONS=1000", "METRICS_LISTEN_ADDRESS="+metrics)
	d := behindBalancer(t, &deployment{instances: []*testservers.Syncline{server}})
	l, meets := startDrill(t, d.urls())

	meets("no descriptors are left", func() {
		var open []net.Conn
		for range 300 {
			conn, err := net.Dial("tcp", server.Address)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
		}
		testservers.Await(t, "the log tells of it", func(context.Context) bool { return log.has("no file descriptor is left") })
		for _, conn := range open {
			conn.Close()
		}
	})
	meets("the log is not read", func() {
		log.stall()
		dropped := func() bool {
			_, figures := fetch(t, "GET", "http://"+metrics+"/metrics")
			return !strings.Contains(figures, "syncline_log_lines_dropped 0")
		}
		for sent := 0; !dropped(); sent += 200 {
			if sent > 50_000 {
				t.Fatal("the log still takes lines")
			}
			for range 200 {
				request(t, server)
			}
		}
	})
	log.goOn()
	p := meets("the disk is full", func() {
		free := testservers.FillDisk(t, disk, 0)
		d.awaitReadiness(t, 200, "degraded", "disk", "low")
		testservers.Await(t, "writes are refused", func(context.Context) bool { return l.refused() >= writerCount })
		free()
		d.awaitReadiness(t, 200, "ready", "disk", "ok")
	})
	if p.unknown > 0 {
		t.Errorf("%d writes on a full disk had an unknown outcome", p.unknown)
	}
	meets("it moves to PostgreSQL", func() {
		env := []string{"SQLITE_DIR_PATH=" + dir, "DATABASE_URL=" + testservers.StartPostgres(t).NewURL(t)}
		if err := server.Stop(); err != nil {
			t.Error("the server that was told to stop: ", err)
		}
		runProgram(t, env, "move", "--to", "postgres")
		server.Set(env[1])
		server.Start()
	})
	l.finish()
}

// refused is how many writes of this phase were answered with NOT_APPLIED.
func (l *load) refused() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.phase.notApplied
}

// logReader reads a server's log from a pipe, or does not.
type logReader struct {
	path    string
	reading sync.Mutex // held while nobody reads
	goOn    func()     // ends that
	mu      sync.Mutex
	text    strings.Builder
}

func startLogReader(t *testing.T) *logReader {
	t.Helper()
	r := &logReader{path: filepath.Join(t.TempDir(), "log"), goOn: func() {}}
	if err := syscall.Mkfifo(r.path, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(r.path, os.O_RDWR|syscall.O_NONBLOCK, 0) // also for writing, so that it has no end
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 1<<16)
		for {
			r.reading.Lock()
			_ = pipe.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			n, err := pipe.Read(buffer)
			r.reading.Unlock()
			r.mu.Lock()
			r.text.Write(buffer[:n])
			r.mu.Unlock()
			if err != nil && !os.IsTimeout(err) {
				return // closed
			}
		}
	}()
	t.Cleanup(func() {
		r.goOn()
		pipe.Close()
		<-done
	})
	return r
}

func (r *logReader) stall() {
	r.reading.Lock()
	r.goOn = sync.OnceFunc(r.reading.Unlock)
}

func (r *logReader) has(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(r.text.String(), text)
}
