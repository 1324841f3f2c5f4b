//go:build !race

package hostile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"syncline/internal/testservers"
)

// memoryLimit is what the smallest machine that docs/deployment.md recommends
// leaves to the server.
const memoryLimit = 256 << 20

// server is the program under its limit of memory.
type server struct {
	*testservers.Syncline
	limit   limit
	metrics string // host:port
}

func startServer(t *testing.T, env ...string) *server {
	t.Helper()
	s := &server{limit: limitMemory(t, memoryLimit), metrics: testservers.FreeAddress(t)}
	env = append(env, s.limit.env...)
	// At the level that operators have: what an attack makes it log is part of it.
	env = append(env, "METRICS_LISTEN_ADDRESS="+s.metrics, "LOG_LEVEL=info")
	s.Syncline = testservers.StartSynclineBy(t, s.limit.command, env...)
	t.Logf("%d MiB at most: %s", memoryLimit>>20, s.limit.name)
	if s.limit.watched {
		s.watch(t)
	}
	return s
}

// watch kills the server when it holds more memory than its limit, where the
// kernel cannot be told to.
func (s *server) watch(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if held, err := residentBytes(s.PID(), "VmHWM"); err == nil && held > memoryLimit {
					s.Kill()
				}
			}
		}
	}()
}

// processorTime is what the process has had of the processors since it began.
func (s *server) processorTime() time.Duration {
	const schedClock = 2 // CPUCLOCK_SCHED of linux/posix-timers.h: of all threads
	var had unix.Timespec
	if unix.ClockGettime(int32(^s.PID())<<3|schedClock, &had) != nil {
		return 0 // it ended
	}
	return time.Duration(had.Nano())
}

// died tells whether the process has ended.
func (s *server) died() bool {
	select {
	case <-s.Done():
		return true
	default:
		return false
	}
}

// figures are what the server holds when nobody asks for anything but the
// honest users, after a collection of garbage.
type figures struct{ heap, goroutines, descriptors float64 }

func (s *server) figures(ctx context.Context) (figures, error) {
	if _, err := s.ask(ctx, "/debug/pprof/heap?gc=1"); err != nil {
		return figures{}, err
	}
	text, err := s.ask(ctx, "/metrics")
	if err != nil {
		return figures{}, err
	}
	var f figures
	wanted := map[string]*float64{
		"go_memstats_heap_alloc_bytes": &f.heap, "go_goroutines": &f.goroutines, "process_open_fds": &f.descriptors,
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if into, ok := wanted[name]; ok {
			if *into, err = strconv.ParseFloat(value, 64); err != nil {
				return figures{}, fmt.Errorf("%s: %w", name, err)
			}
			delete(wanted, name)
		}
	}
	if len(wanted) > 0 {
		return figures{}, errors.New("/metrics lacks figures of the Go runtime")
	}
	return f, nil
}

func (s *server) ask(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.metrics+path, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: HTTP %d", path, res.StatusCode)
	}
	return string(text), nil
}
