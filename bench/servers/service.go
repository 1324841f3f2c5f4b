package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Spec says what to start. Deployment and Env are Syncline's alone.
type Spec struct {
	Program    Program
	Deployment Deployment
	Env        []string      // lines of NAME=value, for each instance
	SyncDelay  time.Duration // how much longer each sync to disk takes
	SyncEach   bool          // NATS syncs each write before it acknowledges it
}

// Service is what clients reach: one server or several instances, and what they
// stand on. It is empty when it starts.
type Service struct {
	// Addresses are where clients connect, host:port, one for each instance.
	Addresses []string

	metrics   []string // of Syncline: host:port of each instance
	pprof     string   // host:port of the first instance's profiles
	instances []*process
	below     []*process // databases
	postgres  *postgres
	dir       string
}

// Start starts a service and waits until it answers. It is stopped with Stop,
// and when this process ends.
func (b *Builder) Start(ctx context.Context, spec Spec) (_ *Service, err error) {
	program, err := b.Path(ctx, spec.Program)
	if err != nil {
		return nil, err
	}
	slow := slowness{delay: spec.SyncDelay}
	if spec.SyncDelay > 0 {
		if slow.launcher, err = b.Path(ctx, launcher); err != nil {
			return nil, err
		}
	}
	s := &Service{}
	if s.dir, err = os.MkdirTemp(b.dir, "service-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	switch spec.Program {
	case Plain:
		return s, s.startPlain(ctx, program)
	case PocketBase:
		return s, s.startPocketBase(ctx, program, slow)
	case SyncKit:
		return s, s.startSyncKit(ctx, program, slow)
	case Etcd:
		return s, s.startEtcd(ctx, program, slow)
	case Centrifuge:
		return s, s.startCentrifuge(ctx, program, slow)
	case NATS:
		return s, s.startNATS(ctx, program, spec.SyncEach, slow)
	}
	env, err := s.startBelow(ctx, spec.Deployment, slow)
	if err != nil {
		return s, err
	}
	for i := range max(spec.Deployment.Instances, 1) {
		if err := s.startInstance(ctx, program, i, append(env, spec.Env...), slow); err != nil {
			return s, err
		}
	}
	return s, nil
}

// startBelow starts what instances share, and tells by which variables they find it.
func (s *Service) startBelow(ctx context.Context, d Deployment, slow slowness) (env []string, err error) {
	if d.Redis {
		redis, url, err := startRedis(ctx, s.dir)
		if redis != nil {
			s.below = append(s.below, redis)
		}
		if err != nil {
			return nil, err
		}
		env = append(env, "REDIS_URL="+url)
	}
	if d.Postgres {
		if err := os.Chmod(filepath.Dir(s.dir), 0o711); err != nil { //nolint:gosec // PostgreSQL's user passes through
			return nil, err
		}
		s.postgres, err = startPostgres(ctx, s.dir, slow)
		if err != nil {
			return nil, err
		}
		env = append(env, "DATABASE_URL="+s.postgres.url())
	}
	return env, nil
}

func (s *Service) startInstance(ctx context.Context, program string, number int, env []string, slow slowness) error {
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	metrics, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	cmd := command(ctx, program)
	cmd.Env = append(os.Environ(), "LISTEN_ADDRESS="+address, "METRICS_LISTEN_ADDRESS="+metrics,
		"SQLITE_DIR_PATH="+filepath.Join(s.dir, "db"), "LOG_LEVEL=warn", "SHUTDOWN_TIMEOUT=2s",
		"RATE_LIMITS=off", "TRUSTED_PROXIES=127.0.0.1/32", // all load comes from one address, which may have every connection
		"QUOTA_RECORDS=0", "QUOTA_BYTES=0") // much of it from one owner
	cmd.Env = append(cmd.Env, env...)
	s.metrics = append(s.metrics, metrics)
	s.pprof = s.metrics[0]
	return s.start(ctx, fmt.Sprintf("instance %d", number+1), cmd, address, "/readyz", slow)
}

func (s *Service) startPlain(ctx context.Context, program string) error {
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	cmd := command(ctx, program, "-listen", address)
	return s.start(ctx, "plain", cmd, address, "/", slowness{})
}

func (s *Service) startPocketBase(ctx context.Context, program string, slow slowness) error {
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	cmd := command(ctx, program, "serve", "--http="+address, "--dir="+filepath.Join(s.dir, "db"))
	return s.start(ctx, "PocketBase", cmd, address, "/api/health", slow)
}

func (s *Service) startSyncKit(ctx context.Context, program string, slow slowness) error {
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	cmd := command(ctx, program, "-listen", address, "-file", filepath.Join(s.dir, "events.db"))
	return s.start(ctx, "synckit", cmd, address, "/pull?from=end", slow)
}

func (s *Service) startEtcd(ctx context.Context, program string, slow slowness) error {
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	peers, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	clientURL, peerURL := "http://"+address, "http://"+peers
	cmd := command(ctx, program, "--data-dir="+filepath.Join(s.dir, "db"), "--log-level=error", "--enable-pprof",
		"--listen-client-urls="+clientURL, "--advertise-client-urls="+clientURL,
		"--listen-peer-urls="+peerURL, "--initial-advertise-peer-urls="+peerURL, "--initial-cluster=default="+peerURL)
	s.pprof = address
	return s.start(ctx, "etcd", cmd, address, "/health", slow)
}

