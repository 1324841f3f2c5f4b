package testservers

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// process is a server that a test started.
type process struct {
	cmd  *exec.Cmd
	log  *logTail
	done chan struct{} // closed when the process ended
	err  error         // of the process, once done
}

// launch starts a server. It does not outlive this process, however that ends.
func launch(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, log: &logTail{}, done: make(chan struct{})}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dismiss := guard(t, cmd.Process.Pid)
	go func() {
		p.log.read(output)
		p.err = cmd.Wait()
		dismiss()
		close(p.done)
	}()
	return p
}

// guard starts a shell that kills a process as soon as this one is no more.
func guard(t testing.TB, pid int) (dismiss func()) {
	t.Helper()
	cmd := exec.Command("sh", "-c", `read -r line; kill -9 "$0"`, strconv.Itoa(pid))
	stdin, err := cmd.StdinPipe() // its other end closes with this process
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		stdin.Close()
	}
}

// kill ends the process at once, as a power cut would, and waits for its end.
func (p *process) kill() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

// waitLimit bounds what has to happen. It has room for a machine that is busy.
const waitLimit = time.Minute

// await waits until a server answers, for a minute at most. what names it.
func (p *process) await(t testing.TB, what string, ready func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ready(ctx) {
		select {
		case <-p.done:
			t.Fatalf("%s ended: %v\n%s", what, p.err, p.log)
		case <-ctx.Done():
			t.Fatalf("%s is not ready after %v\n%s", what, waitLimit, p.log)
		case <-tick.C:
		}
	}
}

// Await waits until something is so, for a minute at most. what says it in words.
func Await(t testing.TB, what string, holds func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("after %v it does not hold: %s", waitLimit, what)
		case <-tick.C:
		}
	}
}

// logTail keeps the last lines of a log.
type logTail struct {
	mu    sync.Mutex
	lines []string
}

const maxLogLines = 200

func (l *logTail) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		l.mu.Lock()
		l.lines = append(l.lines, lines.Text())
		l.lines = l.lines[max(0, len(l.lines)-maxLogLines):]
		l.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, r) // after an overlong line: a full pipe would stop the process
}

func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
