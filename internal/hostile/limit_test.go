//go:build !race

package hostile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limit is how the memory of a process is bounded, so that one byte more kills it.
type limit struct {
	name    string
	command []string // runs the command that follows it within the limit
	env     []string // what the server must be told, because it cannot see the limit
	watched bool     // the limit is this test's own: see watch
}

// limitMemory finds what this machine has for a hard limit: a control group, as
// containers have it, version 2 or 1; else a scope of systemd; else the test
// itself watches. A control group counts the kernel's memory for the process,
// too, such as what sockets hold.
func limitMemory(t *testing.T, most int64) limit {
	t.Helper()
	for _, find := range []func(*testing.T, int64) (limit, error){controlGroup2, controlGroup1, systemdScope} {
		l, err := find(t, most)
		if err == nil {
			return l
		}
		t.Log(err)
	}
	return limit{name: "watched by the test", watched: true, env: []string{fmt.Sprintf("GOMEMLIMIT=%d", most*3/4)}}
}

func controlGroup2(t *testing.T, most int64) (limit, error) {
	const root = "/sys/fs/cgroup"
	controllers, err := os.ReadFile(root + "/cgroup.subtree_control")
	if err != nil {
		return limit{}, fmt.Errorf("no control groups of version 2: %w", err)
	}
	if !bytes.Contains(controllers, []byte("memory")) {
		return limit{}, fmt.Errorf("the control groups below %s have no limit of memory", root)
	}
	return controlGroup(t, root, map[string]int64{"memory.max": most, "memory.swap.max": 0})
}

func controlGroup1(t *testing.T, most int64) (limit, error) {
	return controlGroup(t, "/sys/fs/cgroup/memory", map[string]int64{"memory.limit_in_bytes": most, "memory.swappiness": 0})
}

// controlGroup makes a group below root. The shell enters it and becomes the server.
func controlGroup(t *testing.T, root string, settings map[string]int64) (limit, error) {
	dir := filepath.Join(root, fmt.Sprintf("syncline-hostile-%d-%d", os.Getpid(), time.Now().UnixNano()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return limit{}, fmt.Errorf("cannot make a control group: %w", err)
	}
	t.Cleanup(func() { removeGroup(t, dir) }) // once the server is gone: it is started later
	for name, value := range settings {
		err := os.WriteFile(filepath.Join(dir, name), []byte(strconv.FormatInt(value, 10)), 0o600)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // without swap there is no file for it
			return limit{}, fmt.Errorf("cannot limit a control group: %w", err)
		}
	}
	return limit{name: "control group " + dir, command: []string{"sh", "-c", `echo $$ >"$0"/cgroup.procs && exec "$@"`, dir}}, nil
}

func removeGroup(t *testing.T, dir string) {
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := os.Remove(dir)
		if !errors.Is(err, syscall.EBUSY) {
			return
		}
		select {
		case <-tick.C: // what was in it is still ending
		case <-deadline.C:
			t.Errorf("the control group stays: %v", err)
			return
		}
	}
}

func systemdScope(_ *testing.T, most int64) (limit, error) {
	command := []string{"systemd-run", "--scope", "--quiet", "-p", fmt.Sprintf("MemoryMax=%d", most), "-p", "MemorySwapMax=0"}
	if os.Getuid() != 0 {
		command = append(command, "--user")
	}
	if out, err := exec.Command(command[0], append(command[1:], "true")...).CombinedOutput(); err != nil {
		return limit{}, fmt.Errorf("systemd makes no scope: %w: %s", err, bytes.TrimSpace(out))
	}
	return limit{name: "scope of systemd", command: command}, nil
}

// residentBytes reads a figure of a process: VmRSS is what it holds in memory
// now, VmHWM the most since resetPeak.
func residentBytes(pid int, figure string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == figure+":" {
			kibibytes, err := strconv.ParseInt(fields[1], 10, 64)
			return kibibytes << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no %s: it ended", pid, figure)
}

// resetPeak makes VmHWM begin again from what the process holds now.
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o600)
}
