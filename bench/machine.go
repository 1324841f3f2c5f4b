package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"syncline/bench/stats"
)

// machine says where the figures were taken, and of what. dir is on the disk
// that databases lie on.
func machine(ctx context.Context, root, dir string) map[string]string {
	m := map[string]string{
		"processors": fmt.Sprintf("%d × %s", runtime.NumCPU(), processor()),
		"go":         runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH,
	}
	if d, err := syncTime(filepath.Join(dir, "sync")); err == nil {
		m["sync"] = d.Round(time.Microsecond).String()
	}
	for name, command := range map[string][]string{
		"kernel":   {"uname", "-r"},
		"revision": {"git", "-C", root, "describe", "--always", "--dirty"},
	} {
		if out, err := exec.CommandContext(ctx, command[0], command[1:]...).Output(); err == nil { //nolint:gosec // uname and git
			m[name] = strings.TrimSpace(string(out))
		}
	}
	return m
}

// processor is the model of the first processor, on Linux.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// syncTime is the median time that the disk takes to keep a page more.
func syncTime(path string) (time.Duration, error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { _, _ = f.Close(), os.Remove(path) }()
	var took []float64
	for range 100 {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return 0, err
		}
		began := time.Now()
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, float64(time.Since(began)))
	}
	return time.Duration(stats.Summarize(took).Median), nil
}

// peers are the releases of other makers' stores, by the modules that build them.
func peers(root string) map[string]string {
	m := map[string]string{}
	for name, module := range map[string]string{
		"etcd": "go.etcd.io/etcd/server/v3", "nats": "github.com/nats-io/nats-server/v2", "centrifuge": "github.com/centrifugal/centrifuge", "pocketbase": "github.com/pocketbase/pocketbase",
	} {
		file, err := os.ReadFile(filepath.Join(root, "bench", name, "go.mod"))
		if err != nil {
			continue
		}
		if _, after, found := strings.Cut(string(file), module+" "); found {
			m[name], _, _ = strings.Cut(after, "\n")
		}
	}
	return m
}
