package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// family is a command that starts another, tells its number, and waits for it. The
// other has no part in the output: who reads that sees the end of the first.
const family = `sleep 600 >/dev/null 2>&1 & echo $!; wait`

func number(t *testing.T, line string) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// isRunning tells whether a process does something: the dead may stay listed.
func isRunning(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

// parent is the number of the process that started another.
func parent(t *testing.T, pid int) int {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return number(t, strings.Fields(rest)[1])
}

// testSignals ends syncctl, the command and what that started, and the lock is free.
func testSignals(d device) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
		// bash, as sh starts background jobs deaf to interrupts
		held := start(d, "lock", "l", "--", "bash", "-c", "set -m; trap 'kill $child; exit 7' HUP INT QUIT TERM; sleep 600 & child=$!; echo $child; wait")
		held.next("")
		held.signal(signal)
		held.ends(7)
		d.run("locked", "--exit-code", "l").wants(exitOK, "free", "")

		deep := start(d, "lock", "l", "--", "sh", "-c", "(trap '' HUP INT QUIT; sleep 600 >/dev/null 2>&1 & echo $!; exec >/dev/null 2>&1; wait) & wait")
		child := number(d.t, deep.next(""))
		deep.signal(syscall.SIGTERM)
		deep.ends(143)
		if isRunning(child) {
			d.t.Errorf("%v: the command's child goes on", signal)
		}
		d.run("locked", "--exit-code", "l").wants(exitOK, "free", "")
	}
}

// testDeafCommand has a command that ends by force only.
func testDeafCommand(d device) {
	held := start(d, "lock", "deaf", "--", "sh", "-c", "trap '' TERM; "+family)
	child := number(d.t, held.next(""))
	held.signal(syscall.SIGTERM)
	held.ends(128 + int(syscall.SIGKILL))
	if isRunning(child) {
		d.t.Error("the command's child goes on")
	}
	d.run("locked", "--exit-code", "deaf").wants(exitOK, "free", "")
}

// testLostLock ends all that runs under it.
func testLostLock(d device) {
	held := start(d, "lock", "lost", "--instance", "thief", "--ttl", "1s", "--", "sh", "-c", family)
	child := number(d.t, held.next(""))
	d.run("unlock", "lost", "--instance", "thief").wants(exitOK, "", "")
	held.ends(exitLockLost)
	if isRunning(child) {
		d.t.Error("the command's child goes on though the lock was lost")
	}
}

// testLeftBehind has a command that leaves a daemon, and one whose reader leaves.
func testLeftBehind(d device) {
	out, err := os.Create(filepath.Join(d.t.TempDir(), "out"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer out.Close()
	cmd := d.command("lock", "l", "--", "sh", "-c", "sleep 600 & echo $!")
	cmd.Stdout = out
	_ = cmd.Run()
	text, _ := os.ReadFile(out.Name())
	daemon := number(d.t, string(text))
	defer func() { _ = syscall.Kill(daemon, syscall.SIGKILL) }()
	if exitOf(cmd) != exitOK || !isRunning(daemon) {
		d.t.Errorf("code %d, the daemon runs: %t", exitOf(cmd), isRunning(daemon))
	}

	pipeline := exec.Command("bash", "-c", `syncctl lock p -- seq 1 1000000 | head -1; echo ${PIPESTATUS[0]}; syncctl locked p`)
	pipeline.Env = d.with("SYNCLINE_URL="+d.url, "SYNCLINE_KEY="+d.key).bare().Env
	shown, err := pipeline.CombinedOutput()
	if err != nil || string(shown) != "1\n141\np is free\n" {
		d.t.Errorf("%v\n%s", err, shown)
	}

	// A reader that leaves while syncctl still has something to tell keeps no lock.
	pipeline = exec.Command("bash", "-c", `syncctl --debug lock q -- sh -c 'until [ -e left ]; do sleep 0.01; done' 2>&1 | (head -1; exec <&-; touch left); echo ${PIPESTATUS[0]}; syncctl locked q`)
	pipeline.Dir = d.t.TempDir()
	pipeline.Env = d.with("SYNCLINE_URL="+d.url, "SYNCLINE_KEY="+d.key).bare().Env
	shown, err = pipeline.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(shown), "\n0\nq is free\n") {
		d.t.Errorf("%v\n%s", err, shown)
	}
}

// testInterruptedWait leaves the queue for a lock.
func testInterruptedWait(d device) {
	d.run("lock", "l", "--instance", "first", "--ttl", "5m").wants(exitOK, "", "")
	for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		waiting := start(d, "-v", "lock", "l", "--wait", "10m", "--", "true")
		await(d.t, func() bool { return sleeps(waiting.cmd.Process.Pid) })
		waiting.signal(signal)
		waiting.ends(code)
	}
}

// sleeps tells whether a process has a connection open and handles interrupts.
func sleeps(pid int) bool {
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, "socket:") {
			return true
		}
	}
	return false
}

// A screen is a terminal with a program on it.
type screen struct {
	t     *testing.T
	tty   *os.File
	cmd   *exec.Cmd
	shown bytes.Buffer
	seen  int // of shown, by until
}

