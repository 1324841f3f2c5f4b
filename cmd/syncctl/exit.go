package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"syncline/client"
	"syncline/cmd/syncctl/internal/group"
)

// Exit codes to rely on. Beside them: those of shells for a command that cannot
// be run (126, 127), and for what a signal ended (128 and its number).
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitConflict    = 3
	exitHeld        = 4
	exitRefused     = 5
	exitUnreachable = 6
	exitNotFound    = 7
	exitLockLost    = 8
	exitInterrupted = 130
	exitClosedPipe  = 141
)

// exitCode is what an error means. ctx is that of the command line.
func exitCode(ctx context.Context, err error) int {
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if notRun, ok := errors.AsType[*group.NotRunError](err); ok {
		return notRun.Code
	}
	s, signalled := errors.AsType[group.Signal](cmp.Or(context.Cause(ctx), err))
	refused, _ := errors.AsType[*client.Error](err)
	switch {
	case errors.Is(err, client.ErrConflict):
		return exitConflict
	case errors.Is(err, client.ErrLockLost):
		return exitLockLost
	case errors.Is(err, client.ErrNotFound):
		return exitNotFound
	case errors.Is(err, syscall.EPIPE):
		return exitClosedPipe
	case signalled:
		return s.ExitCode()
	case errors.Is(err, client.ErrHeld):
		return exitHeld
	case errors.Is(err, client.ErrUnreachable), errors.Is(err, client.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return exitUnreachable
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, client.ErrInternal):
		return exitError
	case refused != nil:
		return exitRefused
	default:
		return exitError
	}
}

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() + "; see syncctl --help" }

func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// errorList is several errors, each told on a line of its own.
type errorList []error

func (l errorList) Error() string {
	all := make([]string, len(l))
	for i, err := range l {
		all[i] = err.Error()
	}
	return strings.Join(all, "; ")
}

// Unwrap is the errors.
func (l errorList) Unwrap() []error { return l }

// showError prints an error, and with a conflict the present record.
func (a *app) showError(err error, code int) {
	if list, ok := errors.AsType[errorList](err); ok {
		for _, err := range list {
			a.showError(err, code)
		}
		return
	}
	if batch, ok := errors.AsType[*client.BatchConflictError](err); ok {
		for _, conflict := range batch.Conflicts {
			a.showError(conflict, code)
		}
		return
	}
	if a.JSON {
		a.showErrorJSON(err, code)
		return
	}
	a.notef("syncctl: %v\n", err)
	if conflict, ok := errors.AsType[*client.ConflictError](err); ok && conflict.Current != nil {
		a.showRecord(*conflict.Current)
	}
	if held, ok := errors.AsType[*client.HeldError](err); ok {
		a.showLock(held.Lock)
	}
	if _, ok := errors.AsType[*client.ClockError](err); ok {
		a.notef("Set this machine's clock. Only if you are sure that the server's is right: --clock-correction\n")
	}
}

func (a *app) showErrorJSON(err error, code int) {
	out := errorJSON{Error: err.Error(), ExitCode: code}
	if coded, ok := errors.AsType[*client.Error](err); ok {
		out.Code, out.Field = string(coded.Code), coded.Field
	}
	if conflict, ok := errors.AsType[*client.ConflictError](err); ok {
		out.Code, out.ID = "CONFLICT", conflict.ID
		if conflict.Current != nil {
			out.Record = newRecordJSON(*conflict.Current)
		}
	}
	if held, ok := errors.AsType[*client.HeldError](err); ok {
		out.Code, out.Lock = "HELD", &held.Lock
	}
	if unopened, ok := errors.AsType[*unopenedError](err); ok {
		out.Code, out.ID = unopened.code(), unopened.id
	}
	a.printJSON(out)
}

type errorJSON struct {
	Error    string       `json:"error"`
	Code     string       `json:"code,omitempty"`
	ExitCode int          `json:"exitCode"`
	Field    string       `json:"field,omitempty"`
	ID       string       `json:"id,omitempty"`
	Record   *recordJSON  `json:"record,omitempty"`
	Lock     *client.Lock `json:"lock,omitempty"`
}
