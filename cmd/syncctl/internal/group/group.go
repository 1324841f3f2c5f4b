// Package group runs a command together with whatever it starts, and ends all of
// it: on Unix a process group, on Windows a job.
//
// The command has the terminal as if a shell had started it. What it leaves
// running when it ends by itself, a daemon for one, goes on.
package group

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Signal is the cause of a context that ended because of a signal.
type Signal struct{ syscall.Signal }

func (s Signal) Error() string { return "ended by a signal: " + s.String() }

// ExitCode is that of a program which such a signal ended, as shells have it.
func (s Signal) ExitCode() int { return 128 + int(s.Signal) }

// Command is what is run.
type Command struct {
	// Path is the program, as exec.LookPath answers it; Args follow its name.
	Path string
	Args []string
	// Env is the environment. Of entries with the same name the last counts.
	Env []string
	// The command gets these very files: a terminal stays one.
	Stdin, Stdout, Stderr *os.File
	// Grace is how long all of the group may take to end once it is told to.
	Grace time.Duration
}

// Find looks a program up. The error's code is the one that shells end with: 127
// if there is none, 126 if it may not be run.
func Find(name string) (path string, err error) {
	path, err = exec.LookPath(name)
	switch {
	case err == nil, errors.Is(err, exec.ErrDot):
		return path, nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return "", &NotRunError{name, 127, err}
	default:
		return "", &NotRunError{name, 126, err}
	}
}

// NotRunError says that a command could not be started.
type NotRunError struct {
	Name string
	Code int
	err  error
}

func (e *NotRunError) Error() string {
	if e.Code == 127 {
		return fmt.Sprintf("there is no command %s", e.Name)
	}
	return fmt.Sprintf("%s cannot be run: %v", e.Name, e.err)
}

func (e *NotRunError) Unwrap() error { return e.err }

// Run runs a command and answers its exit code, 128 and the signal's number if
// one ended it. Once ctx ends, every process of the group gets the signal that is
// the cause, or SIGTERM, and is killed when it is still there after the grace
// period; Run returns when none is left.
func Run(ctx context.Context, c Command) (code int, err error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if slices.ContainsFunc(c.Env, func(entry string) bool { return strings.Contains(entry, "\x00") }) {
		return 0, &NotRunError{c.Args[0], 126, errors.New("NUL in its environment")}
	}
	c.Env = (&exec.Cmd{Env: c.Env}).Environ() // a process that is given a name twice takes the first
	return run(ctx, c)
}

// signalOf is what a group gets when ctx ended.
func signalOf(ctx context.Context) syscall.Signal {
	if s, ok := errors.AsType[Signal](context.Cause(ctx)); ok {
		return s.Signal
	}
	return syscall.SIGTERM
}
