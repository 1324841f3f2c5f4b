package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A running command line, whose output is read line by line.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	out   *os.File
	lines *bufio.Reader
	in    io.WriteCloser
	notes bytes.Buffer
}

// start starts a command line with an open standard input.
func start(d device, args ...string) *running {
	d.t.Helper()
	r := &running{t: d.t, cmd: d.command(args...)}
	out, theirs, err := os.Pipe()
	if err != nil {
		d.t.Fatal(err)
	}
	defer theirs.Close()
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		d.t.Fatal(err)
	}
	r.out, r.lines = out, bufio.NewReader(out)
	r.cmd.Stdout, r.cmd.Stderr, r.cmd.WaitDelay = theirs, &r.notes, leftBehind
	if err := r.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = r.cmd.Process.Kill(); out.Close() })
	return r
}

// next reads a line that contains something.
func (r *running) next(want string) string {
	r.t.Helper()
	line, err := r.lines.ReadString('\n')
	if err != nil || !strings.Contains(line, want) {
		r.t.Fatalf("%q, %v; want %s", line, err, want)
	}
	return line
}

func (r *running) signal(s os.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// leftBehind is how long what a command line started may have its output after its end.
const leftBehind = 10 * time.Second

// ends waits for the end, and checks the exit code, and that nothing goes on.
func (r *running) ends(code int) {
	r.t.Helper()
	goesOn := r.cmd.Wait()
	_ = r.out.SetReadDeadline(time.Now().Add(leftBehind))
	rest, err := io.ReadAll(r.lines)
	if err != nil || errors.Is(goesOn, exec.ErrWaitDelay) {
		r.t.Errorf("%s: what it started goes on: %v, %v", strings.Join(r.cmd.Args[5:], " "), err, goesOn)
	}
	if got := exitOf(r.cmd); got != code {
		r.t.Errorf("%s: code %d, want %d\n%s%s", strings.Join(r.cmd.Args[5:], " "), got, code, rest, r.notes.String())
	}
}
