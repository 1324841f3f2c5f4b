package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"syncline/client"
	"syncline/internal/commandline"
)

// fence is LOCK=TOKEN.
type fence client.Fence

// Decode reads LOCK=TOKEN.
func (f *fence) Decode(ctx *kong.DecodeContext) error {
	text, err := commandline.Text(ctx)
	if err != nil {
		return err
	}
	at := strings.LastIndexByte(text, '=')
	if at < 1 {
		return errors.New("a fence is LOCK=TOKEN")
	}
	token, err := strconv.ParseInt(text[at+1:], 10, 64)
	if err != nil || token < 1 {
		return errors.New("a fence is LOCK=TOKEN, and the token a number above 0")
	}
	*f = fence{Lock: text[:at], Token: client.FenceToken(token)}
	return nil
}

// maxContent bounds what is read for a request: no server takes a larger one.
const maxContent = 1 << 20

// content reads what an argument stands for: itself, @FILE, or - for standard
// input. @@ stands for a single @ at the beginning.
func (a *app) content(ctx context.Context, arg string) ([]byte, error) {
	switch {
	case arg == "-" || arg == "@-":
		return a.readInput(ctx)
	case strings.HasPrefix(arg, "@@"):
		return []byte(arg[1:]), nil
	case strings.HasPrefix(arg, "@"):
		return readFile(ctx, arg[1:])
	default:
		return []byte(arg), nil
	}
}

// readInput reads standard input, which can be read once.
func (a *app) readInput(ctx context.Context) ([]byte, error) {
	if a.inputRead {
		return nil, usagef("standard input can be read once: it is asked for twice")
	}
	a.inputRead = true
	return readBounded(ctx, "standard input", func() (io.Reader, error) { return a.in, nil })
}

func readFile(ctx context.Context, path string) ([]byte, error) {
	return readBounded(ctx, path, func() (io.Reader, error) { return os.Open(path) })
}

// readBounded reads until the end, or until ctx ends: a terminal or a pipe may
// have nothing to give for ever, and the reading is left behind then.
func readBounded(ctx context.Context, name string, open func() (io.Reader, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		r, err := open()
		if err != nil {
			done <- result{nil, err}
			return
		}
		if c, ok := r.(io.Closer); ok && r != os.Stdin {
			defer func() { _ = c.Close() }()
		}
		data, err := io.ReadAll(io.LimitReader(r, maxContent+1))
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		switch {
		case r.err != nil:
			return nil, r.err
		case len(r.data) > maxContent:
			return nil, &client.Error{Code: client.ErrBadUserInput, Message: name + " has more than 1 MiB, which no server takes at once"}
		}
		return r.data, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
