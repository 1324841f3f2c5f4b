// Command syncctl reads, writes, follows and locks an owner's records from the
// command line. See syncctl --help.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

type streams struct {
	in       io.Reader
	out, err io.Writer
}

// cli is the command line.
type cli struct {
	globals

	Keygen  keygenCommand  `cmd:"" help:"Make a new key. Whoever has it is the owner of the data."`
	Whoami  whoamiCommand  `cmd:"" help:"Show who you are to the server, and what your data adds up to."`
	Set     setCommand     `cmd:"" help:"Create or replace a record."`
	Get     getCommand     `cmd:"" help:"Show records."`
	Delete  deleteCommand  `cmd:"" help:"Delete a record."`
	Changes changesCommand `cmd:"" help:"Show what was written, in order of revision, up to now."`
	Listen  listenCommand  `cmd:"" help:"Show changes as they happen, until interrupted."`
	Lock    lockCommand    `cmd:"" help:"Take a lock, or run a command under one."`
	Unlock  unlockCommand  `cmd:"" help:"Release a lock."`
	Locked  lockedCommand  `cmd:"" help:"Show who holds a lock."`
	Sign    signCommand    `cmd:"" help:"Print a signed curl command for a query."`
}

type globals struct {
	URL         string        `name:"url" env:"SYNCLINE_URL" default:"http://localhost:8080/graphql" help:"The server's GraphQL endpoint."`
	Key         string        `env:"SYNCLINE_KEY" default:"${key}" type:"path" placeholder:"FILE" help:"The file with your private key, mode 0600 (${default})."`
	Certificate string        `env:"SYNCLINE_CERTIFICATE" type:"path" placeholder:"FILE" help:"API-key certificate, PEM or DER, for servers that ask for one."`
	ClientID    string        `name:"client-id" env:"SYNCLINE_CLIENT_ID" help:"What this device calls itself on its writes."`
	Timeout     time.Duration `default:"10s" help:"How long to try before the server counts as unreachable (${default})."`
	JSON        bool          `name:"json" help:"Print one JSON object a line, errors too."`
	Verbose     bool          `short:"v" help:"Tell on standard error what is tried again, and why."`
}

const description = `Syncline from the command line: versioned records that follow you from device to device.

Start with "syncctl keygen". Data is given as an argument, as @FILE, or as - for standard input.

Exit codes:
  0  done
  1  error
  2  wrong usage
  3  conflict: the record has another revision; the present one is printed
  4  held: others hold the lock
  5  refused by the server, with a code
  6  server unreachable or unavailable
  7  not found
  8  the lock was lost while the command ran
  130  interrupted
"syncctl lock NAME -- COMMAND" ends with the command's own code.`

// run runs one command line and answers its exit code.
func run(ctx context.Context, args []string, s streams) int {
	var c cli
	out := &results{Writer: s.out}
	s.out = out
	a := &app{globals: &c.globals, streams: s, results: out}
	code, err := a.execute(ctx, &c, args)
	if err = cmp.Or(err, out.failed); err != nil {
		code = exitCode(err)
		a.showError(err, code)
	}
	return code
}

// execute answers an exit code of kong's own (after --help), or of a command
// that was run.
func (a *app) execute(ctx context.Context, c *cli, args []string) (code int, err error) {
	exited := -1
	parser, err := kong.New(c,
		kong.Name("syncctl"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Vars{"key": defaultKeyPath()},
		kong.Writers(a.out, a.err),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(a),
	)
	if err != nil {
		return 0, err
	}
	parsed, err := parser.Parse(args)
	switch {
	case exited >= 0:
		return exited, nil
	case err != nil:
		return 0, &usageError{err}
	}
	err = parsed.Run()
	return a.commandCode, err
}

func defaultKeyPath() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return filepath.Join(".", "syncline.key")
	}
	return filepath.Join(dir, "syncline", "key")
}

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() + "; see syncctl --help" }

func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}
