package main

import (
	"cmp"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/alecthomas/kong"

	"syncline/auth/signing"
	"syncline/client"
	"syncline/cmd/syncctl/internal/terminal"
)

// app is what the commands share.
type app struct {
	*globals
	streams
	results *results
	parser  *kong.Kong
	// given are the flags alone, without what variables and the context add.
	given globals
	// giveUp ends the command with a reason.
	giveUp func(error)
	// commandCode is the exit code of a command that was run.
	commandCode int
	// exited is the exit code that the parser asked for; below 0, none.
	exited    int
	inputRead bool
	// ownKey is the key once it was read.
	ownKey *signing.PrivateKey
}

const defaultURL = "http://localhost:8080/graphql"

// fillIn completes the flags: first what the context has that --context names, for
// it is a flag, too, then variables, then any other context, then defaults.
func (a *app) fillIn() error {
	chosen, err := a.chosenContext()
	if err != nil {
		return err
	}
	var named savedContext
	if a.Context != "" {
		named = chosen
	}
	a.URL = cmp.Or(a.URL, named.URL, os.Getenv("SYNCLINE_URL"), chosen.URL, defaultURL)
	a.Key = cmp.Or(a.Key, named.Key, os.Getenv("SYNCLINE_KEY"), os.Getenv("SYNCLINE_KEY_FILE"), chosen.Key)
	a.Certificate = cmp.Or(a.Certificate, named.Certificate, os.Getenv("SYNCLINE_CERTIFICATE"), chosen.Certificate)
	a.ClientID = cmp.Or(a.ClientID, named.ClientID, os.Getenv("SYNCLINE_CLIENT_ID"), chosen.ClientID)
	a.PassphraseFile = cmp.Or(a.PassphraseFile, os.Getenv("SYNCLINE_PASSPHRASE_FILE"))
	return nil
}

// client makes a client of the server for the owner of the key. level is from
// which on its log is shown, unless verbose.
func (a *app) client(ctx context.Context, level slog.Level) (*client.Client, error) {
	key, err := a.key(ctx)
	if err != nil {
		return nil, err
	}
	if a.Verbose {
		level = slog.LevelDebug
	}
	opts := []client.Option{
		client.WithClientID(a.ClientID), client.WithLogger(a.newLog(level)),
		client.WithCallTimeout(a.Timeout), client.WithClockCorrection(a.ClockCorrection),
		client.WithHTTPClient(&http.Client{Transport: a.transport()}),
	}
	if a.Debug {
		opts = append(opts, client.WithSocketTrace(a.socketTrace()))
	}
	if a.Certificate != "" {
		der, err := readCertificate(ctx, a.Certificate)
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

// transport ends the command when the first host that it asks for does not exist:
// waiting does not mend a name that is wrong.
func (a *app) transport() http.RoundTripper {
	usual, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := usual.Clone()
	var reached atomic.Bool
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := usual.DialContext(ctx, network, address)
		unknown, ok := errors.AsType[*net.DNSError](err)
		if ok && unknown.IsNotFound && !reached.Load() {
			a.giveUp(fmt.Errorf("%w: there is no host %s", client.ErrUnreachable, unknown.Name))
		}
		if err == nil {
			reached.Store(true)
		}
		return conn, err
	}
	if a.Debug {
		return &debugTransport{t, a}
	}
	return t
}

// newLog writes lines without time: people read them as they come.
func (a *app) newLog(level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
			if attr.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return attr
		},
	}
	if a.JSON {
		return slog.New(slog.NewJSONHandler(safeJSON{a.err}, options))
	}
	return slog.New(slog.NewTextHandler(a.err, options))
}

// safeJSON writes JSON without characters that act on a terminal.
type safeJSON struct{ to io.Writer }

func (s safeJSON) Write(line []byte) (int, error) {
	if _, err := s.to.Write(terminal.JSON(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

func readCertificate(ctx context.Context, path string) ([]byte, error) {
	raw, err := readFile(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if block, _ := pem.Decode(raw); block != nil {
		return block.Bytes, nil
	}
	return raw, nil
}

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

// isClosed tells whether nobody reads any more.
func (r *results) isClosed() bool { return errors.Is(r.failed, syscall.EPIPE) }