func (s *Service) startCentrifuge(ctx context.Context, program string, slow slowness) error {
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	s.pprof = address
	return s.start(ctx, "Centrifuge", command(ctx, program, "-listen", address), address, "/healthz", slow)
}

func (s *Service) startNATS(ctx context.Context, program string, syncEach bool, slow slowness) error {
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	if s.pprof, err = freeAddress(ctx); err != nil {
		return err
	}
	args := []string{"-listen", address, "-profiles", s.pprof, "-dir", filepath.Join(s.dir, "db")}
	if syncEach {
		args = append(args, "-sync-each")
	}
	p, err := launch("NATS", command(ctx, program, args...), slow)
	if err != nil {
		return err
	}
	s.instances, s.Addresses = append(s.instances, p), append(s.Addresses, address)
	return p.await(ctx, answersOK("http://"+s.pprof+"/healthz"))
}

// start starts one server and waits until a path of it answers.
func (s *Service) start(ctx context.Context, name string, cmd *exec.Cmd, address, path string, slow slowness) error {
	p, err := launch(name, cmd, slow)
	if err != nil {
		return err
	}
	s.instances = append(s.instances, p)
	s.Addresses = append(s.Addresses, address)
	return p.await(ctx, answersOK("http://"+address+path))
}

// Stop ends everything and deletes its files.
func (s *Service) Stop() {
	for _, p := range s.instances {
		p.stop(syscall.SIGTERM)
	}
	for _, p := range s.below {
		p.stop(syscall.SIGTERM)
	}
	if s.postgres != nil && s.postgres.process != nil {
		s.postgres.stop(syscall.SIGINT)
	}
	_ = os.RemoveAll(s.dir) // scratch
}

// CPU is the processor time that the service has spent, its databases included.
func (s *Service) CPU() (time.Duration, error) {
	var pids []int
	for _, p := range append(append([]*process{}, s.instances...), s.below...) {
		pids = append(pids, p.cmd.Process.Pid)
	}
	if s.postgres != nil {
		pids = append(pids, s.postgres.cmd.Process.Pid)
	}
	return cpuTime(pids)
}

// Parts are times of what a service is made of.
type Parts struct{ Instances, Postgres, Redis time.Duration }

// CPUOfParts is the processor time that each part of the service has spent.
func (s *Service) CPUOfParts() (spent Parts, err error) {
	pids := func(processes []*process) (all []int) {
		for _, p := range processes {
			all = append(all, p.cmd.Process.Pid)
		}
		return all
	}
	var failed error
	if spent.Instances, failed = cpuTime(pids(s.instances)); failed != nil {
		err = failed
	}
	if spent.Redis, failed = cpuTime(pids(s.below)); failed != nil {
		err = failed
	}
	if s.postgres != nil {
		if spent.Postgres, failed = cpuTime([]int{s.postgres.cmd.Process.Pid}); failed != nil {
			err = failed
		}
	}
	return spent, err
}

// Memory is what the first instance has, after a garbage collection.
type Memory struct {
	Resident int64 // bytes that the operating system gave it
	InUse    int64 // bytes of heap and stacks, without what the collector keeps free
	Stacks   int64 // the stacks among them
}

// Resident collects the first instance's garbage, and tells how many bytes the
// operating system gave it. Syncline, etcd, NATS and Centrifuge can be asked.
func (s *Service) Resident(ctx context.Context) (int64, error) {
	for range 2 { // the second frees what finalizers held
		if err := get(ctx, s.pprof, "/debug/pprof/heap?gc=1", io.Discard); err != nil {
			return 0, err
		}
	}
	return resident(s.instances[0].cmd.Process.Pid)
}

// Memory collects the first instance's garbage and measures it.
func (s *Service) Memory(ctx context.Context) (Memory, error) {
	rss, err := s.Resident(ctx)
	if err != nil {
		return Memory{}, err
	}
	var metrics bytes.Buffer
	if err := s.get(ctx, "/metrics", &metrics); err != nil {
		return Memory{}, err
	}
	heap, err := metric(metrics.String(), "go_memstats_heap_inuse_bytes")
	if err != nil {
		return Memory{}, err
	}
	stacks, err := metric(metrics.String(), "go_memstats_stack_inuse_bytes")
	return Memory{Resident: rss, InUse: int64(heap + stacks), Stacks: int64(stacks)}, err
}

// metric finds a figure in Prometheus' text format.
func metric(text, name string) (float64, error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("there is no figure %s", name)
}

// HasMetrics tells whether profiles can be taken of it.
func (s *Service) HasMetrics() bool { return len(s.metrics) > 0 }

var errNoMetrics = errors.New("this program shows no metrics")

// HeapProfile writes a profile of what the first instance's heap holds.
func (s *Service) HeapProfile(ctx context.Context, w io.Writer) error {
	return s.get(ctx, "/debug/pprof/heap?gc=1", w)
}

// CPUProfile writes a profile of the first instance over so many seconds.
func (s *Service) CPUProfile(ctx context.Context, seconds int, w io.Writer) error {
	return s.get(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds), w)
}

func (s *Service) get(ctx context.Context, path string, w io.Writer) error {
	if len(s.metrics) == 0 {
		return errNoMetrics
	}
	return get(ctx, s.metrics[0], path, w)
}

func get(ctx context.Context, address, path string, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	_, err = io.Copy(w, res.Body)
	return err
}
