package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A running command line, whose output is read line by line.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Reader
	in    io.WriteCloser
	notes bytes.Buffer
}

// start starts a command line with an open standard input.
func start(d device, args ...string) *running {
	d.t.Helper()
	r := &running{t: d.t, cmd: d.command(args...)}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		d.t.Fatal(err)
	}
	r.lines, r.cmd.Stderr = bufio.NewReader(out), &r.notes
	if err := r.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = r.cmd.Process.Kill() })
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

// ends waits for the end, and checks the exit code.
func (r *running) ends(code int) {
	r.t.Helper()
	rest, _ := io.ReadAll(r.lines)
	_ = r.cmd.Wait()
	if got := exitOf(r.cmd); got != code {
		r.t.Errorf("%s: code %d, want %d\n%s%s", strings.Join(r.cmd.Args[5:], " "), got, code, rest, r.notes.String())
	}
}
