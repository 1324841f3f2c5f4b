// Command syncctl reads, writes, follows and locks an owner's records from the
// command line. See syncctl --help.
package main

import (
	"cmp"
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"syncline/cmd/syncctl/internal/group"
	"syncline/internal/commandline"
)

func main() {
	ctx, end := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) { // as nohup and background jobs of scripts have it
			signal.Notify(signals, s)
		}
	}
	go func() {
		if s, ok := (<-signals).(syscall.Signal); ok {
			end(group.Signal{Signal: s})
		}
	}()
	// A closed pipe is an error of the write that met it: there may be a lock to release.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	for _, variable := range os.Environ() { // one that is empty counts as not set
		if name, value, _ := strings.Cut(variable, "="); value == "" && strings.HasPrefix(name, "SYNCLINE_") {
			_ = os.Unsetenv(name)
		}
	}
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

type streams struct {
	in       io.Reader
	out, err io.Writer
}

// cli is the command line.
type cli struct {
	globals
	Version commandline.VersionFlag `help:"Show the version."`

	Keygen  keygenCommand  `cmd:"" help:"Make a new key. Whoever has it is the owner of the data."`
	Key     keyCommands    `cmd:"" help:"Carry a key to another device, or protect it with a passphrase."`
	Whoami  whoamiCommand  `cmd:"" help:"Show who you are to the server, and what your data adds up to."`
	Set     setCommand     `cmd:"" help:"Create or replace a record."`
	Get     getCommand     `cmd:"" help:"Show records."`
	List    listCommand    `cmd:"" help:"Show the records whose ids begin alike."`
	Delete  deleteCommand  `cmd:"" help:"Delete a record."`
	Write   writeCommand   `cmd:"" help:"Write many records, all or none."`
	Changes changesCommand `cmd:"" help:"Show what was written, in order of revision, up to now."`
	Listen  listenCommand  `cmd:"" help:"Show changes as they happen, or run a command for each, until interrupted."`
	Lock    lockCommand    `cmd:"" help:"Take a lock, or run a command under one."`
	Unlock  unlockCommand  `cmd:"" help:"Release a lock."`
	Locked  lockedCommand  `cmd:"" help:"Show who holds a lock, or watch it."`
	Erase   eraseCommand   `cmd:"" help:"Erase all of your data on the server, for good."`
	Sign    signCommand    `cmd:"" help:"Print a signed curl command for a query."`

	Context    contextCommands   `cmd:"" help:"Keep several servers and keys, and choose between them."`
	Doctor     doctorCommand     `cmd:"" help:"Check the key, the clock and the way to the server."`
	Completion completionCommand `cmd:"" help:"Print a script that completes command lines in bash, zsh or fish."`
	Man        manCommand        `cmd:"" help:"Print the manual page."`
	Help       helpCommand       `cmd:"" help:"Show help about a command."`
	Complete   completeCommand   `cmd:"" hidden:"" name:"__complete" passthrough:""`
}

type globals struct {
	Context         string        `name:"context" placeholder:"NAME" help:"Which context to use, instead of the one chosen with syncctl context use ($$SYNCLINE_CONTEXT)."`
	URL             string        `name:"url" placeholder:"URL" help:"The server's GraphQL endpoint ($$SYNCLINE_URL; http://localhost:8080/graphql)."`
	Key             string        `type:"path" placeholder:"FILE" help:"The file with your private key, - for standard input ($$SYNCLINE_KEY or $$SYNCLINE_KEY_FILE; ~/.config/syncline/key)."`
	PassphraseFile  string        `type:"path" placeholder:"FILE" help:"The file with the passphrase of your key, instead of asking for it ($$SYNCLINE_PASSPHRASE_FILE)."`
	Certificate     string        `type:"path" placeholder:"FILE" help:"API-key certificate, PEM or DER, for servers that ask for one ($$SYNCLINE_CERTIFICATE)."`
	ClientID        string        `name:"client-id" placeholder:"NAME" help:"What this device calls itself on its writes ($$SYNCLINE_CLIENT_ID)."`
	Timeout         time.Duration `default:"10s" help:"How long to try before the server counts as unreachable (${default})."`
	ClockCorrection time.Duration `default:"24h" help:"How far to believe a server whose clock differs from this machine's (${default})."`
	JSON            bool          `name:"json" help:"Print one JSON object a line, errors too."`
	Verbose         bool          `short:"v" help:"Tell on standard error what is tried again, and why."`
	Debug           bool          `help:"Show requests and answers on standard error, without secrets and data."`
}

const description = `Syncline from the command line: versioned records that follow you from device to device.

Start with "syncctl keygen". Data is given as an argument, as @FILE, or as - for standard input; @@ begins a value with one @.

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
  126, 127  the command to run under a lock cannot be run, or is not there
  128 + N  ended by signal N: 130 after Ctrl-C
"syncctl lock NAME -- COMMAND" ends with the command's own code.`

// run runs one command line and answers its exit code.
func run(ctx context.Context, args []string, s streams) int {
	var c cli
	out := &results{Writer: s.out}
	s.out = out
	a := &app{globals: &c.globals, streams: s, results: out}
	ctx, a.giveUp = context.WithCancelCause(ctx)
	defer a.giveUp(nil)
	code, err := a.execute(ctx, &c, args)
	if err = cmp.Or(err, out.failed); err == nil {
		return code
	}
	code = exitCode(ctx, err)
	if out.isClosed() { // who reads has seen enough, and there is nowhere to tell
		return code
	}
	a.JSON = a.JSON || asksForJSON(args) // also where the command line makes no sense
	a.showError(err, code)
	return code
}

// asksForJSON tells whether a command line that cannot be understood has --json.
func asksForJSON(args []string) bool {
	for _, arg := range args {
		if arg == "--" {
			return false
		}
		if arg == "--json" {
			return true
		}
	}
	return false
}

// execute answers an exit code of kong's own (after --help), or of a command
// that was run.
func (a *app) execute(ctx context.Context, c *cli, args []string) (code int, err error) {
	a.exited = -1
	parser, err := newParser(c, a.streams, func(code int) { a.exited = code },
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(a))
	if err != nil {
		return 0, err
	}
	a.parser = parser
	parsed, err := parser.Parse(args)
	switch {
	case a.exited >= 0:
		return a.exited, nil
	case err != nil:
		return 0, &usageError{err}
	}
	a.given = c.globals
	if err := a.fillIn(); err != nil {
		return 0, err
	}
	err = parsed.Run()
	return a.commandCode, err
}

func newParser(c *cli, s streams, exit func(int), opts ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append([]kong.Option{
		kong.Name("syncctl"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(s.out, s.err),
		kong.Exit(exit),
		commandline.Mappers(),
	}, opts...)...)
}
