package main

import (
	"context"
	"errors"

	"syncline/client"
)

// Exit codes to rely on.
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
)

func exitCode(err error) int {
	var usage *usageError
	var refused *client.Error
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, client.ErrConflict):
		return exitConflict
	case errors.Is(err, client.ErrLockLost):
		return exitLockLost
	case errors.Is(err, client.ErrHeld):
		return exitHeld
	case errors.Is(err, client.ErrNotFound):
		return exitNotFound
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, client.ErrUnreachable), errors.Is(err, client.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return exitUnreachable
	case errors.Is(err, client.ErrInternal):
		return exitError
	case errors.As(err, &refused):
		return exitRefused
	default:
		return exitError
	}
}

// showError prints an error, and with a conflict the present record.
func (a *app) showError(err error, code int) {
	if a.JSON {
		a.showErrorJSON(err, code)
		return
	}
	a.notef("syncctl: %v\n", err)
	var conflict *client.ConflictError
	if errors.As(err, &conflict) && conflict.Current != nil {
		a.showRecord(*conflict.Current)
	}
	var held *client.HeldError
	if errors.As(err, &held) {
		a.showLock(held.Lock)
	}
}

func (a *app) showErrorJSON(err error, code int) {
	out := errorJSON{Error: err.Error(), ExitCode: code}
	var coded *client.Error
	if errors.As(err, &coded) {
		out.Code, out.Field = string(coded.Code), coded.Field
	}
	var conflict *client.ConflictError
	if errors.As(err, &conflict) {
		out.Code = "CONFLICT"
		if conflict.Current != nil {
			out.Record = newRecordJSON(*conflict.Current)
		}
	}
	var held *client.HeldError
	if errors.As(err, &held) {
		out.Code, out.Lock = "HELD", &held.Lock
	}
	a.printJSON(out)
}

type errorJSON struct {
	Error    string       `json:"error"`
	Code     string       `json:"code,omitempty"`
	ExitCode int          `json:"exitCode"`
	Field    string       `json:"field,omitempty"`
	Record   *recordJSON  `json:"record,omitempty"`
	Lock     *client.Lock `json:"lock,omitempty"`
}