func open(d device, cmd *exec.Cmd) *screen {
	d.t.Helper()
	tty, err := pty.Start(cmd)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = cmd.Process.Kill(); tty.Close() })
	return &screen{t: d.t, tty: tty, cmd: cmd}
}

func (s *screen) typed(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.tty, keys); err != nil {
		s.t.Fatal(err)
	}
}

// until reads on until something is shown, and answers what was shown up to there.
func (s *screen) until(want string) string {
	s.t.Helper()
	b := make([]byte, 4096)
	for {
		unseen := s.shown.String()[s.seen:]
		if at := strings.Index(unseen, want); at >= 0 {
			s.seen += at + len(want)
			return unseen[:at+len(want)]
		}
		n, err := s.tty.Read(b)
		s.shown.Write(b[:n])
		if n == 0 && err != nil {
			s.t.Fatalf("%v; want %q in\n%s", err, want, unseen)
		}
	}
}

// foreground is the process group that gets what is typed.
func (s *screen) foreground() int {
	group, _ := unix.IoctlGetInt(int(s.tty.Fd()), unix.TIOCGPGRP)
	return group
}

func (s *screen) ends(code int) {
	s.t.Helper()
	rest, _ := io.ReadAll(s.tty) // an error is the terminal's end
	_ = s.cmd.Wait()
	if got := exitOf(s.cmd); got != code {
		s.t.Errorf("code %d, want %d\n%s%s", got, code, s.shown.String(), rest)
	}
}

// testTerminal has a command that wants a terminal: it is the user's own.
func testTerminal(d device) {
	s := open(d, d.command("lock", "tty", "--", "sh", "-c", `test -t 0 && test -t 1 && test -t 2 && echo "a terminal"; read line; echo "got $line"`))
	s.until("a terminal")
	s.typed("hello\n")
	s.until("got hello")
	s.ends(exitOK)

	s = open(d, d.command("lock", "tty", "--", "sh", "-c", "echo ready; exec sleep 600"))
	s.until("ready")
	s.typed("\x03")
	s.ends(130)
	d.run("locked", "--exit-code", "tty").wants(exitOK, "free", "")
}

// openShell opens a terminal with a shell that knows jobs.
func openShell(d device) *screen {
	d.t.Helper()
	shell := d.bare()
	shell.Path, shell.Args = "/bin/bash", []string{"bash", "--norc", "--noprofile", "-i"}
	shell.Env = append(shell.Env, "SYNCLINE_URL="+d.url, "SYNCLINE_KEY="+d.key, "PS1=ready> ", "TERM=dumb")
	s := open(d, shell)
	s.until("ready> ")
	return s
}

// testJobControl stops a command under a lock as a shell's user does, and goes on.
func testJobControl(d device) {
	s := openShell(d)
	s.typed("syncctl lock job --ttl 5m -- sh -c 'echo begun; read line; echo got $line; exec sleep 600'\n")
	s.until("\r\nbegun")
	s.typed("\x1a")
	s.until("Stopped")
	s.until("ready> ")
	s.typed("fg\n")
	s.until("syncctl lock job")
	s.typed("typed\n")
	s.until("got typed")
	s.typed("\x03")
	s.until("ready> ")
	s.typed("echo code=$?; syncctl locked job\n")
	s.until("code=130")
	s.until("job is free")
	s.typed("exit\n")
	s.ends(exitOK)
}

// testPager has a command under a lock whose reader asks the user.
func testPager(d device) {
	s := openShell(d)
	s.typed("syncctl lock piped -- sh -c 'echo begun; exec sleep 600' | sh -c 'read line; echo first $line; read answer </dev/tty; echo then $answer'\n")
	s.until("\r\nfirst begun")
	s.typed("typed\n")
	s.until("\r\nthen typed")
	s.typed("\x03")
	s.until("ready> ")
	s.typed("syncctl locked piped; exit\n")
	s.until("piped is free")
	s.ends(exitOK)
}

// testBackgroundJob takes a command under a lock from the background to the
// foreground and stops it: it stops together with what renews its lock.
func testBackgroundJob(d device) {
	s := openShell(d)
	s.typed("syncctl lock job --ttl 5m -- sh -c 'echo p$((1))d=$$; exec sleep 600' &\n")
	s.until("p1d=")
	command := number(d.t, s.until("\r\n"))
	s.typed("fg\n")
	await(d.t, func() bool { return s.foreground() == parent(d.t, command) })
	s.typed("\x1a")
	s.until("Stopped")
	s.until("ready> ")
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", command)); err != nil || !strings.Contains(string(stat), ") T ") {
		d.t.Errorf("syncctl is stopped, but not its command: %v, %s", err, stat)
	}
	s.typed("fg\n")
	await(d.t, func() bool { return s.foreground() == command })
	s.typed("\x03")
	s.until("ready> ")
	s.typed("echo code=$?; syncctl locked job; exit\n")
	s.until("code=130")
	s.until("job is free")
	s.ends(exitOK)
}
