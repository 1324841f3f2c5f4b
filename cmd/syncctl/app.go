package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"syncline/client"
)

// app is what the commands share.
type app struct {
	*globals
	streams
	results *results
	// commandCode is the exit code of a command that was run under a lock.
	commandCode int
}

// client makes a client of the server for the owner of the key. level is from
// which on its log is shown, unless verbose.
func (a *app) client(level slog.Level) (*client.Client, error) {
	key, err := readKey(a.Key)
	if err != nil {
		return nil, err
	}
	if a.Verbose {
		level = slog.LevelDebug
	}
	opts := []client.Option{client.WithClientID(a.ClientID), client.WithLogger(newLog(a.err, level))}
	if a.Certificate != "" {
		der, err := readCertificate(a.Certificate)
		if err != nil {
			return nil, err
		}
		opts = append(opts, client.WithCertificate(der))
	}
	c, err := client.New(a.URL, key, opts...)
	if err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}

// call runs a call within the timeout.
func (a *app) call(ctx context.Context, f func(context.Context, *client.Client) error) error {
	c, err := a.client(slog.LevelWarn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	return f(ctx, c)
}

// newLog writes lines without time: people read them as they come.
func newLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
			if attr.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return attr
		},
	}))
}

func readCertificate(path string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(raw); block != nil {
		return block.Bytes, nil
	}
	return raw, nil
}

// argument reads the content that an argument names: itself, @FILE, or - for
// standard input.
func (a *app) argument(arg string) ([]byte, error) {
	switch {
	case arg == "-":
		return io.ReadAll(a.in)
	case strings.HasPrefix(arg, "@"):
		return os.ReadFile(arg[1:])
	default:
		return []byte(arg), nil
	}
}

// printf writes to standard output. What goes wrong there shows in the end.
func (a *app) printf(format string, args ...any) { _, _ = fmt.Fprintf(a.out, format, args...) }

// notef writes to standard error what is not a result.
func (a *app) notef(format string, args ...any) { _, _ = fmt.Fprintf(a.err, format, args...) }

// results is standard output, and remembers what went wrong: a result that
// was not written, because the disk is full for one, must not pass for success.
type results struct {
	io.Writer
	failed error
}

func (r *results) Write(b []byte) (int, error) {
	n, err := r.Writer.Write(b)
	if err != nil && r.failed == nil {
		r.failed = fmt.Errorf("standard output: %w", err)
	}
	return n, err
}
