package checks

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/rhysd/actionlint"
)

func TestWorkflows(t *testing.T) {
	t.Parallel()
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(files) < 2 {
		t.Fatalf("workflows: %q, %v", files, err)
	}
	problems, err := linter.LintFiles(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Error(problem)
	}
}

// What runs in a workflow is what was there when it was written down: a tag may
// be moved by whoever gets hold of an action's repository, a commit may not.
func TestActionsArePinned(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	pinned := regexp.MustCompile(`^uses: [^@]+@[0-9a-f]{40} # v?[0-9.]+$`)
	found := 0
	for _, file := range files {
		for line := range strings.Lines(read(t, file)) {
			line = strings.TrimPrefix(strings.TrimSpace(line), "- ")
			if !strings.HasPrefix(line, "uses:") {
				continue
			}
			if found++; !pinned.MatchString(line) {
				t.Errorf("%s: %s: name the commit, and its version in a comment", file, line)
			}
		}
	}
	if found == 0 {
		t.Error("no action is used: what is checked here has moved")
	}
}

// flyFile has the keys of Fly's reference that fly.toml uses: a key that is
// misspelt would be ignored by Fly.
type flyFile struct {
	App           string `toml:"app"`
	PrimaryRegion string `toml:"primary_region"`
	KillSignal    string `toml:"kill_signal"`
	KillTimeout   string `toml:"kill_timeout"`
	Build         struct {
		Dockerfile string `toml:"dockerfile"`
	} `toml:"build"`
	Env    map[string]string `toml:"env"`
	Mounts []struct {
		Source            string `toml:"source"`
		Destination       string `toml:"destination"`
		InitialSize       string `toml:"initial_size"`
		SnapshotRetention int    `toml:"snapshot_retention"`
	} `toml:"mounts"`
	Deploy struct {
		Strategy string `toml:"strategy"`
	} `toml:"deploy"`
	HTTPService struct {
		InternalPort       int    `toml:"internal_port"`
		ForceHTTPS         bool   `toml:"force_https"`
		AutoStopMachines   string `toml:"auto_stop_machines"`
		AutoStartMachines  bool   `toml:"auto_start_machines"`
		MinMachinesRunning int    `toml:"min_machines_running"`
		Concurrency        struct {
			Type      string `toml:"type"`
			SoftLimit int    `toml:"soft_limit"`
			HardLimit int    `toml:"hard_limit"`
		} `toml:"concurrency"`
		Checks []struct {
			Method      string `toml:"method"`
			Path        string `toml:"path"`
			GracePeriod string `toml:"grace_period"`
			Interval    string `toml:"interval"`
			Timeout     string `toml:"timeout"`
		} `toml:"checks"`
	} `toml:"http_service"`
	Metrics struct {
		Port int    `toml:"port"`
		Path string `toml:"path"`
	} `toml:"metrics"`
	VM []struct {
		Size   string `toml:"size"`
		Memory string `toml:"memory"`
	} `toml:"vm"`
}

// What fly.toml says fits the image and the server's defaults.
func TestFly(t *testing.T) {
	t.Parallel()
	var fly flyFile
	meta, err := toml.DecodeFile("../../fly.toml", &fly)
	if err != nil {
		t.Fatal(err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		t.Errorf("keys that Fly does not know: %v", unknown)
	}
	var environ []string
	for name, value := range fly.Env {
		environ = append(environ, name+"="+value)
	}
	cfg := loadConfig(t, environ)
	if grace, err := time.ParseDuration(fly.KillTimeout); err != nil || grace < cfg.ShutdownTimeout+5*time.Second {
		t.Errorf("the machine is killed after %s, its drain may take %s (%v)", fly.KillTimeout, cfg.ShutdownTimeout, err)
	}
	if fly.PrimaryRegion != "lhr" || fly.KillSignal != "SIGTERM" || cfg.ListenAddress != ":8080" || fly.HTTPService.InternalPort != 8080 || cfg.MetricsListenAddress != ":9091" || fly.Metrics.Port != 9091 {
		t.Errorf("region, signal or ports: %+v", fly)
	}
	if _, ok := readDockerfile(t).Volumes[fly.Mounts[0].Destination]; !ok {
		t.Errorf("the volume is mounted at %s, where the image has none", fly.Mounts[0].Destination)
	}
	// internal/hostile shows that 256 MiB are enough for the server; the machine needs some for itself.
	if memory, err := strconv.Atoi(strings.TrimSuffix(fly.VM[0].Memory, "mb")); err != nil || memory < 256+128 {
		t.Errorf("the machine has %s of memory (%v)", fly.VM[0].Memory, err)
	}
	if cfg.PublicAuthorities != fly.App+".fly.dev" {
		t.Errorf("clients sign %s.fly.dev, the server accepts %q", fly.App, cfg.PublicAuthorities)
	}
}

// systemd understands each line of the unit, and finds that it exposes little.
func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatalf("%v: install the package systemd", err)
	}
	root := t.TempDir()
	write := func(path, content string, mode os.FileMode) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, target := range []string{"sysinit", "basic", "shutdown", "network-online"} {
		write("etc/systemd/system/"+target+".target", "[Unit]\nDescription="+target+"\n", 0o644)
	}
	write("usr/local/bin/syncline", "#!/bin/sh\n", 0o755)
	unit := read(t, "../syncline.service")
	write("etc/systemd/system/syncline.service", unit, 0o644)
	out, err := exec.Command(program, "verify", "--root="+root, "syncline.service").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	// 1.5 of 10: what is left is the network and the host's root directory.
	out, err = exec.Command(program, "security", "--offline=true", "--threshold=15", "--no-pager",
		filepath.Join(root, "etc/systemd/system/syncline.service")).CombinedOutput()
	if err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
	var environ []string
	stop := time.Duration(0)
	for line := range strings.Lines(unit) {
		if variable, ok := strings.CutPrefix(line, "Environment="); ok {
			environ = append(environ, strings.TrimSpace(variable))
		}
		if value, ok := strings.CutPrefix(line, "TimeoutStopSec="); ok {
			stop, _ = time.ParseDuration(strings.TrimSpace(value)) // 0 fails below
		}
	}
	if cfg := loadConfig(t, environ); stop < cfg.ShutdownTimeout+5*time.Second {
		t.Errorf("it is killed after %s, its drain may take %s", stop, cfg.ShutdownTimeout)
	}
}
