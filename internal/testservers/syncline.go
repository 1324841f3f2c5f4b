// Package testservers starts real servers for tests: Syncline itself as a
// process of its own, and the databases beside it. Each listens on a free
// loopback port, keeps its files in the test's temporary directory and ends
// with the test.
package testservers

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binary is the server that Main built.
var binary string

// Main builds the server, runs the package's tests and cleans up; where a target is
// fuzzed, whose workers are processes of this program, it builds none. A package
// whose tests call StartSyncline has
//
//	func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }
//
// Servers get this machine's environment, save what WithoutOTel takes away.
func Main(m *testing.M) int {
	WithoutOTel()
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "syncline-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "syncline")
	if err := build(binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// WithoutOTel takes the variables that begin with OTEL_ out of this process's environment, so that
// tests on a machine whose own traces are collected behave as on any other, and send nothing there.
func WithoutOTel() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "OTEL_") {
			_ = os.Unsetenv(name)
		}
	}
}

// Syncline is a server process. It can be killed, stopped and started again on
// the same port and files.
type Syncline struct {
	Address string // host:port
	Dir     string // of its database
	t       testing.TB
	command []string // before the program's own name
	program string   // another than the one that Main built
	env     []string
	process *process
}

// StartSyncline starts a server with these variables set, lines of NAME=value,
// and waits until it is ready.
func StartSyncline(t testing.TB, env ...string) *Syncline {
	t.Helper()
	return StartSynclineBy(t, nil, env...)
}

// StartSynclineOf is StartSyncline for another program than the one that Main built.
func StartSynclineOf(t testing.TB, program string, env ...string) *Syncline {
	t.Helper()
	s := &Syncline{Address: FreeAddress(t), Dir: t.TempDir(), t: t, program: program, env: env}
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// StartSynclineBy is StartSyncline by a command that runs the one that follows
// it as the same process, such as nice or systemd-run --scope.
func StartSynclineBy(t testing.TB, command []string, env ...string) *Syncline {
	t.Helper()
	s := &Syncline{Address: FreeAddress(t), Dir: t.TempDir(), t: t, command: command, env: env}
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// LaunchSyncline is StartSyncline for a server that will not be ready: it waits until
// it listens.
func LaunchSyncline(t testing.TB, env ...string) *Syncline {
	t.Helper()
	s := &Syncline{Address: FreeAddress(t), Dir: t.TempDir(), t: t, env: env}
	t.Cleanup(s.Kill)
	s.start("/livez")
	return s
}

// URL is where the server answers GraphQL.
func (s *Syncline) URL() string { return "http://" + s.Address + "/graphql" }

// Start starts the process again after Kill or Stop, and waits until it is ready.
func (s *Syncline) Start() {
	s.t.Helper()
	s.start("/readyz")
}

// start starts the process and waits until it answers 200 at a path.
func (s *Syncline) start(path string) {
	s.t.Helper()
	if binary == "" {
		s.t.Fatal("the package needs a TestMain that calls testservers.Main")
	}
	args := append(slices.Clone(s.command), cmp.Or(s.program, binary))
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "LISTEN_ADDRESS="+s.Address, "SQLITE_DIR_PATH="+s.Dir, "LOG_LEVEL=warn",
		"RATE_LIMITS=off", // a test's load comes from one address
		"DRAIN_DELAY=0s")  // nobody asks whether it is ready
	cmd.Env = append(cmd.Env, s.env...)
	s.process = launch(s.t, cmd)
	s.process.await(s.t, "the server", func(ctx context.Context) bool {
		return s.ready(ctx, path)
	})
}

// ready asks as the variables have it: by TLS, or by a Unix socket.
func (s *Syncline) ready(ctx context.Context, path string) bool {
	scheme, client := "http", http.DefaultClient
	for _, variable := range s.env {
		if strings.HasPrefix(variable, "TLS_CERT_FILE=") {
			client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
			scheme = "https"
		}
		if socket, ok := strings.CutPrefix(variable, "LISTEN_ADDRESS=unix:"); ok {
			client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			}}}
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+s.Address+path, nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Done is closed when the present process has ended.
func (s *Syncline) Done() <-chan struct{} { return s.process.done }

// Set sets variables for the next Start, lines of NAME=value that override
// those of before.
func (s *Syncline) Set(env ...string) { s.env = append(s.env, env...) }

// SetProgram has the next Start start another program than the one that Main
// built; that one again if it is empty.
func (s *Syncline) SetProgram(path string) { s.program = path }

// Kill ends the process at once, as a power cut would, and waits for its end.
func (s *Syncline) Kill() { s.process.kill() }

// Signal sends the process a signal and returns at once.
func (s *Syncline) Signal(sig syscall.Signal) error { return s.process.cmd.Process.Signal(sig) }

// Stop asks the process to end and waits for it: see Wait.
func (s *Syncline) Stop() error {
	if err := s.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.Wait()
}

// Wait waits for the process to end. The error is nil if it ended with code 0
// within a minute.
func (s *Syncline) Wait() error {
	select {
	case <-s.process.done:
		return s.process.err
	case <-time.After(time.Minute):
		return errors.New("the server did not stop within a minute")
	}
}

// Run runs the program with arguments to its end, which must come within a
// minute. The error is nil if it ended with code 0.
func Run(t testing.TB, env []string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := Command(t, ctx, env, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// Program is the path of the server that Main built.
func Program() string { return binary }

// Command is the program with arguments, to be run. It is killed when ctx ends.
func Command(t testing.TB, ctx context.Context, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "LISTEN_ADDRESS="+FreeAddress(t))
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// PID is the process id of the running server.
func (s *Syncline) PID() int { return s.process.cmd.Process.Pid }

// Log is what the present process wrote to its log last.
func (s *Syncline) Log() string { return s.process.log.String() }
