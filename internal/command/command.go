// Package command is the server's command line: its commands, and how each gets
// what it needs. [Run] is all of it.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"syncline/internal/commandline"
	"syncline/internal/config"
	"syncline/storage"
)

// Program is what Run is given of the process that it runs in.
type Program struct {
	// Environ has the variables, lines of NAME=value as os.Environ gives them.
	Environ        []string
	Stdout, Stderr io.Writer
	// Serve serves the API until ctx ends. The database is up to date, and is closed
	// afterwards.
	Serve func(ctx context.Context, cfg config.Config, db *storage.DB) error
}

// Exit codes beside 0. More than these two are told by no command.
const (
	exitError = 1
	exitUsage = 2
)

// cli is the command line.
type cli struct {
	VersionFlag commandline.VersionFlag `name:"version" help:"Show the version."`

	EnvFile string `type:"path" placeholder:"FILE" help:"Read variables from a file, too: NAME=value a line. Those of the environment go before."`

	Serve       serveCommand       `cmd:"" default:"1" help:"Serve the API. This is what syncline without a command does."`
	Migrate     migrateCommand     `cmd:"" help:"Bring the database up to date. Serving does so, too."`
	NewEpoch    newEpochCommand    `cmd:"" help:"Begin a new history after a restore by other means, before serving."`
	Backup      backupCommand      `cmd:"" help:"Copy the SQLite database, also while a server runs."`
	Restore     restoreCommand     `cmd:"" help:"Put a backup in place of the SQLite database, and begin a new history."`
	Compact     compactCommand     `cmd:"" help:"Give room that the SQLite database does not use any more back to the disk."`
	Move        moveCommand        `cmd:"" help:"Copy all from SQLite into an empty PostgreSQL, or back, while no server runs."`
	Check       checkCommand       `cmd:"" help:"Look at the configuration and at all that a server needs, and say what is wrong."`
	Owner       ownerCommand       `cmd:"" help:"List, export, import and erase the data of owners, and set their quotas."`
	Import      importCommand      `cmd:"" help:"Import the data of another service: Breez data-sync."`
	Healthcheck healthcheckCommand `cmd:"" help:"Ask the server at LISTEN_ADDRESS whether it is ready."`

	Version    versionCommand    `cmd:"" help:"Show the version."`
	Completion completionCommand `cmd:"" help:"Print a script that completes command lines in bash, zsh or fish."`
	Man        manCommand        `cmd:"" help:"Print the manual page."`
	Help       helpCommand       `cmd:"" help:"Show help about a command."`
	Complete   completeCommand   `cmd:"" hidden:"" name:"__complete" passthrough:""`
}

const description = `Syncline keeps an app's data in step across a user's devices: a GraphQL server.

The configuration comes from variables of the environment, or of a file (--env-file): the README has a table of them.

Exit codes:
  0  done
  1  error, told in one line
  2  wrong usage`

// Run runs one command line, without the program's own name, and answers its exit
// code. Errors are told on Stderr.
func Run(ctx context.Context, args []string, p Program) (code int) {
	code, err := run(ctx, args, p)
	if err != nil {
		_, _ = fmt.Fprintln(p.Stderr, "syncline:", err) // if that fails, there is nowhere to tell
	}
	return code
}

func run(ctx context.Context, args []string, p Program) (code int, err error) {
	var c cli
	line := &line{Program: p, cli: &c, exited: -1}
	line.parser, err = kong.New(&c,
		kong.Name("syncline"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Writers(p.Stdout, p.Stderr),
		kong.Exit(func(code int) { line.exited = code }),
		commandline.Mappers(),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(line),
	)
	if err != nil {
		return exitError, err
	}
	parsed, err := line.parser.Parse(args)
	switch {
	case line.exited >= 0: // help or the version was shown
		return line.exited, nil
	case err != nil:
		return exitUsage, usageError{err}
	}
	if err := parsed.Run(); err != nil {
		if _, usage := errors.AsType[usageError](err); usage {
			return exitUsage, err
		}
		return exitError, err
	}
	return 0, nil
}

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() + "; see syncline --help" }

func (e usageError) Unwrap() error { return e.err }

// line is a command line that is being run.
type line struct {
	Program
	cli    *cli
	parser *kong.Kong
	exited int // the code that the parser asked for; below 0, none
}

// config is the configuration.
func (l *line) config() (config.Config, error) {
	if l.cli.EnvFile == "" {
		return config.Load(l.Environ)
	}
	environ, err := config.WithEnvFile(l.Environ, l.cli.EnvFile)
	if err != nil {
		return config.Config{}, err
	}
	return config.Load(environ)
}

// printf tells a result.
func (l *line) printf(format string, args ...any) error {
	if _, err := fmt.Fprintf(l.Stdout, format, args...); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// withExisting is withDatabase where there is a database already. A wrong path or
// name must not become an empty database.
func (l *line) withExisting(ctx context.Context, use func(config.Config, *storage.DB) error) error {
	return l.withDatabase(ctx, false, use)
}

// withDatabase opens the configured database, brings it up to date and lends it. It
// makes one if there is none and create is set.
func (l *line) withDatabase(ctx context.Context, create bool, use func(config.Config, *storage.DB) error) (err error) {
	cfg, err := l.config()
	if err != nil {
		return err
	}
	if !create && cfg.DatabaseURL == "" && !storage.HasSQLite(cfg.SQLiteDirPath) {
		return fmt.Errorf("SQLITE_DIR_PATH: %w in %q", storage.ErrNoDatabase, cfg.SQLiteDirPath)
	}
	db, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if !create {
		if err := db.MustHaveTables(ctx); err != nil {
			return named(databaseVariable(cfg), err)
		}
	}
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	return use(cfg, db)
}

func open(ctx context.Context, cfg config.Config) (*storage.DB, error) {
	if cfg.DatabaseURL != "" {
		db, err := storage.OpenPostgres(ctx, cfg.DatabaseURL, cfg.DatabaseMaxConnections)
		return db, named("DATABASE_URL", err)
	}
	db, err := storage.OpenSQLite(ctx, cfg.SQLiteDirPath)
	return db, named("SQLITE_DIR_PATH", err)
}

// databaseVariable says where the database is.
func databaseVariable(cfg config.Config) string {
	if cfg.DatabaseURL != "" {
		return "DATABASE_URL"
	}
	return "SQLITE_DIR_PATH"
}

// named adds the variable that an error comes from, as operators look for it.
func named(variable string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", variable, err)
}
