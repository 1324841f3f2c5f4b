package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"syncline/internal/testservers"
)

// binary is the program as users run it.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndTest(m)) }

func buildAndTest(m *testing.M) int {
	dir, err := os.MkdirTemp("", "syncctl-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "syncctl")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	// What is started here must hear signals, also where this is a background job
	// of a script and deaf to interrupts: what is handled is not inherited.
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP, syscall.SIGQUIT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	return testservers.Main(m)
}

// A device runs command lines with a key of its own.
type device struct {
	t   *testing.T
	url string
	key string
	// env is set beside what every test has.
	env []string
	// inside runs them in the test's own process, with a transport of its own.
	inside bool
}

func (d device) with(env ...string) device {
	d.env = append(slices.Clone(d.env), env...)
	return d
}

func newDevice(t *testing.T, url string) device {
	t.Helper()
	d := device{t: t, url: url, key: filepath.Join(t.TempDir(), "deep", "key")}
	d.run("keygen").wants(exitOK, "key of 0", "")
	return d
}

type result struct {
	t        *testing.T
	line     string
	code     int
	out, err string
}

func (d device) run(args ...string) result { return d.runWith(d.t.Context(), "", args...) }

// runWith runs a command line with a standard input, and interrupts it when ctx ends.
func (d device) runWith(ctx context.Context, in string, args ...string) result {
	d.t.Helper()
	var out, err bytes.Buffer
	if d.inside {
		code := run(ctx, d.line(args), streams{strings.NewReader(in), &out, &err})
		return result{d.t, strings.Join(args, " "), code, out.String(), err.String()}
	}
	cmd := d.command(args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &err
	if failed := cmd.Start(); failed != nil {
		d.t.Fatal(failed)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(os.Interrupt) })
	defer stop()
	_ = cmd.Wait()
	return result{d.t, strings.Join(args, " "), exitOf(cmd), out.String(), err.String()}
}

// line is a whole command line.
func (d device) line(args []string) []string {
	return append([]string{"--url", d.url, "--key", d.key}, args...)
}

// command is a program that is yet to be started.
func (d device) command(args ...string) *exec.Cmd { return d.bare(d.line(args)...) }

// bare is a program without url and key.
func (d device) bare(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "HOME="+d.t.TempDir(), "XDG_CONFIG_HOME=", "SYNCLINE_URL=", "SYNCLINE_KEY=", "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	cmd.Env = append(cmd.Env, d.env...)
	return cmd
}

// exitOf is an exit code as a shell has it.
func exitOf(cmd *exec.Cmd) int {
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

// wants checks the exit code, and that both outputs contain something.
func (r result) wants(code int, out, err string) result {
	r.t.Helper()
	if r.code != code || !strings.Contains(r.out, out) || !strings.Contains(r.err, err) {
		r.t.Errorf("syncctl %s: code %d, want %d, %q, %q\nstdout: %s\nstderr: %s", r.line, r.code, code, out, err, r.out, r.err)
	}
	return r
}

// json reads the output's lines, each an object.
func (r result) json() (all []map[string]any) {
	r.t.Helper()
	lines := json.NewDecoder(strings.NewReader(r.out))
	for {
		var v map[string]any
		switch err := lines.Decode(&v); err {
		case nil:
			all = append(all, v)
		case io.EOF:
			if len(all) != strings.Count(r.out, "\n") {
				r.t.Errorf("syncctl %s: %d objects on %d lines", r.line, len(all), strings.Count(r.out, "\n"))
			}
			return all
		default:
			r.t.Fatalf("syncctl %s: %v in %s", r.line, err, r.out)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	d := device{t: t, url: "http://127.0.0.1:1/graphql", key: filepath.Join(t.TempDir(), "key")}
	d.run("--help").wants(exitOK, "Exit codes:", "")
	for _, command := range []string{"set", "get", "delete", "changes", "listen", "lock", "unlock", "locked", "sign"} {
		d.run(command, "--help").wants(exitOK, "syncctl "+command+" ", "")
	}
	for _, wrong := range [][]string{
		{},
		{"frobnicate"},
		{"set"},
		{"set", "a"},
		{"set", "a", "data", "--file", "main_test.go"},
		{"set", "a", "data", "--revision", "one"},
		{"set", "a", "data", "--revision", "1", "--last-seen"},
		{"set", "a", "data", "--fence", "lock"},
		{"set", "a", "data", "--fence", "lock=0"},
		{"delete", "a"},
		{"unlock", "l"},
	} {
		d.run(wrong...).wants(exitUsage, "", "see syncctl --help")
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	d := device{t: t, url: "http://127.0.0.1:1/graphql", key: filepath.Join(t.TempDir(), "deep", "key")}
	d.run("whoami", "--offline").wants(exitError, "", "syncctl keygen")
	owner := d.run("keygen", "--json").wants(exitOK, "", "").json()[0]["owner"].(string)
	if info, err := os.Stat(d.key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	d.run("whoami", "--offline").wants(exitOK, owner, "")

	d.run("keygen").wants(exitError, "", "--force")
	d.run("whoami", "--offline").wants(exitOK, owner, "")
	d.run("keygen", "--force").wants(exitOK, "key of", "")
	if r := d.run("whoami", "--offline").wants(exitOK, "0", ""); strings.Contains(r.out, owner) {
		t.Error("--force kept the old key")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(d.key), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	if err := os.Chmod(d.key, 0o640); err != nil {
		t.Fatal(err)
	}
	d.run("whoami", "--offline").wants(exitError, "", "chmod 600")
	if err := os.WriteFile(d.key, []byte("not a key"), 0o600); err != nil || os.Chmod(d.key, 0o600) != nil {
		t.Fatal(err)
	}
	if r := d.run("whoami", "--offline").wants(exitError, "", "private key"); strings.Contains(r.err, "not a key\n") {
		t.Errorf("the key's content is shown: %s", r.err)
	}
}

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestFullDiskIsAnError(t *testing.T) {
	t.Parallel()
	d := device{t: t, url: "http://127.0.0.1:1/graphql", key: filepath.Join(t.TempDir(), "key")}
	var notes bytes.Buffer
	code := run(t.Context(), []string{"--key", d.key, "keygen"}, streams{nil, fullDisk{}, &notes})
	if code != exitError || !strings.Contains(notes.String(), "standard output: no space left") {
		t.Errorf("code %d, %s", code, notes.String())
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	d := newDevice(t, "http://"+testservers.FreeAddress(t)+"/graphql")
	d.run("whoami", "--timeout", "300ms").wants(exitUnreachable, "", "unreachable")
	r := d.run("--json", "get", "a", "--timeout", "300ms").wants(exitUnreachable, "", "")
	if got := r.json()[0]["exitCode"]; got != float64(exitUnreachable) {
		t.Errorf("exitCode %v", got)
	}
}
