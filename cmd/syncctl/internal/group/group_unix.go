//go:build unix

package group

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

func run(ctx context.Context, c Command) (code int, err error) {
	tty := openTerminal()
	defer tty.close()
	attributes := &syscall.SysProcAttr{Setpgid: true}
	// Otherwise this may be a part of a pipeline whose end, a pager for one, reads
	// from the terminal. A command that wants it nevertheless is given it by wait.
	interactive := term.IsTerminal(int(c.Stdin.Fd())) && term.IsTerminal(int(c.Stdout.Fd()))
	if interactive && tty.isOurs() {
		attributes.Foreground, attributes.Ctty = true, int(tty.file.Fd())
	}
	stops := make(chan os.Signal, 1)
	if tty.file != nil {
		for _, s := range []os.Signal{unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU} {
			if !signal.Ignored(s) {
				signal.Notify(stops, s)
			}
		}
	}
	process, err := os.StartProcess(c.Path, c.Args, &os.ProcAttr{
		Env: c.Env, Files: []*os.File{c.Stdin, c.Stdout, c.Stderr}, Sys: attributes,
	})
	if err != nil {
		signal.Stop(stops)
		return 0, &NotRunError{c.Args[0], 126, err}
	}
	leader := process.Pid
	_ = process.Release() // wait does what Wait would, and hears of stops

	ended := make(chan unix.WaitStatus, 1)
	go func() { ended <- wait(leader, tty, interactive, stops) }()
	select {
	case status := <-ended:
		tty.takeBack(leader)
		return exitCode(status), nil
	case <-ctx.Done():
	}
	end(leader, signalOf(ctx), c.Grace)
	status := <-ended
	tty.takeBack(leader)
	return exitCode(status), nil
}

func exitCode(status unix.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// wait returns when the first process has ended. This program and the command
// stop together, whichever of them is told to by the user (Ctrl-Z) or by the kernel
// (the terminal is another's), so that the shell has the terminal again, and the
// command goes on when this program does: it never runs without who watches it.
func wait(leader int, tty terminal, interactive bool, stops chan os.Signal) unix.WaitStatus {
	goesOn := make(chan os.Signal, 1)
	signal.Notify(goesOn, unix.SIGCONT)
	defer signal.Stop(goesOn)
	go func() {
		for range stops { // this program stops once the command has
			_ = unix.Kill(-leader, unix.SIGSTOP)
		}
	}()
	defer func() {
		signal.Stop(stops)
		close(stops)
	}()
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(leader, &status, unix.WUNTRACED, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || !status.Stopped():
			return status
		case tty.file == nil: // no shell would notice
		default:
			asksForTerminal := status.StopSignal() == unix.SIGTTIN || status.StopSignal() == unix.SIGTTOU
			if !asksForTerminal || !tty.isOurs() {
				if tty.takeBack(leader) {
					signal.Notify(stops, unix.SIGTTOU) // taking it back ended that
				}
				select {
				case <-goesOn: // an old one
				default:
				}
				_ = unix.Kill(0, unix.SIGSTOP)
				<-goesOn // not all threads stop at once
			}
			if asksForTerminal || interactive {
				tty.give(leader)
			}
			_ = unix.Kill(-leader, unix.SIGCONT)
		}
	}
}

// end ends all of a group: with a signal, and after the grace period by force.
func end(leader int, sig syscall.Signal, grace time.Duration) {
	_ = unix.Kill(-leader, sig)
	_ = unix.Kill(-leader, unix.SIGCONT) // what is stopped ends, too
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for killed := false; !isGone(leader); {
		select {
		case <-look.C:
		case <-deadline.C:
			if killed { // the dead stay listed where nobody collects them
				return
			}
			killed = true
			_ = unix.Kill(-leader, unix.SIGKILL)
			deadline.Reset(time.Second)
		}
	}
}

func isGone(leader int) bool { return errors.Is(unix.Kill(-leader, 0), unix.ESRCH) }

// terminal is the one that controls this program; the zero value is none.
type terminal struct{ file *os.File }

func openTerminal() terminal {
	file, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return terminal{}
	}
	return terminal{file}
}

func (t terminal) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
}

// isOurs tells whether this program is in the foreground: what is typed is for it.
func (t terminal) isOurs() bool { return t.foreground() == unix.Getpgrp() }

// foreground is the group that gets what is typed; 0 if there is no terminal.
func (t terminal) foreground() int {
	if t.file == nil {
		return 0
	}
	group, err := unix.IoctlGetInt(int(t.file.Fd()), unix.TIOCGPGRP)
	if err != nil {
		return 0
	}
	return group
}

// give puts a group into the foreground, if this program is there.
func (t terminal) give(group int) {
	if t.isOurs() {
		_ = unix.IoctlSetPointerInt(int(t.file.Fd()), unix.TIOCSPGRP, group)
	}
}

// takeBack puts this program into the foreground again, if a group is there that
// it gave its place to. Then nobody is told of SIGTTOU any more.
func (t terminal) takeBack(from int) bool {
	if t.foreground() != from {
		return false
	}
	signal.Ignore(unix.SIGTTOU) // else the kernel stops who asks from the background
	defer signal.Reset(unix.SIGTTOU)
	_ = unix.IoctlSetPointerInt(int(t.file.Fd()), unix.TIOCSPGRP, unix.Getpgrp())
	return true
}
